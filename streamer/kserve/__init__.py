"""KServe's protocol v2 (the Open Inference Protocol), for both ends: its messages, and what detectors say in them."""
