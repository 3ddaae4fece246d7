"""Following objects between detections."""
