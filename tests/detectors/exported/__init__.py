"""Detectors from exported files."""
