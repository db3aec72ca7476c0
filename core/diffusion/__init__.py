"""The method and the backbone: everything that needs torch and is not the engine."""
