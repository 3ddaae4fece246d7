"""Zones, lines and dwell: what tracked objects do in a scene. No I/O, and no clock but the frames' own time."""
