"""What detectors say in the protocol."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from streamer.instances import Instances
from streamer.kserve.contract import BOXES, CLASSES, MASKS, SCORES, Told, Wish, from_tensors, to_tensors
from streamer.kserve.tensors import DTYPES, BadMessage, Tensor


def some(count: int, cells: int | None) -> Instances:
    rng = np.random.default_rng(count)
    return Instances(
        boxes_xyxy=rng.uniform(0, 99, (count, 4)).astype(np.float32),
        scores=np.sort(rng.uniform(0, 1, count).astype(np.float32))[::-1],
        class_ids=rng.integers(0, 90, count),
        masks=None if cells is None else rng.uniform(0, 1, (count, cells, cells)).astype(np.float32),
        has_mask=None if cells is None else rng.integers(0, 2, count) > 0,  # type: ignore[arg-type]  # None is the default
    )


@given(st.integers(0, 5), st.none() | st.integers(1, 40))
def test_instances_arrive_as_they_were_found(count: int, cells: int | None) -> None:
    found = some(count, cells)
    got = from_tensors(to_tensors(found))
    np.testing.assert_array_equal(got.boxes_xyxy, found.boxes_xyxy)
    np.testing.assert_array_equal(got.scores, found.scores)
    np.testing.assert_array_equal(got.class_ids, found.class_ids)
    np.testing.assert_array_equal(got.has_mask, found.has_mask)
    if cells is not None and count:
        assert got.masks is not None
        assert found.masks is not None
        assert np.abs(got.masks - found.masks).max() <= 0.5 / 255 + 1e-6


def test_an_answer_may_have_a_batch_of_one_and_rows_that_mean_nothing() -> None:
    outputs = [
        Tensor.of(BOXES, np.array([[[0, 0, 5, 5], [1, 1, 4, 4], [0, 0, 0, 0]]], np.float32)),
        Tensor.of(SCORES, np.array([[0.5, 0.75, 0.0]], np.float32)),
        Tensor.of(CLASSES, np.array([[1, 2, 0]], np.int32)),
    ]
    found = from_tensors(outputs, 0.25)
    assert found.class_ids.tolist() == [2, 1]
    assert found.masks is None


ARRAYS = st.builds(
    lambda shape, kind, seed: np.asarray(np.random.default_rng(seed).normal(0, 100, shape)).astype(DTYPES[kind]),
    st.lists(st.integers(0, 4), max_size=4),
    st.sampled_from(["FP32", "FP16", "FP64", "INT64", "UINT8", "BOOL"]),
    st.integers(0, 99),
)


@given(st.dictionaries(st.sampled_from([BOXES, SCORES, CLASSES, MASKS, "has_mask", "mask_carried", "x"]), ARRAYS))
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")
def test_any_answer_is_read_or_refused(arrays: dict[str, NDArray[np.generic]]) -> None:
    outputs = [Tensor.of(name, array) for name, array in arrays.items()]
    try:
        found = from_tensors(outputs)
    except BadMessage:
        return
    assert len(found.boxes_xyxy) == len(found)


@pytest.mark.parametrize(
    ("parameters", "wrong"),
    [
        ({"score_threshold": "high"}, "score_threshold"),
        ({"score_threshold": float("nan")}, "score_threshold"),
        ({"max_instances": 0}, "max_instances"),
        ({"max_instances": True}, "max_instances"),
        ({"class_ids": "1,x"}, "class_ids"),
        ({"masks": 1}, "masks"),
    ],
)
def test_a_wish_that_is_none_is_refused(parameters: dict[str, bool | int | float | str], wrong: str) -> None:
    with pytest.raises(BadMessage, match=wrong):
        Wish.from_parameters(parameters)


@given(
    st.floats(0, 1),
    st.none() | st.frozensets(st.integers(-5, 99), max_size=4),
    st.none() | st.integers(1, 99),
    st.booleans(),
)
def test_a_wish_arrives_as_it_was_made(score: float, ids: frozenset[int] | None, most: int | None, masks: bool) -> None:
    wish = Wish(score_threshold=score, class_ids=ids, max_instances=most, masks=masks)
    assert Wish.from_parameters(wish.to_parameters()) == wish


def test_what_a_server_tells_arrives() -> None:
    told = Told(labels={0: "Gabel", 7: "Löffel"}, default_classes=frozenset({"Gabel"}), input_size=(640, 384))
    assert Told.from_properties(told.to_properties()) == told
    assert Told.from_properties({}) == Told()
    assert Told.from_properties({"labels": '["a", "b"]'}).labels == {0: "a", 1: "b"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("labels", "person"),
        ("labels", '{"a": "b"}'),
        ("labels", "[1]"),
        ("labels", '{"--5": "b"}'),
        ("labels", f'{{"{"5" * 5000}": "b"}}'),
        ("default_classes", "{}"),
        ("input_size", "[640]"),
        ("input_size", "[0, 1]"),
    ],
)
def test_what_a_server_tells_may_be_wrong(name: str, value: str) -> None:
    with pytest.raises(BadMessage, match=name):
        Told.from_properties({name: value})
