"""What happened before a camera: events, the file that keeps them, and their delivery."""
