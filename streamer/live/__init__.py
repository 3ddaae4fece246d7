"""Cameras and streams: one pipeline for each, supervised, with status, metrics and a shared detector."""
