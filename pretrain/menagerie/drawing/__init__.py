"""Draws the individuals and scenes of the menagerie at 128 px."""
