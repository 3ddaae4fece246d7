"""Detectors, which find objects in a picture: the built-in one, TensorFlow models, a user's own class; loaded by name."""
