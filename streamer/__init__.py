"""Real-time video with instance segmentation."""

__version__ = "0.1.0"
