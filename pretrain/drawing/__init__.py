"""Pictures of cartoon animals: individuals and scenes, drawn by our own code."""
