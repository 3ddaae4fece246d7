"""The drawn picture, and what must stay as it was."""

from __future__ import annotations

import zlib
from fractions import Fraction
from typing import Any

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from streamer.follow.boxes import areas, common_areas
from streamer.frame import Frame, Orientation
from streamer.instances import Instances
from streamer.render.labels import place
from streamer.render.masks import Region
from streamer.render.palette import color, yuv_of
from streamer.render.renderer import DRAWABLE, Renderer, Style
from streamer.stages import Annotated
from tests import strategies
from tests.render.make_golden import FOLDER, PICTURES
from tests.render.scenes import LABELS, crowd, disc, figure, frame_of, group, landscape, one, samples
from tests.render.test_masks import reference

TURNS = [Orientation(turns, mirrored) for turns in range(4) for mirrored in (False, True)]
SHAPES = Style(draw=frozenset({"masks", "outlines", "boxes"}))


def drawn(frame: Frame, instances: Instances, style: Style | None = None) -> av.VideoFrame:
    item = Annotated(frame, instances)
    Renderer(LABELS, style=style)(item)
    assert item.picture is not None
    return item.picture


def checksum(picture: av.VideoFrame) -> int:
    return zlib.crc32(b"".join(plane.tobytes() for plane in samples(picture)))


@pytest.mark.parametrize("name", list(PICTURES))
def test_golden_pictures(name: str) -> None:
    golden = cv2.imread(str(FOLDER / f"{name}.png"))
    assert golden is not None, "make them with: python -m tests.render.make_golden"
    difference = np.abs(PICTURES[name]().astype(int) - np.asarray(golden).astype(int))
    # Rounding of conversions and of text may differ between processors and releases of the libraries; shapes may not.
    assert difference.mean() < 0.25
    assert (difference.max(axis=2) > 24).mean() < 0.001


def test_the_decoders_picture_is_never_written_to() -> None:
    frame = frame_of(landscape(320, 240))
    before = checksum(frame.picture)
    picture = drawn(frame, group(320, 240))
    assert checksum(frame.picture) == before
    assert checksum(picture) != before
    assert picture is not frame.picture


def test_decoded_pictures_that_are_references_of_the_decoder_stay_as_they_were(tmp_path) -> None:  # type: ignore[no-untyped-def]  # fixture
    path = str(tmp_path / "clip.mp4")
    with av.open(path, "w") as clip:
        stream = clip.add_stream("libx264", rate=25, options={"bf": "2", "g": "12"})
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for index in range(12):
            planes = tuple(np.roll(plane, 3 * index, axis=1) for plane in landscape(128, 96))
            picture = frame_of(planes).picture
            picture.pts, picture.time_base = index, Fraction(1, 25)
            clip.mux(stream.encode(picture))
        clip.mux(stream.encode(None))

    with av.open(path) as clip:
        expected = [checksum(picture) for picture in clip.decode(video=0)]
    found = []
    with av.open(path) as clip:
        for index, picture in enumerate(clip.decode(video=0)):
            frame = Frame(
                picture=picture, index=index, pts=picture.pts or 0, time_base=Fraction(1, 25), source="clip", captured_at=0.0
            )
            drawn(frame, group(128, 96))
            found.append(checksum(picture))
    assert found == expected
    assert len(found) == 12


def side_data_types(picture: av.VideoFrame) -> set[object]:
    # PyAV 18 iterates over the data, PyAV 19 over their types.
    return {getattr(item, "type", item) for item in picture.side_data}


def test_time_colour_and_side_data_are_kept() -> None:
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 64, 48, "yuv420p", Fraction(1, 25)
    picture = frame_of(landscape(64, 48)).picture
    packets = [*encoder.encode(picture), *encoder.encode(None)]
    decoder = av.CodecContext.create("h264", "r")
    assert isinstance(decoder, av.VideoCodecContext)
    decoded = [frame for packet in packets for frame in decoder.decode(packet)] + decoder.decode(None)
    source = decoded[0]
    source.colorspace, source.color_range, source.color_primaries, source.color_trc = 1, 1, 1, 1
    frame = Frame(picture=source, index=0, pts=-1234, time_base=Fraction(1001, 30000), source="", captured_at=0.0)
    got = drawn(frame, one((5, 5, 40, 40), disc(14)))
    assert (got.pts, got.time_base) == (-1234, Fraction(1001, 30000))
    assert [got.colorspace, got.color_range, got.color_primaries, got.color_trc] == [1, 1, 1, 1]
    assert got.format.name == "yuv420p"
    kept = side_data_types(source)
    assert kept, "the encoder's user data should be there"
    assert side_data_types(got) == kept


def test_without_instances_the_same_picture_is_handed_on() -> None:
    frame = frame_of(landscape(64, 48))
    assert drawn(frame, Instances.empty()) is frame.picture
    assert drawn(frame, one((5, 5, 40, 40)), Style(draw=frozenset())) is frame.picture


def test_pixels_outside_the_objects_do_not_change() -> None:
    frame = frame_of(landscape(160, 120))
    box = np.array([40.5, 30.25, 90.75, 100.5], np.float32)
    picture = drawn(frame, one((40.5, 30.25, 90.75, 100.5), figure(28)), Style(draw=frozenset({"masks", "outlines"})))
    object_ = (reference(figure(28), box, 160, 120) > 0.5).astype(np.uint8)
    near = np.asarray(cv2.dilate(object_, np.ones((7, 7), np.uint8))) > 0
    changed = samples(picture)[0] != samples(frame.picture)[0]
    assert not (changed & ~near).any()
    assert changed[object_ > 0].mean() > 0.97


def test_a_mask_is_mixed_at_the_opacity_asked_for() -> None:
    frame = frame_of(landscape(160, 120))
    for wanted, fade in ((0.45, 1.0), (0.8, 1.0), (0.8, 0.5)):
        instances = one((20, 20, 140, 110), np.ones((14, 14), np.float32))
        faded = Instances(
            boxes_xyxy=instances.boxes_xyxy,
            scores=instances.scores,
            class_ids=instances.class_ids,
            masks=instances.masks,
            opacity=np.array([fade], np.float32),
        )
        picture = drawn(frame, faded, Style(draw=frozenset({"masks"}), mask_opacity=wanted))
        paint = yuv_of(frame.picture)(color(1))
        for got, old, sample in zip(samples(picture), samples(frame.picture), paint, strict=True):
            middle = slice(got.shape[0] // 3, got.shape[0] // 2), slice(got.shape[1] // 3, got.shape[1] // 2)
            expected = old[middle] * (1 - wanted * fade) + sample * wanted * fade
            np.testing.assert_allclose(got[middle], expected, atol=1.6)


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("size", [(160, 120), (161, 121), (161, 120)])
def test_objects_stand_upright_in_turned_pictures(turn: Orientation, size: tuple[int, int]) -> None:
    width, height = size
    luma, cb, cr = landscape(width, height)
    flat = [np.full_like(luma, 90), np.full_like(cb, 128), np.full_like(cr, 128)]
    stored = tuple(turn.stored(plane) for plane in flat)
    instances = group(width, height)
    turned = drawn(frame_of(stored, turn), instances, SHAPES)
    straight = drawn(frame_of(tuple(flat)), instances, SHAPES)
    got = [turn.upright(plane) for plane in samples(turned)]
    if width % 2 == 0 and height % 2 == 0:
        for plane, expected in zip(got, samples(straight), strict=True):
            assert np.array_equal(plane, expected)
    else:  # boxes snap to the chroma grid, which lies one pixel further there; masks do not
        expected_masks = samples(drawn(frame_of(tuple(flat)), instances, Style(draw=frozenset({"masks", "outlines"}))))[0]
        only_masks = drawn(frame_of(stored, turn), instances, Style(draw=frozenset({"masks", "outlines"})))
        got_masks = turn.upright(samples(only_masks)[0])
        with_mask = np.ones(got_masks.shape, np.bool_)
        with_mask[int(0.5 * height) :, int(0.7 * width) :] = False  # there stands the one without a mask
        np.testing.assert_allclose(got_masks[with_mask].astype(int), expected_masks[with_mask].astype(int), atol=24)


@pytest.mark.parametrize("turn", TURNS)
def test_chroma_lies_under_luma_in_turned_pictures_of_odd_size(turn: Orientation) -> None:
    luma, cb, cr = landscape(41, 31)
    flat = [np.full_like(luma, 90), np.full_like(cb, 128), np.full_like(cr, 128)]
    frame = frame_of(tuple(turn.stored(plane) for plane in flat), turn)
    picture = drawn(
        frame, one((10, 8, 26, 22), np.ones((14, 14), np.float32)), Style(draw=frozenset({"masks"}), mask_opacity=1)
    )
    shown: NDArray[np.bool_] = samples(picture)[0] != 90
    stored_cb = samples(picture)[1]
    for row, column in np.argwhere(stored_cb != 128):
        assert shown[2 * row : 2 * row + 2, 2 * column : 2 * column + 2].any(), (row, column)
    whole = [
        (row, column)
        for row in range(stored_cb.shape[0])
        for column in range(stored_cb.shape[1])
        if shown[2 * row : 2 * row + 2, 2 * column : 2 * column + 2].all()
    ]
    assert whole
    assert all(stored_cb[spot] != 128 for spot in whole)


@pytest.mark.parametrize("size", [(16, 16), (641, 361), (17, 31), (2, 2), (176, 144)])
@pytest.mark.parametrize("name", ["yuv420p", "yuvj420p"])
def test_any_size_can_be_drawn_on(size: tuple[int, int], name: str) -> None:
    frame = frame_of(landscape(*size), name=name)
    style = Style(draw=frozenset({"masks", "outlines", "boxes", "labels"}))
    picture = drawn(frame, group(*size), style)
    assert (picture.width, picture.height, picture.format.name) == (*size, name)
    assert checksum(picture) != checksum(frame.picture)


@pytest.mark.parametrize(
    "box",
    [
        (float("nan"), 0, 10, 10),
        (0, 0, float("inf"), 10),
        (50, 50, 20, 20),
        (30, 30, 30, 60),
        (-500, -400, -100, -50),
        (-1e6, -1e6, 1e6, 1e6),
        (-1e30, 0, 1e30, 50),
        (63.9, 47.9, 64.2, 48.2),
    ],
)
def test_boxes_that_are_none_or_reach_far_out_do_no_harm(box: tuple[float, float, float, float]) -> None:
    frame = frame_of(landscape(64, 48))
    style = Style(draw=frozenset({"masks", "outlines", "boxes", "labels"}))
    for mask in (None, disc(14)):
        assert drawn(frame, one(box, mask), style).width == 64


def test_masks_that_are_not_numbers_do_no_harm() -> None:
    frame = frame_of(landscape(64, 48))
    picture = drawn(frame, one((5, 5, 50, 40), np.full((14, 14), np.nan, np.float32)), SHAPES)
    assert picture.height == 48


def test_the_surest_object_lies_on_top() -> None:
    frame = frame_of(landscape(80, 80))
    both = Instances(
        boxes_xyxy=np.array([[10, 10, 70, 70], [10, 10, 70, 70]], np.float32),
        scores=np.array([0.4, 0.9], np.float32),
        class_ids=np.array([1, 2]),
        masks=np.ones((2, 14, 14), np.float32),
    )
    solid = Style(draw=frozenset({"masks"}), mask_opacity=1)
    for order in ([0, 1], [1, 0]):
        assert samples(drawn(frame, both[order], solid))[0][40, 40] == yuv_of(frame.picture)(color(2)).y


def test_one_renderer_draws_pictures_of_changing_size_and_format() -> None:
    renderer = Renderer(LABELS)
    for size, name in (((64, 48), "yuv420p"), ((128, 96), "yuv420p"), ((128, 96), "yuvj420p"), ((64, 48), "yuv420p")):
        item = Annotated(frame_of(landscape(*size), name=name), group(*size))
        renderer(item)
        assert item.picture is not None
        assert (item.picture.width, item.picture.format.name) == (size[0], name)


@pytest.mark.parametrize("draw", ["masks", "outlines"])
def test_an_object_with_an_empty_mask_gets_its_box(draw: str) -> None:
    frame, style = frame_of(landscape(64, 48)), Style(draw=frozenset({draw}))
    empty = drawn(frame, one((10, 10, 50, 40), np.zeros((14, 14), np.float32)), style)
    boxed = drawn(frame, one((10, 10, 50, 40)), style)
    assert checksum(empty) == checksum(boxed) != checksum(frame.picture)


def test_labels_keep_their_places_when_scores_change() -> None:
    frame, instances, style = frame_of(landscape(320, 240)), group(320, 240)[[0, 1]], Style(draw=frozenset({"labels"}))
    swapped = Instances(
        boxes_xyxy=instances.boxes_xyxy,
        scores=instances.scores[::-1],
        class_ids=instances.class_ids,
        track_ids=instances.track_ids,
    )
    changed = [samples(drawn(frame, which, style))[1] != samples(frame.picture)[1] for which in (instances, swapped)]
    assert np.mean(changed[0] != changed[1]) < 0.001, "only digits may differ"


def test_labels_say_name_track_score_and_age() -> None:
    instances = group(1920, 1080)
    plain = Renderer(LABELS)._texts(instances)[2]
    assert plain == ["person #3 0.85", "person #3", "#3"]
    aged = Renderer({}, style=Style(show_age=True, show_track=False))._texts(instances)[2]
    assert aged == ["class 1 0.85 · 120 ms", "class 1"]


@pytest.mark.parametrize("size", [(320, 180), (480, 270), (1280, 720)])
def test_labels_of_a_crowd_cover_neither_each_other_nor_small_objects(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    spots: list[Region] = []

    def noted(*args: Any) -> Region | None:
        if (spot := place(*args)) is not None:
            spots.append(spot)
        return spot

    monkeypatch.setattr("streamer.render.renderer.place", noted)
    instances = crowd(*size)
    drawn(frame_of(landscape(*size)), instances, Style(draw=frozenset({"labels"})))
    regions = np.array(spots, np.float64)
    np.testing.assert_array_equal(common_areas(regions, regions).sum(axis=1), areas(regions), "each covers only itself")
    assert len(spots) >= 12, "many fit all the same"
    boxes = instances.boxes_xyxy.astype(np.float64)
    assert (common_areas(regions, boxes) / areas(boxes)).max() < 0.5


def test_labels_of_small_objects_are_written_in_smaller_letters() -> None:
    frame, style = frame_of(landscape(1280, 720)), Style(draw=frozenset({"labels"}))
    low, high = (drawn(frame, one(box), style) for box in ((600, 300, 620, 330), (600, 300, 700, 500)))
    assert tag_extent(low, frame.picture)[1] < 0.9 * tag_extent(high, frame.picture)[1]


def tag_extent(picture: av.VideoFrame, plain: av.VideoFrame) -> tuple[int, int]:
    """Width and height in pixels of what was drawn."""
    rows, columns = np.nonzero(samples(picture)[0] != samples(plain)[0])
    return int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1


@pytest.mark.parametrize(("turn", "stretch"), [(Orientation(), 0.5), (Orientation(1), 2.0)])
def test_text_on_pixels_that_are_not_square_shows_undistorted(turn: Orientation, stretch: float) -> None:
    flat = tuple(np.full(shape, 128, np.uint8) for shape in ((720, 720), (360, 360), (360, 360)))
    frame, style, extents = frame_of(flat, turn), Style(draw=frozenset({"labels"})), []
    for ratio in (Fraction(1), Fraction(2)):
        item = Annotated(frame, one((100, 300, 400, 600)))
        Renderer(LABELS, style=style, sample_aspect_ratio=ratio)(item)
        assert item.picture is not None
        width, height = tag_extent(item.picture, frame.picture)
        extents.append((height, width) if turn.sideways else (width, height))
    (width, height), (stretched, as_high) = extents
    assert stretched == pytest.approx(width * stretch, abs=4)
    assert as_high == pytest.approx(height, abs=2)


def test_an_aspect_ratio_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="sample_aspect_ratio: expected a positive ratio, got 0"):
        Renderer(LABELS, sample_aspect_ratio=Fraction(0))


def test_in_a_small_picture_a_label_wider_than_its_box_loses_its_score() -> None:
    flat = tuple(np.full(shape, 128, np.uint8) for shape in ((144, 176), (72, 88), (72, 88)))
    frame, style = frame_of(flat), Style(draw=frozenset({"labels"}))
    small, large = (drawn(frame, one(box), style) for box in ((20, 40, 34, 80), (20, 40, 120, 130)))
    assert tag_extent(small, frame.picture)[0] < 0.75 * tag_extent(large, frame.picture)[0]


def test_lines_thicker_than_the_usual_reach_of_the_edge_end_where_they_should() -> None:
    frame = frame_of(landscape(640, 480))
    picture = drawn(
        frame, one((100, 100, 540, 400), np.ones((28, 28), np.float32)), Style(draw=frozenset({"outlines"}), scale=10)
    )
    changed = samples(picture)[0] != samples(frame.picture)[0]
    assert changed[250, 100:104].all()
    assert not changed[200:300, 200:440].any(), "nothing is drawn inside"


def test_a_format_that_was_not_promised_is_named() -> None:
    frame = frame_of(landscape(32, 32))
    frame.picture = frame.picture.reformat(format="yuv444p")
    with pytest.raises(ValueError, match="expected format yuv420p or yuvj420p, got yuv444p"):
        drawn(frame, one((1, 1, 20, 20)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"draw": frozenset({"mask"})}, "draw: expected any of masks, outlines, boxes, labels, zones, got mask"),
        ({"mask_opacity": 1.5}, "mask_opacity: expected 0..1, got 1.5"),
        ({"scale": 0}, "scale: expected 0.1..10, got 0"),
    ],
)
def test_a_wrong_style_says_what_was_expected(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Style(**settings)  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.slow
@settings(deadline=None)
@given(st.data(), strategies.sizes(), st.sampled_from(TURNS), st.sets(st.sampled_from(DRAWABLE)))
def test_nothing_that_a_detector_says_breaks_it(
    data: st.DataObject, size: tuple[int, int], turn: Orientation, what: set[str]
) -> None:
    frame = strategies.frame(data.draw(st.sampled_from(strategies.PICTURES)), 1, *size, orientation=turn)
    style = Style(draw=frozenset(what), show_age=True, scale=data.draw(st.sampled_from([0.1, 1.0, 10.0])))
    picture = drawn(frame, data.draw(strategies.shown(*size)), style)
    assert (picture.width, picture.height) == (frame.picture.width, frame.picture.height)


@settings(deadline=None, max_examples=5)
@given(st.data())
def test_nothing_breaks_it_at_4k(data: st.DataObject) -> None:
    size = (3840, 2160)
    drawn(strategies.frame("slope", 1, *size), data.draw(strategies.shown(*size)), Style(draw=frozenset(DRAWABLE)))
