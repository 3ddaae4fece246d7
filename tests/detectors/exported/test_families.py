"""What each family's outputs mean, and that no numbers in them do harm."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from streamer.detectors.exported.class_names import class_names
from streamer.detectors.exported.description import Description, Tensor
from streamer.detectors.exported.families import recognise
from streamer.detectors.exported.found import Found, Reader
from streamer.detectors.exported.picture_input import Fit, PictureInput
from streamer.detectors.exported.queries import Queries
from streamer.detectors.exported.recognition import Place, picture_place
from streamer.errors import ConfigError, ModelRefused
from streamer.instances import Instances
from streamer.render.masks import binary_crop

FILE = Path("model.onnx")
SIDE = 96
CELLS = 12 * 12 + 6 * 6 + 3 * 3
"""Places of an input of 96 x 96 at the strides 8, 16, 32."""
WITH_64 = CELLS + 2 * 2

Outputs = dict[str, tuple[tuple[int, ...], str]]
FAMILIES: dict[str, Outputs] = {
    "YOLO, segment": {"o": ((1, 4 + 3 + 5, CELLS), "float32"), "p": ((1, 5, 16, 16), "float32")},
    "YOLO, detect": {"o": ((1, 4 + 3, CELLS), "float16")},
    "YOLO with objectness, segment": {"p": ((1, 5, 16, 16), "float32"), "o": ((1, 3 * CELLS, 5 + 3 + 5), "float32")},
    "YOLO, end to end, segment": {"o": ((1, 30, 6 + 5), "float32"), "p": ((1, 5, 16, 16), "float32")},
    "YOLO, end to end, detect": {"o": ((1, 300, 6), "float32")},
    "YOLOX": {"output": ((1, CELLS, 85), "float32")},
    "NanoDet": {"output": ((1, CELLS, 80 + 32), "float32")},
    "NanoDet-Plus": {"output": ((1, WITH_64, 3 + 32), "float32")},
    "RF-DETR": {
        "labels": ((1, 10, 91), "float32"),
        "dets": ((1, 10, 4), "float32"),
        "4245": ((1, 10, 16, 16), "float32"),
    },
    "RT-DETR, D-FINE or DEIM": {"labels": ((1, 12), "int64"), "boxes": ((1, 12, 4), "float32"), "scores": ((1, 12), "float32")},
    "torchvision": {
        "3510": ((5, 4), "float32"),
        "3511": ((5,), "int64"),
        "3512": ((5,), "float32"),
        "3513": ((5, 1, 28, 28), "float32"),
    },
    "TF Object Detection API": {
        "detection_boxes": ((1, 9, 4), "float32"),
        "detection_classes": ((1, 9), "float32"),
        "detection_scores": ((1, 9), "float32"),
        "num_detections": ((1,), "float32"),
        "detection_masks": ((1, 9, 33, 33), "float32"),
    },
    "SSD with post-processing": {
        "TFLite_Detection_PostProcess": ((1, 10, 4), "float32"),
        "TFLite_Detection_PostProcess:1": ((1, 10), "float32"),
        "TFLite_Detection_PostProcess:2": ((1, 10), "float32"),
        "TFLite_Detection_PostProcess:3": ((1,), "float32"),
    },
}


def description(outputs: Outputs, **metadata: str) -> Description:
    tensors = [Tensor(name, shape, dtype) for name, (shape, dtype) in outputs.items()]
    return Description(FILE, [Tensor("in", (1, 3, SIDE, SIDE), "float32")], tensors, metadata)


def reader_of(outputs: Outputs, **metadata: str) -> tuple[Reader, Place]:
    described = description(outputs, **metadata)
    place = picture_place(described.inputs)
    assert isinstance(place, Place)
    return recognise(described, place), place


def read(family: str, outputs: list[NDArray[Any]], size: tuple[int, int], least: float = 0.5, **metadata: str) -> Found:
    reader, place = reader_of(FAMILIES[family], **metadata)
    given = PictureInput(
        reader.preparation,
        size=place.size,
        largest=(SIDE, SIDE),
        stride=32,
        channels_last=False,
        batch=True,
        dtype=np.dtype(np.float32),
    )
    return reader.read(outputs, given.fit(*size), least)


def zeros(family: str) -> list[NDArray[Any]]:
    return [np.zeros(shape, dtype) for shape, dtype in FAMILIES[family].values()]


def test_a_network_of_places_may_have_no_axis_for_pictures() -> None:
    reader, _ = reader_of({"o": ((4 + 3, CELLS), "float32")})
    assert reader.family == "YOLO, detect"


@pytest.mark.parametrize("family", FAMILIES)
def test_each_is_known_by_its_shapes(family: str) -> None:
    reader, _ = reader_of(FAMILIES[family])
    assert reader.family == family
    with_masks = ("segment", "RF-DETR", "torchvision", "TF Object")
    assert reader.has_masks == any(word in family for word in with_masks)


ODD = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 1e30, -1e30, 1e-30, 0.5, 3e4]


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**32), odd=st.floats(0, 1), size=st.sampled_from([(1, 1), (200, 3), (96, 96), (31, 77)]))
def test_no_number_does_harm(family: str, seed: int, odd: float, size: tuple[int, int]) -> None:
    random = np.random.default_rng(seed)
    filled = []
    with np.errstate(all="ignore"):
        for shape, dtype in FAMILIES[family].values():
            values = np.where(random.random(shape) < odd, random.choice(ODD, shape), random.normal(0, 30, shape))
            filled.append(values.astype(dtype))
        found = read(family, filled, size)
        instances = Instances(boxes_xyxy=found.boxes_xyxy, scores=found.scores, class_ids=found.classes)
        usable = instances.usable(*size)
        masks = None if found.masks is None else found.masks(np.arange(len(instances)))
    assert np.isfinite(usable.boxes_xyxy).all()
    if masks is not None:
        assert masks.shape[0] == len(instances)
        assert masks.shape[1] == masks.shape[2] <= 112


@pytest.mark.parametrize(
    ("shape", "family"),
    [
        ((84, 24 * 24 + CELLS), "YOLO, detect"),
        ((84, 6 * 6 + 3 * 3), "YOLO, detect"),
        ((3 * (6 * 6 + 3 * 3), 85), "YOLO with objectness, detect"),
        ((6 * 6 + 3 * 3, 6), "YOLO, end to end, detect"),
    ],
    ids=["P2", "YOLOv3-tiny", "YOLOv3-tiny with objectness", "as many final rows as YOLOv3-tiny has places"],
)
def test_networks_with_other_strides(shape: tuple[int, int], family: str) -> None:
    reader, _ = reader_of({"o": ((1, *shape), "float32")})
    assert reader.family == family


def test_yolox_offsets_and_final_boxes_are_the_same() -> None:
    rows = np.zeros((1, CELLS, 85), np.float32)
    rows[0, 13, :6] = (0.5, 0.25, np.log(2), np.log(3), 0.9, 0.8)
    found = read("YOLOX", [rows], (SIDE, SIDE))
    # Place 13 is the second of the second row, of stride 8: its centre is at 12, 10.
    np.testing.assert_allclose(found.boxes_xyxy, [[4, 0, 20, 22]], atol=1e-4)
    np.testing.assert_allclose(found.scores, [0.72], atol=1e-5)
    final = np.full((1, CELLS, 85), 0.0, np.float32)
    final[0, :, :2] = 30.0
    final[0, 13, :6] = (12, 10, 16, 24, 0.9, 0.8)
    np.testing.assert_allclose(read("YOLOX", [final], (SIDE, SIDE)).boxes_xyxy, [[4, 0, 20, 22]], atol=1e-4)


@pytest.mark.parametrize(("family", "shift"), [("NanoDet", 4.0), ("NanoDet-Plus", 0.0)])
def test_nanodets_distances(family: str, shift: float) -> None:
    (rows,) = zeros(family)
    classes = rows.shape[2] - 32
    rows[0, 39, 1] = 0.7
    rows[0, 39, classes:] = np.eye(8)[[1, 2, 3, 1]].ravel() * 50
    found = read(family, [rows], (SIDE, SIDE))
    # Place 39 is column 3 of row 3.
    expected = np.array([24 - 8, 24 - 16, 24 + 24, 24 + 8]) + shift
    np.testing.assert_allclose(found.boxes_xyxy, [expected], atol=1e-3)
    assert found.classes.tolist() == [1]


def test_rf_detr_gives_the_best_pairs_of_query_and_class() -> None:
    labels, boxes, masks = zeros("RF-DETR")
    labels[:] = -9.0
    labels[0, 3, [1, 18]] = (2.0, 1.0)
    boxes[0, 3] = (0.5, 0.5, 0.5, 1.0)
    masks[0, 3] = -9.0
    masks[0, 3, :8] = 9.0
    found = read("RF-DETR", [labels, boxes, masks], (200, 100))
    assert found.classes.tolist() == [1, 18]
    np.testing.assert_allclose(found.scores, 1 / (1 + np.exp([-2.0, -1.0])), atol=1e-5)
    np.testing.assert_allclose(found.boxes_xyxy, [[50, 0, 150, 100]] * 2, atol=1e-3)
    assert found.masks is not None
    mask = found.masks(np.array([0]))[0]
    assert mask[: len(mask) // 2 - 2].min() > 0.9
    assert mask[len(mask) // 2 + 2 :].max() < 0.1


def test_finished_boxes_are_of_the_input() -> None:
    labels, boxes, scores = zeros("RT-DETR, D-FINE or DEIM")
    boxes[0, 4] = (24, 24, 72, 96)
    scores[0, 4] = 0.9
    found = read("RT-DETR, D-FINE or DEIM", [labels, boxes, scores], (640, 320))
    np.testing.assert_allclose(found.boxes_xyxy, [[160, 80, 480, 320]])


@pytest.mark.parametrize(
    "written",
    [lambda maps: maps, lambda maps: (maps * 255).astype(np.uint8), lambda maps: 18 * maps - 9],
    ids=["probabilities", "levels", "logits"],
)
def test_masks_of_28_cells_are_of_the_box(written: Callable[[NDArray[np.float32]], NDArray[Any]]) -> None:
    boxes, labels, scores, masks = zeros("torchvision")
    boxes[2] = (10, 10, 50, 50)
    scores[2] = 0.8
    labels[2] = 18
    masks[2, 0, :, :14] = 1.0
    found = read("torchvision", [boxes, labels, scores, written(masks)], (SIDE, SIDE))
    assert found.classes.tolist() == [18]
    assert found.masks is not None
    mask = found.masks(np.array([0]))[0]
    inside = mask[:, : len(mask) // 2 - 2]
    # At the edge of its box a mask that is pasted fades.
    assert 0.5 < inside.min() <= mask.max() <= 1.0
    assert inside[2:-2, 2:].min() > 0.9
    assert mask[:, len(mask) // 2 + 2 :].max() < 0.1


def pasted(mask: NDArray[np.float32], box: NDArray[np.float64], width: int, height: int) -> NDArray[np.bool_]:
    return pasted_values(mask, box, width, height) > 0.5


def pasted_values(mask: NDArray[np.float32], box: NDArray[np.float64], width: int, height: int) -> NDArray[np.float32]:
    """As torchvision's ``paste_masks_in_image`` does it."""
    cells = len(mask)
    centre, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2 * (cells + 2) / cells
    x0, y0, x1, y1 = (int(side) for side in (*(centre - half), *(centre + half)))
    made = cv2.resize(np.pad(mask, 1), (max(x1 - x0 + 1, 1), max(y1 - y0 + 1, 1)), interpolation=cv2.INTER_LINEAR)
    whole = np.zeros((height, width), np.float32)
    rows, columns = slice(max(y0, 0), min(y1 + 1, height)), slice(max(x0, 0), min(x1 + 1, width))
    whole[rows, columns] = made[rows.start - y0 : rows.stop - y0, columns.start - x0 : columns.stop - x0]
    return whole


@pytest.mark.parametrize(("side", "least"), [(24, 0.9), (60, 0.97), (120, 0.98), (300, 0.98)])
def test_masks_are_pasted_as_torchvision_does(side: int, least: float) -> None:
    random = np.random.default_rng(side)
    y, x = np.mgrid[-1:1:28j, -1:1:28j]
    size = 400, 320
    for _ in range(10):
        width, height = side * random.uniform(0.6, 1.0, 2)
        left, top = random.uniform(0, size[0] - width), random.uniform(0, size[1] - height)
        boxes, labels, scores, masks = zeros("torchvision")
        boxes[0] = left, top, left + width, top + height
        scores[0] = 0.9
        blob = cv2.GaussianBlur(random.normal(0, 3, (28, 28)), (0, 0), 2.5) + 1.5 - 1.5 * np.hypot(x, y)
        masks[0, 0] = np.clip(blob, 0, 1)
        reader, _ = reader_of(FAMILIES["torchvision"])
        found = reader.read([boxes, labels, scores, masks], Fit(size, size, 0, 0, size), 0.5)
        assert found.masks is not None
        x0, y0, crop = binary_crop(found.masks(np.array([0]))[0], found.boxes_xyxy[0].tolist(), *size)
        ours = np.zeros(size[::-1], bool)
        ours[y0 : y0 + crop.shape[0], x0 : x0 + crop.shape[1]] = crop
        theirs = pasted(masks[0, 0], boxes[0].astype(np.float64), *size)
        assert np.count_nonzero(ours & theirs) >= least * np.count_nonzero(ours | theirs)


@pytest.mark.parametrize(("side", "least"), [(30, 0.91), (60, 0.96), (100, 0.98)])
@pytest.mark.parametrize("by_network", [False, True], ids=["28 cells", "pasted by the network"])
def test_masks_that_differ_from_pixel_to_pixel_are_kept(side: int, least: float, *, by_network: bool) -> None:
    """Untrained networks make such masks, and fine structures are like them."""
    random = np.random.default_rng(side)
    size = 400, 320
    overlaps = []
    for _ in range(20):
        width, height = side * random.uniform(0.6, 1.0, 2)
        left, top = random.uniform(0, size[0] - width), random.uniform(0, size[1] - height)
        boxes, labels, scores, masks = zeros("torchvision")
        boxes[0] = left, top, left + width, top + height
        scores[0] = 0.9
        masks[0, 0] = random.uniform(0, 1, (28, 28))
        picture = pasted_values(masks[0, 0], boxes[0].astype(np.float64), *size)
        maps = np.zeros((len(boxes), 1, size[1], size[0]), np.float32) if by_network else masks
        if by_network:
            maps[0, 0] = picture
        reader, _ = reader_of(FAMILIES["torchvision"])
        found = reader.read([boxes, labels, scores, maps], Fit(size, size, 0, 0, size), 0.5)
        assert found.masks is not None
        x0, y0, crop = binary_crop(found.masks(np.array([0]))[0], found.boxes_xyxy[0].tolist(), *size)
        theirs = picture[y0 : y0 + crop.shape[0], x0 : x0 + crop.shape[1]] > 0.5
        overlaps.append(np.count_nonzero(crop & theirs) / np.count_nonzero(crop | theirs))
    assert np.median(overlaps) > least


def test_rows_beyond_the_count_do_not_count() -> None:
    boxes, classes, scores, count = zeros("SSD with post-processing")
    boxes[0] = (0.25, 0.5, 0.75, 1.0)
    scores[0] = 0.9
    count[0] = 2
    found = read("SSD with post-processing", [boxes, classes, scores, count], (100, 100))
    np.testing.assert_allclose(found.boxes_xyxy, [[50, 25, 100, 75]] * 2, atol=1e-4)


def test_rt_detr_of_ultralytics_has_the_shape_of_a_yolo() -> None:
    rows = np.zeros((1, 300, 6), np.float32)
    rows[0, 7] = (0.5, 0.5, 0.5, 0.25, 0.9, 2)
    found = read(
        "YOLO, end to end, detect", [rows], (640, 320), description="Ultralytics rtdetr-l model", names="['a','b','c']"
    )
    np.testing.assert_allclose(found.boxes_xyxy, [[160, 120, 480, 200]])


@pytest.mark.parametrize(("pad", "expected"), [("topleft", [20, 40, 80, 160]), ("center", [20, 0, 80, 96])])
def test_boxes_of_libreyolos_yolov9_are_corners(pad: str, expected: list[float]) -> None:
    rows = np.zeros((1, 7, CELLS), np.float32)
    rows[0, :, 5] = (10, 20, 40, 80, 0.1, 0.9, 0.0)
    said = {"model_family": "yolo9", "letterbox_pad": pad, "names": "['a','b','c']"}
    found = read("YOLO, detect", [rows], (192, 96 if pad == "center" else 192), 0.5, **said)
    np.testing.assert_allclose(found.boxes_xyxy, [expected])
    np.testing.assert_allclose(found.scores, [0.9])


@pytest.mark.parametrize(
    ("outputs", "picture", "family"),
    [
        ({"output": ((1, WITH_64, 85), "float32")}, "in", "YOLOX"),
        ({"output": ((1, WITH_64, 40), "float32")}, "images", "YOLOX"),
        ({"output": ((1, WITH_64, 40), "float32")}, "data", "NanoDet-Plus"),
        ({"outputs": ((1, CELLS, 85), "float32")}, "images", "YOLO with objectness, detect"),
    ],
    ids=["YOLOX of COCO", "YOLOX", "NanoDet-Plus", "YOLOv6"],
)
def test_what_has_one_shape_is_told_apart_by_names(outputs: Outputs, picture: str, family: str) -> None:
    tensors = [Tensor(name, shape, dtype) for name, (shape, dtype) in outputs.items()]
    described = Description(FILE, [Tensor(picture, (1, 3, SIDE, SIDE), "float32")], tensors)
    place = picture_place(described.inputs)
    assert isinstance(place, Place)
    assert recognise(described, place).family == family


def test_offsets_of_yolox_with_four_levels() -> None:
    reader, _ = reader_of({"output": ((1, WITH_64, 85), "float32")})
    rows = np.zeros((1, sum((128 // stride) ** 2 for stride in (8, 16, 32, 64)), 85), np.float32)
    # The last of the four cells of 64 pixels.
    rows[0, -1, :6] = (0.5, 0.25, 0, 0, 0.9, 0.8)
    found = reader.read([rows], Fit((128, 128), (128, 128), 0, 0, (128, 128)), 0.5)
    np.testing.assert_allclose(found.boxes_xyxy, [[64, 48, 128, 112]], atol=1e-4)


def test_finished_boxes_that_are_fractions() -> None:
    labels, boxes, scores = zeros("RT-DETR, D-FINE or DEIM")
    boxes[0, 4] = (0.25, 0.25, 0.75, 1.0)
    scores[0, 4] = 0.9
    found = read("RT-DETR, D-FINE or DEIM", [labels, boxes, scores], (640, 320))
    np.testing.assert_allclose(found.boxes_xyxy, [[160, 80, 480, 320]])


def test_boxes_of_keypoint_rcnn_are_used() -> None:
    outputs: Outputs = {
        "boxes": ((2, 4), "float32"),
        "labels": ((2,), "int64"),
        "scores": ((2,), "float32"),
        "keypoints": ((2, 17, 3), "float32"),
        "keypoints_scores": ((2, 17), "float32"),
    }
    reader, _ = reader_of(outputs)
    assert (reader.family, reader.has_masks) == ("torchvision", False)


def test_a_tf_network_that_takes_any_size_gets_the_picture_as_it_is() -> None:
    tensors = [Tensor(name, shape, dtype) for name, (shape, dtype) in FAMILIES["TF Object Detection API"].items()]
    described = Description(FILE, [Tensor("input_tensor", (1, None, None, 3), "uint8")], tensors)
    place = picture_place(described.inputs)
    assert isinstance(place, Place)
    assert recognise(described, place).preparation.resize == "none"


def test_a_query_of_one_class_in_all_is_of_its_best_class() -> None:
    reader = Queries(0, 1, None, 2, "softmax")
    logits = np.log(np.array([[[0.5, 0.4, 0.1], [0.05, 0.05, 0.9]]], np.float32))
    found = reader.read([np.full((1, 2, 4), 0.5, np.float32), logits], Fit((9, 9), (9, 9), 0, 0, (9, 9)), 0.01)
    assert found.classes.tolist() == [0, 0]
    np.testing.assert_allclose(found.scores, [0.5, 0.05], atol=1e-6)


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        ({"logits": ((1, 10, 92), "float32"), "pred_boxes": ((1, 10, 4), "float32")}, "sigmoid.*softmax"),
        ({"o": ((1, 7, 99), "float32")}, "fits no number of places"),
        ({"boxes": ((1, 9, 4), "float32"), "kinds": ((1, 9), "int64")}, "outputs for boxes"),
        ({"a": ((1, 3, 5, 7), "float32")}, "no known family"),
        ({"depth": ((1, 1, 64, 64), "float32")}, "looks like a model of depth or of semantic segmentation.*: depth float32"),
        ({"map": ((1, 32, 32), "float32")}, "looks like a model of depth"),
        ({"map": ((1, 64, 64, 21), "float32")}, "looks like a model of depth"),
        ({"class": ((1, 9, 3), "float32"), "mask": ((1, 9, 16, 16), "float32")}, "as MaskFormer and Mask2Former do"),
        (
            {
                "class": ((1, 9, 3), "float32"),
                "mask": ((1, 9, 16, 16), "float32"),
                "pixels": ((1, 64, 12, 12), "float32"),
                "last": ((1, 9, 64), "float32"),
            },
            "as MaskFormer and Mask2Former do",
        ),
        ({"boxes": ((1, 1917, 4), "float32"), "scores": ((1, 1917, 3), "float32")}, "1000 boxes at most, and not 1917"),
        ({"scalar": ((), "float32")}, "looks like a classification model"),
        (
            {"p3": ((1, 3, 12, 12, 8), "float32"), "p4": ((1, 3, 6, 6, 8), "float32"), "p5": ((1, 3, 3, 3, 8), "float32")},
            "the maps of its heads, which are not boxes and scores yet",
        ),
        (
            {"box": ((1, 64, 12, 12), "float32"), "class": ((1, 3, 12, 12), "float32"), "box_2": ((1, 64, 6, 6), "float32")},
            "the maps of its heads",
        ),
    ],
)
def test_what_is_of_no_family_is_told_what_is_missing(outputs: Outputs, words: str) -> None:
    with pytest.raises(ModelRefused, match=words):
        reader_of(outputs)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ([("in", (4, 3, 64, 64))], "it takes 4 pictures at once"),
        ([("a", (1, 3, 64, 64)), ("b", (1, 64, 64, 3))], "it takes 2 pictures at once: a, b"),
        ([("in", (1, 1, 64, 64))], "1 channel"),
        ([("in", (1, 4, 64, 64))], "4 channels"),
        ([("in", (1, 9, 64, 64))], "no input is a picture"),
        ([], "no input is a picture"),
    ],
)
def test_inputs_that_are_not_one_picture(inputs: list[tuple[str, tuple[int, ...]]], words: str) -> None:
    place = picture_place([Tensor(name, shape, "float32") for name, shape in inputs])
    assert isinstance(place, str)
    assert words in place


def test_metadata_that_do_not_fit_the_output() -> None:
    with pytest.raises(ModelRefused, match="name 2 classes, its output has 3"):
        reader_of(FAMILIES["YOLO, detect"], names="{0: 'a', 1: 'b'}")


@pytest.mark.parametrize(
    ("family", "number", "name"),
    [
        ("RF-DETR", 18, "dog"),
        ("torchvision", 18, "dog"),
        ("YOLOX", 16, "dog"),
        ("RT-DETR, D-FINE or DEIM", 16, "dog"),
        ("SSD with post-processing", 17, "dog"),
        ("YOLO, detect", 1, "class 1"),
    ],
)
def test_names_where_the_file_has_none(family: str, number: int, name: str) -> None:
    reader, _ = reader_of(FAMILIES[family])
    assert class_names(description(FAMILIES[family]), reader, None)[number] == name


def test_rf_detr_has_one_class_more_than_names(tmp_path: Path) -> None:
    outputs: Outputs = {"labels": ((1, 10, 3), "float32"), "dets": ((1, 10, 4), "float32")}
    reader, _ = reader_of(outputs)
    file = tmp_path / "labels.txt"
    file.write_text("cup\nplate\n")
    assert class_names(description(outputs), reader, file) == {0: "cup", 1: "plate"}
    file.write_text("cup\n")
    with pytest.raises(ConfigError, match="knows 3 classes"):
        class_names(description(outputs), reader, file)


@given(text=st.text(max_size=60))
def test_whatever_stands_in_the_metadata_is_read_or_left(text: str) -> None:
    made = Description(FILE, [], [], {"names": text, "imgsz": text, "stride": text})
    assert made.stride >= 1
    assert isinstance(made.names, dict)
    assert made.image_size is None or min(made.image_size) > 0


def test_a_picture_of_which_all_is_open_is_one() -> None:
    place = picture_place([Tensor("pixel_values", (None, None, None, None), "float32")])
    assert isinstance(place, Place)
    assert (place.channels_last, place.batch, place.size) == (False, True, None)
