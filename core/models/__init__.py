"""The models that are served: what is known of them, their parameters and recipes."""
