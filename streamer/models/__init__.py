"""Weights, class names and the notice of the built-in detector, which come with the package."""
