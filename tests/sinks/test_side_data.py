"""What stands beside the pixels comes out as it went in, or is named."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import av
import pytest

from streamer.sources.boxes import find_box, with_boxes
from streamer.sources.side_data import LightLevel, SideData, side_data_of
from tests.media import Clip, ffmpeg, frame_times, probe_json, video_stream
from tests.road import reencode

pytestmark = pytest.mark.slow

FRAGMENTED = ("-movflags", "empty_moov+default_base_moof+frag_keyframe")
HDR = (
    "log-level=none:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:max-cll=1000,400:"
    "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
)


def box(kind: bytes, content: bytes) -> bytes:
    return (8 + len(content)).to_bytes(4, "big") + kind + content


EQUIRECTANGULAR = box(
    b"sv3d",
    box(b"svhd", bytes(4) + b"test\0") + box(b"proj", box(b"prhd", bytes(4) + bytes(12)) + box(b"equi", bytes(4) + bytes(16))),
)
CUBE = box(
    b"sv3d",
    box(b"svhd", bytes(4) + b"test\0")
    + box(b"proj", box(b"prhd", bytes(4) + bytes(12)) + box(b"cbmp", bytes(4) + struct.pack(">2I", 0, 2))),
)
SIDE_BY_SIDE, TOP_AND_BOTTOM = box(b"st3d", b"\0\0\0\0\x02"), box(b"st3d", b"\0\0\0\0\x01")
CROPPED = box(b"clap", struct.pack(">8i", 140, 1, 100, 1, 0, 1, 0, 1))
DOLBY_VISION = box(b"dvvC", bytes([1, 0, 0x10, 0x1D]) + bytes(20))


def marked(path: Path, added: bytes) -> Path:
    """A short clip whose MP4 describes its video with further boxes."""
    plain = Clip(seconds=0.4, output=FRAGMENTED).write(path.with_name("plain.mp4")).read_bytes()
    path.write_bytes(with_boxes(plain, added))
    return path


def side_data(path: Path) -> SideData:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return side_data_of(next(container.decode(stream)), stream)


def notes(road: Any) -> str:
    return "\n".join(road.encoder.notes)


@pytest.mark.parametrize("ending", ["mp4", "mov", "mkv"])
@pytest.mark.parametrize(
    "added",
    [EQUIRECTANGULAR, CUBE, SIDE_BY_SIDE, TOP_AND_BOTTOM, EQUIRECTANGULAR + TOP_AND_BOTTOM, CROPPED],
    ids=["sphere", "cube", "side by side", "top and bottom", "sphere for two eyes", "crop"],
)
def test_marks_of_the_container_are_kept(added: bytes, ending: str, tmp_path: Path) -> None:
    clip = marked(tmp_path / "marked.mp4", added)
    output = tmp_path / f"o.{ending}"
    road = reencode(clip, output)
    given, kept = side_data(clip), side_data(output)
    assert given != side_data(tmp_path / "plain.mp4")
    if added == CUBE and ending == "mov":  # which knows other spheres only
        assert "360°" in notes(road)
    else:
        assert kept == given
        assert road.encoder.notes == []
    assert [*map(float, frame_times(output))] == pytest.approx([*map(float, frame_times(clip))], abs=0.001)


@pytest.mark.parametrize(
    ("ending", "encoder"),
    [
        *(("mp4", "libx264"), ("mov", "libx265"), ("mkv", "libx264"), ("mkv", "libsvtav1")),
        *(("webm", "libvpx-vp9"), ("ts", "libx264"), ("ts", "libx265")),
    ],
)
def test_hdr10_is_kept(ending: str, encoder: str, tmp_path: Path) -> None:
    clip = Clip(seconds=0.4, video=("-c:v", "libx265", "-pix_fmt", "yuv420p10le", "-x265-params", HDR)).write(
        tmp_path / "h.mp4"
    )
    output = tmp_path / f"o.{ending}"
    road = reencode(clip, output, encoder=encoder)
    given, kept = side_data(clip), side_data(output)
    assert given.light == kept.light == LightLevel(1000, 400)
    assert given.mastering is not None
    assert kept.mastering is not None
    for wanted, found in zip(given.mastering, kept.mastering, strict=True):
        assert found == pytest.approx(wanted, rel=1e-4, abs=1e-4)
    assert "HDR" not in notes(road)
    assert len(frame_times(output)) == 10
    assert video_stream(output)["color_transfer"] == "smpte2084"


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_the_first_view_of_a_sphere_is_kept(ending: str, tmp_path: Path) -> None:
    turned = EQUIRECTANGULAR.replace(bytes(16), bytes(4) + struct.pack(">3i", 90 << 16, -(30 << 16), 0), 1)
    clip = marked(tmp_path / "marked.mp4", turned)
    reencode(clip, tmp_path / f"o.{ending}")
    (sphere,) = video_stream(tmp_path / f"o.{ending}")["side_data_list"]
    assert (sphere["projection"], sphere["yaw"], sphere["pitch"]) == ("equirectangular", 90, -30)
    assert "first view" in notes(reencode(clip, tmp_path / "o.mov"))


def test_what_an_output_cannot_hold_is_named(tmp_path: Path) -> None:
    clip = marked(tmp_path / "marked.mp4", EQUIRECTANGULAR + SIDE_BY_SIDE + CROPPED)
    told = notes(reencode(clip, tmp_path / "o.ts"))
    assert "360°" in told
    assert "stereo 3D" in told
    assert "crop" in told
    assert "360°" in notes(reencode(clip, tmp_path / "o.mp4", encoder="libvpx-vp9"))


def test_dolby_vision_is_named(tmp_path: Path) -> None:
    told = notes(reencode(marked(tmp_path / "marked.mp4", DOLBY_VISION), tmp_path / "o.mp4"))
    assert "Dolby Vision is left out" in told


INTERLACED = Clip(
    size="160x120", rate="50", seconds=0.4, filters="tinterlace=interleave_top",
    video=("-c:v", "libx264", "-preset", "ultrafast", "-flags", "+ilme+ildct", "-x264-params", "tff=1"),
)  # fmt: skip


def _fields(path: Path) -> set[tuple[int, int]]:
    frames = probe_json(path, "-select_streams", "v", "-show_frames")["frames"]
    return {(frame["interlaced_frame"], frame["top_field_first"]) for frame in frames}


@pytest.mark.parametrize("first", ["tff", "bff"])
@pytest.mark.parametrize("ending", ["mp4", "mkv", "ts"])
def test_interlaced_pictures_stay_interlaced(ending: str, first: str, tmp_path: Path) -> None:
    field_order = ("-c:v", "mpeg2video", "-flags", "+ilme+ildct", "-top", "1" if first == "tff" else "0", "-q:v", "3")
    clip = Clip(size="160x120", rate="50", seconds=0.4, filters="tinterlace=interleave_top", video=field_order).write(
        tmp_path / "i.ts"
    )
    road = reencode(clip, tmp_path / f"o.{ending}")
    assert _fields(clip) == _fields(tmp_path / f"o.{ending}") == {(1, int(first == "tff"))}
    assert "interlaced" not in notes(road)


def test_interlacing_that_cannot_be_kept_is_named(tmp_path: Path) -> None:
    clip = INTERLACED.write(tmp_path / "i.mp4")
    assert "interlaced pictures are marked progressive" in notes(reencode(clip, tmp_path / "o.mp4", encoder="libx265"))


def with_captions(path: Path) -> Path:
    """Raw H.264 with a caption of CEA-608 before each picture."""
    plain = Clip(seconds=0.4, video=("-c:v", "libx264", "-bf", "0", "-x264-params", "slices=1")).write(
        path.with_suffix(".h264")
    )
    payload = b"\xb5\0\x31GA94\x03\xc1\xff\xfc\x94\x2c\xff"
    caption = b"\0\0\0\1\x06\x04" + bytes([len(payload)]) + payload + b"\x80"
    data = plain.read_bytes().replace(b"\0\0\0\1", b"\0\0\1")
    for kind in (b"\x65", b"\x41", b"\x01"):
        data = data.replace(b"\0\0\1" + kind, b"CAPTION" + kind)
    path.with_suffix(".264").write_bytes(data.replace(b"CAPTION", caption + b"\0\0\1"))
    ffmpeg("-r", "25", "-i", path.with_suffix(".264"), "-c", "copy", path)
    return path


def test_closed_captions_are_kept_or_named(tmp_path: Path) -> None:
    clip = with_captions(tmp_path / "c.ts")
    assert side_data(clip).captions
    for encoder in ("libx264", "libx265"):
        road = reencode(clip, tmp_path / f"{encoder}.mp4", encoder=encoder)
        assert side_data(tmp_path / f"{encoder}.mp4").captions
        assert "captions" not in notes(road)
    assert "closed captions are left out" in notes(reencode(clip, tmp_path / "o.webm", encoder="libvpx-vp9"))


@pytest.mark.parametrize(
    ("video", "ending"),
    [
        (("-pix_fmt", "yuva420p", "-c:v", "libvpx-vp9", "-auto-alt-ref", "0", "-metadata:s:v", "alpha_mode=1"), "webm"),
        (("-c:v", "qtrle"), "mov"),
        (("-c:v", "prores_ks", "-profile:v", "4444", "-pix_fmt", "yuva444p10le"), "mov"),
        (("-c:v", "png"), "mov"),
        (("-f", "apng"), "png"),
    ],
)
def test_transparency_is_named(video: tuple[str, ...], ending: str, tmp_path: Path) -> None:
    see_through = "format=rgba,geq=r='r(X,Y)':g='g(X,Y)':b='b(X,Y)':a='if(lt(X,80),0,255)'"
    clip = Clip(seconds=0.2, filters=see_through, video=video).write(tmp_path / f"a.{ending}")
    assert "transparency" in notes(reencode(clip, tmp_path / "o.mp4"))


@pytest.mark.parametrize(("video", "ending"), [(("-c:v", "qtrle", "-pix_fmt", "argb"), "mov"), (("-c:v", "gif"), "gif")])
def test_an_opaque_picture_loses_no_transparency(video: tuple[str, ...], ending: str, tmp_path: Path) -> None:
    clip = Clip(seconds=0.2, video=video).write(tmp_path / f"a.{ending}")
    assert "transparency" not in notes(reencode(clip, tmp_path / "o.mp4"))


def test_boxes_go_into_the_description_of_the_video() -> None:
    entry = box(b"avc1", bytes(78) + box(b"avcC", b"\1"))
    stbl = box(b"stbl", box(b"stts", bytes(8)) + box(b"stsd", bytes(8) + entry))
    head = box(b"ftyp", b"isom") + box(b"moov", box(b"mvhd", bytes(9)) + box(b"trak", box(b"mdia", box(b"minf", stbl))))
    patched = with_boxes(head + box(b"mdat", b"pictures"), SIDE_BY_SIDE)
    found = find_box(patched, "st3d")
    assert found is not None
    assert patched[found.start : found.end] == SIDE_BY_SIDE[8:]
    assert patched.endswith(box(b"mdat", b"pictures"))
    assert len(patched) == len(head) + 16 + len(SIDE_BY_SIDE)
    with pytest.raises(ValueError, match="no head"):
        with_boxes(b"RIFF" + bytes(50), SIDE_BY_SIDE)
