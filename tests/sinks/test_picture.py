"""A photo in, a photo out: upright, whole or not there."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from streamer.errors import OutputRefused, OutputWriteFailed
from streamer.instances import Instances
from streamer.pipeline import Pipeline
from streamer.sinks.picture import PictureFile
from streamer.sources.photo_metadata import encoded_with_metadata, photo_metadata
from streamer.sources.video import VideoFile
from streamer.stages import Annotated
from tests.fakes import FakePerception, draw_nothing
from tests.media import Clip, ffmpeg
from tests.sources.test_photo_metadata import WHOLE
from tests.sources.test_video import exif


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """Held with the camera turned: 96x64 as stored, 64x96 as shown."""
    ffmpeg("-f", "lavfi", "-i", "testsrc=s=96x64:d=0.04", "-frames:v", "1", "-q:v", "1", tmp_path / "plain.jpg")
    plain = (tmp_path / "plain.jpg").read_bytes()
    (tmp_path / "photo.jpg").write_bytes(plain[:2] + exif(6) + plain[2:])
    (tmp_path / "out").mkdir()
    return tmp_path / "photo.jpg"


@pytest.mark.parametrize("ending", ["jpg", "png", "webp"])
def test_a_photo_comes_out_upright(ending: str, photo: Path) -> None:
    output = photo.parent / "out" / f"o.{ending}"
    source = VideoFile(photo)
    stats = Pipeline(source, FakePerception(), draw_nothing, [PictureFile(output, source.open(), source=source)]).run()
    assert stats.frames_out == 1
    written = cv2.imread(str(output))
    expected = cv2.imread(str(photo))
    assert written is not None
    assert expected is not None
    assert written.shape == expected.shape == (96, 64, 3)
    # Sharp colours lose half their resolution on the way; turned wrongly, the difference would be several times that.
    assert np.abs(written.astype(int) - expected).mean() < 15
    assert np.abs(written.astype(int) - expected[::-1, ::-1]).mean() > 45
    assert [entry.name for entry in output.parent.iterdir()] == [output.name]


def test_what_cannot_be_is_refused(photo: Path) -> None:
    source = VideoFile(photo)
    info = source.open()
    with pytest.raises(OutputRefused, match="is the input"):
        PictureFile(photo, info, source=source, overwrite=True)
    with pytest.raises(OutputRefused, match=r"take one of .*\.png"):
        PictureFile(photo.parent / "o.tga", info, source=source)
    clip = VideoFile(Clip(seconds=0.2).write(photo.parent / "clip.mp4"))
    with pytest.raises(OutputRefused, match="the input more"):
        PictureFile(photo.parent / "out" / "o.png", clip.open(), source=clip)
    clip.close()
    source.close()
    assert list((photo.parent / "out").iterdir()) == []


def test_a_second_picture_is_refused_and_abandoning_leaves_nothing(photo: Path) -> None:
    source = VideoFile(photo)
    sink = PictureFile(photo.parent / "out" / "o.png", source.open(), source=source)
    (frame,) = source.frames()
    source.close()
    sink.write(Annotated(frame, Instances.empty()))
    with pytest.raises(OutputWriteFailed, match="second"):
        sink.write(Annotated(frame, Instances.empty()))
    sink.abandon()
    sink.abandon()
    assert list((photo.parent / "out").iterdir()) == []


def test_no_frame_no_file(photo: Path) -> None:
    source = VideoFile(photo)
    sink = PictureFile(photo.parent / "out" / "o.png", source.open(), source=source)
    source.close()
    sink.finish()
    assert list((photo.parent / "out").iterdir()) == []
    assert "not written" in sink.notes[0]


@pytest.mark.parametrize("ending", ["jpg", "png", "webp"])
def test_date_camera_and_colours_of_a_photo_are_kept(ending: str, tmp_path: Path) -> None:
    image = np.random.default_rng(1).integers(0, 255, (64, 96, 3), np.uint8)
    (tmp_path / "photo.jpg").write_bytes(encoded_with_metadata(image, ".jpg", (), WHOLE)[0])
    output = tmp_path / f"o.{ending}"
    source = VideoFile(tmp_path / "photo.jpg")
    sink = PictureFile(output, source.open(), source=source)
    Pipeline(source, FakePerception(), draw_nothing, [sink]).run()
    kept = photo_metadata(output.read_bytes())
    assert b"2024:01:02 03:04:05" in kept.exif
    assert kept.icc == WHOLE.icc
    assert sink.notes == []
    # Turned upright once: its orientation must not turn it again.
    written = cv2.imread(str(output))
    assert written is not None
    assert written.shape == (96, 64, 3)


def test_transparency_is_named(tmp_path: Path) -> None:
    image = np.zeros((64, 96, 4), np.uint8)
    (tmp_path / "photo.png").write_bytes(cv2.imencode(".png", image)[1].tobytes())
    source = VideoFile(tmp_path / "photo.png")
    sink = PictureFile(tmp_path / "o.png", source.open(), source=source)
    source.close()
    sink.abandon()
    assert "transparency" in sink.notes[0]
