"""Photos that phones cut into tiles come out whole."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from streamer.errors import SourceUnsupported
from streamer.frame import Orientation
from streamer.pipeline import Pipeline
from streamer.sinks.picture import PictureFile
from streamer.sources.heif import Heif, read_heif
from streamer.sources.photo_metadata import photo_metadata
from streamer.sources.video import VideoFile
from tests.fakes import FakePerception, draw_nothing
from tests.heif import box, full_box, write_tiled_photo
from tests.sources.test_photo_metadata import exif


def slopes(width: int = 150, height: int = 100) -> NDArray[np.uint8]:
    """A picture in which each place has a colour of its own."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = np.linspace(0, 255, width)
    image[..., 1] = np.linspace(0, 255, height)[:, None]
    return image


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
@pytest.mark.parametrize(("encoder", "ending"), [("libsvtav1", "avif"), ("libx265", "heic")])
def test_tiles_are_put_together_and_turned(encoder: str, ending: str, turns: int, tmp_path: Path) -> None:
    photo = write_tiled_photo(tmp_path / f"photo.{ending}", slopes(), encoder=encoder, turns=turns)
    source = VideoFile(photo)
    info = source.open()
    (frame,) = source.frames()
    source.close()
    assert source.still
    expected = np.rot90(slopes(), turns)
    assert (info.height, info.width) == expected.shape[:2]
    assert info.orientation == Orientation(-turns % 4)
    assert np.abs(frame.rgb().astype(int) - expected).mean() < 6


@pytest.mark.parametrize("size", [(64, 64), (65, 63), (200, 40)])
def test_any_size_is_whole(size: tuple[int, int], tmp_path: Path) -> None:
    photo = write_tiled_photo(tmp_path / "photo.avif", slopes(*size))
    source = VideoFile(photo)
    source.open()
    (frame,) = source.frames()
    source.close()
    assert np.abs(frame.rgb().astype(int) - slopes(*size)).mean() < 6


def test_date_and_camera_go_into_the_picture(tmp_path: Path) -> None:
    photo = write_tiled_photo(tmp_path / "photo.heic", slopes(), encoder="libx265", turns=3, exif=exif(6))
    source = VideoFile(photo)
    sink = PictureFile(tmp_path / "o.jpg", source.open(), source=source)
    Pipeline(source, FakePerception(), draw_nothing, [sink]).run()
    assert b"2024:01:02 03:04:05" in photo_metadata((tmp_path / "o.jpg").read_bytes()).exif
    written = cv2.imread(str(tmp_path / "o.jpg"))
    assert written is not None
    assert written.shape == (150, 100, 3)


def test_a_photo_without_some_of_its_tiles_is_named(tmp_path: Path) -> None:
    photo = write_tiled_photo(tmp_path / "photo.avif", slopes())
    whole = photo.read_bytes()
    photo.write_bytes(whole[: whole.rindex(b"mdat") + 300])
    with pytest.raises(SourceUnsupported):
        VideoFile(photo).open()


def test_an_animation_is_a_video(tmp_path: Path) -> None:
    moving = cv2.Animation()
    moving.frames = [np.full((64, 96, 3), 40 * n + 20, np.uint8) for n in range(5)]
    moving.durations = np.array([100, 200, 100, 300, 100])  # type: ignore[assignment]  # the stub says a list, which OpenCV refuses
    assert cv2.imwriteanimation(str(tmp_path / "moves.avif"), moving)
    source = VideoFile(tmp_path / "moves.avif")
    source.open()
    assert not source.still
    assert [frame.time_s for frame in source.frames()] == pytest.approx([0, 0.1, 0.3, 0.4, 0.7])
    source.close()


def test_an_alpha_picture_is_found() -> None:
    kind = full_box(b"auxC", 0, b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0")
    meta = full_box(b"meta", 0, full_box(b"pitm", 0, b"\0\1"), box(b"iprp", box(b"ipco", kind)))
    assert read_heif(box(b"ftyp", b"avif") + meta) == Heif(primary=1, transparent=True)


@given(st.binary(max_size=300), st.sampled_from([b"iloc", b"iinf", b"iref", b"iprp", b"pitm"]))
def test_nonsense_never_raises(data: bytes, kind: bytes) -> None:
    read_heif(data)
    read_heif(full_box(b"meta", 0, full_box(b"pitm", 0, b"\0\1"), box(kind, data)))
    read_heif(full_box(b"meta", 0, full_box(b"pitm", 0, b"\0\1"), box(b"iprp", box(b"ipco", data), box(b"ipma", data))))
