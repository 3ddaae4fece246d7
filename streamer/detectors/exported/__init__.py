"""Detectors from one file that a framework exported: ONNX and LiteRT."""
