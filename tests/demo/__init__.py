"""The webcam demo."""
