"""Networks that read a picture, and what they say of the model."""
