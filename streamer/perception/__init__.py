"""Turns frames into annotated frames: a detector on every frame, on some of them, or beside the stream."""
