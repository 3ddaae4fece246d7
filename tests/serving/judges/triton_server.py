"""A real Triton with a model of streamer's contract and one of Mask R-CNN's, until its input ends: triton_server.py GRPC HTTP.

For the environment of the judges: nvidia-pytriton brings tritonserver. Prints READY once both models answer.
"""

import sys

import cv2
import numpy as np
from pytriton.decorators import batch
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig, TritonSecurityConfig


def found(picture):
    """Boxes, scores, classes and masks of two objects; the first box depends on the picture."""
    height, width = picture.shape[:2]
    level = float(picture[height // 2, width // 2].mean())
    boxes = np.array([[0, 0, level, level + 1], [width / 4, height / 4, width / 2, height / 2]], np.float32)
    masks = np.stack([np.full((28, 28), 255, np.uint8), np.tile(np.arange(28, dtype=np.uint8) * 9, (28, 1))])
    return boxes, np.array([0.9, 0.6], np.float32), np.array([1, 3], np.int64), masks


@batch
def ours(image=None, image_jpeg=None):
    if image is None:
        image = cv2.imdecode(np.frombuffer(image_jpeg.ravel()[0], np.uint8), cv2.IMREAD_COLOR)[None, ..., ::-1]
    boxes, scores, classes, masks = found(image[0])
    return {"boxes": boxes[None], "scores": scores[None], "classes": classes[None], "masks": masks[None]}


@batch
def mask_rcnn(input_tensor):
    boxes, scores, classes, masks = found(input_tensor[0])
    height, width = input_tensor.shape[1:3]
    fractions = np.ascontiguousarray(boxes[:, [1, 0, 3, 2]] / np.array([height, width] * 2, np.float32))
    return {
        "num_detections": np.array([[2]], np.float32),
        "detection_boxes": fractions[None],
        "detection_scores": scores[None],
        "detection_classes": classes[None].astype(np.float32),
        "detection_masks": masks[None].astype(np.float32) / 255,
    }


def outputs(**shapes):
    return [Tensor(name=name, dtype=dtype, shape=shape) for name, (dtype, shape) in shapes.items()]


def main():
    grpc_port, http_port = map(int, sys.argv[1:])
    security = TritonSecurityConfig(restricted_endpoints=[])  # else shared memory asks for a token
    config = TritonConfig(
        grpc_port=grpc_port, http_port=http_port, grpc_address="127.0.0.1", http_address="127.0.0.1", allow_metrics=False
    )
    one = ModelConfig(max_batch_size=1)
    with Triton(config=config, security_config=security) as triton:
        triton.bind(
            "ours",
            ours,
            [
                Tensor(name="image", dtype=np.uint8, shape=(-1, -1, 3), optional=True),
                Tensor(name="image_jpeg", dtype=bytes, shape=(1,), optional=True),
            ],
            outputs(
                boxes=(np.float32, (-1, 4)),
                scores=(np.float32, (-1,)),
                classes=(np.int64, (-1,)),
                masks=(np.uint8, (-1, 28, 28)),
            ),
            config=one,
        )
        triton.bind(
            "mask-rcnn",
            mask_rcnn,
            [Tensor(name="input_tensor", dtype=np.uint8, shape=(-1, -1, 3))],
            outputs(
                num_detections=(np.float32, (1,)),
                detection_boxes=(np.float32, (-1, 4)),
                detection_scores=(np.float32, (-1,)),
                detection_classes=(np.float32, (-1,)),
                detection_masks=(np.float32, (-1, 28, 28)),
            ),
            config=one,
        )
        triton.run()
        print("READY", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
