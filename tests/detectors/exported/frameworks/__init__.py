"""What frameworks themselves found with networks that they exported, recorded once: ``recordings``, read by ``recording``.

Weights are random, networks and pictures small. A recording holds what the framework gave its network for
``tiny_networks.picture``, what the exported file answered in ONNX Runtime, and what the framework's own code made of that:

- ``transformers-*``: Transformers 5.24, exported as optimum does, ``RTDetrImageProcessor`` before and after;
- ``yolox*``: YOLOX of LibreYOLO 1.6, exported as Megvii's tool does, boxes decoded or not, its scaling and suppression by hand;
- ``yolov5``: yolov5 7.0.14, its ``export_onnx``, ``letterbox`` and ``non_max_suppression``.
"""
