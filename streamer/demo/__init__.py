"""The webcam demo: a browser's camera comes, and goes back with what was found drawn on it."""
