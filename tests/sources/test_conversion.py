"""What samples mean stays the same, whatever they were stored as."""

from __future__ import annotations

import subprocess
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.frame import Orientation, plane_views
from streamer.sources.conversion import Converter, orientation, widened
from streamer.sources.video import VideoFile
from tests.media import Clip

ONE = 65536
MATRICES = {
    (1, 0, 0, 1): Orientation(0),
    (0, 1, -1, 0): Orientation(1),
    (-1, 0, 0, -1): Orientation(2),
    (0, -1, 1, 0): Orientation(3),
    (-1, 0, 0, 1): Orientation(0, True),
    (1, 0, 0, -1): Orientation(2, True),
    (0, 1, 1, 0): Orientation(3, True),
    (0, -1, -1, 0): Orientation(1, True),
}


def flags() -> NDArray[np.uint8]:
    """A picture of which no corner is like another."""
    image = np.zeros((64, 96, 3), np.uint8)
    image[:32, :48], image[:32, 48:], image[32:, :48] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    return image


@pytest.mark.parametrize("matrix", MATRICES)
def test_upright_is_what_debians_ffmpeg_shows(matrix: tuple[int, int, int, int], tmp_path: Path) -> None:
    a, b, c, d = (ONE * number for number in matrix)
    clip = tmp_path / "turned.mp4"
    with av.open(str(clip), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.set_display_matrix([a, b, 0, c, d, 0, 0, 0, 1 << 30])
        picture = av.VideoFrame.from_ndarray(flags())
        picture.pts = 0
        container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    source = VideoFile(clip)
    info = source.open()
    (frame,) = source.frames()
    source.close()
    shown = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", str(clip), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], capture_output=True, check=True
    ).stdout
    expected = np.frombuffer(shown, np.uint8).reshape(info.height, info.width, 3)
    assert info.orientation == MATRICES[matrix]
    assert np.abs(frame.rgb().astype(int) - expected).mean() < 1


def test_a_matrix_that_is_slightly_off_is_the_nearest_turn() -> None:
    assert orientation([1200, 65520, 0, -65520, 1200, 0, 0, 0, 1 << 30]) == Orientation(1)
    assert orientation([0] * 9) == Orientation()


def picture(pixels: str, *, size: tuple[int, int] = (64, 48), color_range: int = 0, matrix: int = 2) -> av.VideoFrame:
    made = av.VideoFrame(*size, pixels)
    generator = np.random.default_rng(5)
    for plane in made.planes:
        plane.update(generator.integers(20, 220, plane.buffer_size, np.uint8).tobytes())
    made.color_range, made.colorspace = color_range, matrix
    made.pts = 7
    return made


@pytest.mark.parametrize("color_range", [0, 1, 2])
@pytest.mark.parametrize("pixels", ["yuv422p", "yuv444p", "nv12", "gray", "yuva420p", "yuv411p", "nv21"])
def test_luma_comes_through_untouched(pixels: str, color_range: int) -> None:
    given = picture(pixels, color_range=color_range)
    converter = Converter(given)
    converted = converter.convert(given)
    assert converted.format.name == ("yuvj420p" if color_range == 2 else "yuv420p")
    assert converted.pts == 7
    assert (converter.color.range, converted.color_range) == (color_range, color_range)
    luma = np.frombuffer(bytes(given.planes[0]), np.uint8).reshape(-1, given.planes[0].line_size)[:48, :64]
    np.testing.assert_array_equal(plane_views(converted)[0], luma)
    if pixels == "gray":
        assert all((plane == 128).all() for plane in plane_views(converted)[1:])


@pytest.mark.parametrize("pixels", ["yuv420p10le", "yuv444p12le", "gray10le", "p010le"])
@pytest.mark.parametrize("color_range", [1, 2])
def test_more_bits_are_rounded(pixels: str, color_range: int) -> None:
    bits = 12 if "12" in pixels else 10
    given = av.VideoFrame(64, 48, pixels)
    for plane in given.planes:
        value = (100 << (bits - 8)) << (6 if pixels == "p010le" else 0)
        plane.update(np.full(plane.buffer_size // 2, value, np.uint16).tobytes())
    given.color_range, given.colorspace = color_range, 9
    converter = Converter(given)
    assert converter.color.matrix == 9
    luma = plane_views(converter.convert(given))[0]
    assert np.abs(luma.astype(int) - 100).max() <= 1


def test_native_pictures_are_not_copied() -> None:
    given = picture("yuv420p")
    assert Converter(given).convert(given) is given


def test_white_and_black_of_rgb_are_those_of_limited_range() -> None:
    image = np.zeros((720, 64, 3), np.uint8)
    image[:360] = 255
    given = av.VideoFrame.from_ndarray(image)
    converter = Converter(given)
    luma, blue, red = plane_views(converter.convert(given))
    assert (converter.color.matrix, converter.color.range) == (1, 1)
    assert (int(luma[10, 10]), int(luma[700, 10])) == (235, 16)
    assert np.abs(blue.astype(int) - 128).max() <= 1
    assert np.abs(red.astype(int) - 128).max() <= 1


def test_another_size_or_range_becomes_that_of_the_first() -> None:
    converter = Converter(picture("yuv420p", color_range=1))
    full = av.VideoFrame(128, 96, "yuvj420p")
    for plane, value in zip(full.planes, (255, 128, 128), strict=True):
        plane.update(bytes([value]) * plane.buffer_size)
    full.color_range = 2
    converted = converter.convert(full)
    assert (converted.width, converted.height, converted.color_range) == (64, 48, 1)
    assert set(plane_views(converted)[0].ravel()) == {235}


def test_widened_repeats_the_edge() -> None:
    given = picture("yuv420p", size=(7, 5))
    wide = widened(given, 8, 6)
    np.testing.assert_array_equal(plane_views(wide)[0], np.pad(plane_views(given)[0], ((0, 1), (0, 1)), "edge"))
    for target, plane in zip(plane_views(wide)[1:], plane_views(given)[1:], strict=True):
        np.testing.assert_array_equal(target, plane)


def test_a_palette_becomes_its_colors(tmp_path: Path) -> None:
    clip = Clip(size="64x48", seconds=0.1, rate="10", video=()).write(tmp_path / "p.gif")
    source = VideoFile(clip)
    source.open()
    (frame,) = source.frames()
    source.close()
    raw = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", str(clip), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], capture_output=True, check=True
    ).stdout
    assert np.abs(frame.rgb().astype(int) - np.frombuffer(raw, np.uint8).reshape(48, 64, 3)).mean() < 12


@pytest.mark.parametrize("pixels", ["gray", "gray16le", "ya8"])
@pytest.mark.parametrize(("codec", "full"), [("mjpeg", True), ("png", True), ("ffv1", True), ("h264", False), ("hevc", False)])
def test_gray_means_what_its_codec_means_by_it(codec: str, full: bool, pixels: str) -> None:
    given = av.VideoFrame(64, 48, pixels)
    given.planes[0].update(bytes([81]) * given.planes[0].buffer_size)
    converted = Converter(given, codec=codec).convert(given)
    assert converted.format.name == ("yuvj420p" if full else "yuv420p")
    np.testing.assert_array_equal(plane_views(converted)[0], 81)


@pytest.mark.parametrize("size", [(48, 64), (640, 480), (63, 31), (64, 2), (1, 1)])
@pytest.mark.parametrize("pixels", ["yuv420p", "rgb24", "gray", "yuv422p10le"])
def test_another_size_is_fitted_in(size: tuple[int, int], pixels: str) -> None:
    converter = Converter(picture("yuv420p"))
    converted = converter.convert(picture(pixels, size=size))
    assert (converted.width, converted.height, converted.format.name) == (64, 48, "yuv420p")
    assert converted.pts == 7
