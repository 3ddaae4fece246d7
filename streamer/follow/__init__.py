"""Following objects between detections: optical flow, tracks, occlusion order, appearance."""
