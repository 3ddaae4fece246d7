"""What a container cannot hold is written anew in what it can, at the same times; and a note says so."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import av
import numpy as np
import pytest

from tests.media import Clip, ffmpeg, frame_times, packet_digest, packet_times, probe_json, stream_kinds
from tests.road import reencode

pytestmark = pytest.mark.slow

CODECS = {
    "pcm_u8": ("mkv", ("-c:a", "pcm_u8")),
    "pcm_s16be": ("mov", ("-c:a", "pcm_s16be")),
    "pcm_s24le": ("mkv", ("-c:a", "pcm_s24le", "-ac", "2")),
    "pcm_f32le": ("mkv", ("-c:a", "pcm_f32le", "-ac", "2")),
    "pcm_alaw": ("mov", ("-c:a", "pcm_alaw", "-ar", "8000")),
    "pcm_mulaw": ("avi", ("-c:a", "pcm_mulaw", "-ar", "8000")),
    "flac": ("mkv", ("-c:a", "flac")),
    "alac": ("mov", ("-c:a", "alac")),
    "vorbis": ("mkv", ("-c:a", "libvorbis")),
    "opus": ("mkv", ("-c:a", "libopus")),
    "mp3": ("mkv", ("-c:a", "libmp3lame")),
    "mp2": ("ts", ("-c:a", "mp2")),
    "ac3": ("ts", ("-c:a", "ac3")),
    "eac3": ("mkv", ("-c:a", "eac3")),
    "dts": ("mkv", ("-c:a", "dca", "-strict", "-2", "-ac", "2")),
    "truehd": ("mkv", ("-c:a", "truehd", "-strict", "-2", "-ac", "2")),
}


def audio_codec(path: Path) -> str:
    # Debian's ffprobe takes the PCM of MP4 for another: it is older than that part of the standard.
    with av.open(str(path)) as container:
        (stream,) = container.streams.audio
        return stream.codec_context.codec.canonical_name


def loud_from_to(path: Path) -> tuple[float, float]:
    """Where the sound begins and ends, in seconds, on the clock of the file."""
    times: list[float] = []
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="fltp", layout="mono")
        for frame in container.decode(audio=0):
            for mono in resampler.resample(frame):
                assert mono.pts is not None
                assert mono.time_base is not None
                loud = np.flatnonzero(np.abs(mono.to_ndarray()[0]) > 0.02)
                if len(loud):
                    start = float(mono.pts * mono.time_base)
                    times += [start + loud[0] / mono.sample_rate, start + loud[-1] / mono.sample_rate]
    return min(times), max(times)


def decoded(path: Path) -> bytes:
    """The samples of the sound."""
    with av.open(str(path)) as container:
        return b"".join(frame.to_ndarray().tobytes() for frame in container.decode(audio=0))


@pytest.mark.parametrize("ending", ["mp4", "mov", "mkv", "webm", "ts"])
@pytest.mark.parametrize("codec", CODECS)
def test_sound_of_every_kind_is_heard_from_every_container(codec: str, ending: str, tmp_path: Path) -> None:
    container, options = CODECS[codec]
    video = ("-c:v", "mpeg4") if container == "avi" else Clip().video
    clip = Clip(seconds=1, size="64x64", video=video, audio=options).write(tmp_path / f"in.{container}")
    output = tmp_path / f"out.{ending}"
    road = reencode(clip, output, preset="8" if ending == "webm" else "ultrafast")
    notes = [note for note in road.encoder.notes if "audio" in note]
    if audio_codec(output) == codec:
        assert notes == []
        if codec.startswith("pcm"):
            assert decoded(output) == decoded(clip)
        elif ending != "ts":
            assert packet_digest(output, "a:0") == packet_digest(clip, "a:0")
    else:
        assert audio_codec(output) == ("opus" if ending == "webm" else "aac")
        (note,) = notes
        assert f"audio stream #1 ({codec}" in note
        assert "transcoded to" in note
    first_picture_s = float(frame_times(output)[0]) - float(frame_times(clip)[0])
    begin, end = loud_from_to(output)
    before = loud_from_to(clip)
    assert (begin - first_picture_s, end - first_picture_s) == pytest.approx(before, abs=0.06)


def test_sound_that_pauses_keeps_its_times(tmp_path: Path) -> None:
    """A pause in the packets is silence of the same length, and a late start stays late."""
    clip = tmp_path / "in.mkv"
    ffmpeg(
        "-f", "lavfi", "-i", "testsrc2=s=64x64:r=25:d=4", "-f", "lavfi", "-i", "sine=440:r=48000:d=4",
        "-af", "aselect='between(t,1,1.5)+between(t,3,3.5)'", "-c:v", "libx264", "-c:a", "pcm_u8", clip,
    )  # fmt: skip
    reencode(clip, tmp_path / "out.mp4")
    assert audio_codec(tmp_path / "out.mp4") == "aac"
    assert loud_from_to(tmp_path / "out.mp4") == pytest.approx(loud_from_to(clip), abs=0.05)
    assert float(packet_times(tmp_path / "out.mp4", "a:0")[0]) == pytest.approx(1.0, abs=0.05)


def test_sound_that_is_transcoded_is_cut_with_the_picture(tmp_path: Path) -> None:
    clip = Clip(seconds=3, size="64x64", audio=("-c:a", "pcm_u8")).write(tmp_path / "in.mkv")
    reencode(clip, tmp_path / "out.mp4", start_s=1, end_s=2)
    begin, end = loud_from_to(tmp_path / "out.mp4")
    assert begin < 0.05
    assert end == pytest.approx(1.0, abs=0.06)


def shown(path: Path) -> list[float]:
    """Start and duration of each subtitle in turn, seconds; MP4's empty ones, of two bytes, stand for pauses."""
    packets = probe_json(path, "-select_streams", "s:0", "-show_entries", "packet=pts_time,duration_time,size")["packets"]
    return [float(p[key]) for p in packets if int(p["size"]) > 2 for key in ("pts_time", "duration_time")]


@pytest.mark.parametrize(
    ("source", "codec", "ending", "wanted"),
    [
        ("mkv", "srt", "mp4", "mov_text"),
        ("mkv", "ass", "mp4", "mov_text"),
        ("mkv", "srt", "webm", "webvtt"),
        ("mp4", "mov_text", "mkv", "subrip"),
        ("mp4", "mov_text", "webm", "webvtt"),
        ("mkv", "webvtt", "mp4", "mov_text"),
        ("mkv", "webvtt", "mkv", "webvtt"),
        ("mkv", "ass", "mkv", "ass"),
        ("mp4", "mov_text", "mov", "mov_text"),
    ],
)
def test_subtitles_of_text_are_read_from_every_container(
    source: str, codec: str, ending: str, wanted: str, tmp_path: Path
) -> None:
    (tmp_path / "words.srt").write_text(
        "1\n00:00:00,100 --> 00:00:00,500\nHallo\n\n2\n00:00:00,700 --> 00:00:01,000\nWelt\nund mehr\n"
    )
    clip = Clip(size="64x64", audio=("-c:a", "aac")).write(tmp_path / "plain.mp4")
    ffmpeg(
        "-i", clip, "-i", tmp_path / "words.srt", "-map", "0", "-map", "1", "-c", "copy", "-c:s", codec,
        "-metadata:s:s:0", "language=fra", tmp_path / f"in.{source}",
    )  # fmt: skip
    output = tmp_path / f"out.{ending}"
    road = reencode(tmp_path / f"in.{source}", output, preset="8" if ending == "webm" else "ultrafast")
    (stream,) = probe_json(output, "-select_streams", "s", "-show_streams")["streams"]
    assert stream["codec_name"] == wanted
    assert stream["tags"]["language"] == "fra"
    assert any(
        f"subtitle stream #2 ({'subrip' if codec == 'srt' else codec}, fra) is transcoded" in n for n in road.encoder.notes
    ) == (codec not in (wanted, "srt") or (wanted in ("mov_text", "webvtt") and codec == "srt"))
    assert shown(output) == pytest.approx(shown(tmp_path / f"in.{source}"), abs=0.0011)
    ffmpeg("-i", output, "-map", "0:s", tmp_path / "read.srt")
    read = (tmp_path / "read.srt").read_text()
    assert "\nHallo\n" in read
    assert "\nWelt\nund mehr\n" in read


def test_a_plan_that_fails_together_is_made_smaller_before_the_first_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Metadata that a container takes of no stream alone: picture and sound still go, and a note says what does not."""
    clip = Clip(seconds=0.4, audio=("-c:a", "aac"), output=("-metadata", "title=A title")).write(tmp_path / "in.mp4")
    from streamer.sinks.muxer import Muxer

    ending = Muxer.finish

    def fail(self: Muxer, until_s: object = None) -> None:
        if "title" in self._output.metadata:
            raise ValueError("no titles here")
        ending(self, until_s)  # type: ignore[arg-type]  # passed on as it comes

    monkeypatch.setattr(Muxer, "finish", fail)
    road = reencode(clip, tmp_path / "out.mp4")
    assert stream_kinds(tmp_path / "out.mp4") == ["video", "audio"]
    assert any("only picture and sound are kept" in note for note in road.encoder.notes)


@pytest.mark.parametrize(("layout", "channels"), [("3.0", 3), ("quad", 4), ("4.0", 4), ("5.0", 5), ("5.1", 6), ("7.1", 8)])
@pytest.mark.parametrize("ending", ["webm", "ts"])
def test_channels_stay_apart(layout: str, channels: int, ending: str, tmp_path: Path) -> None:
    sound = ("-af", f"aformat=channel_layouts={layout}", "-c:a", "pcm_s16le")
    clip = Clip(seconds=0.4, size="64x64", audio=sound).write(tmp_path / "in.mkv")
    road = reencode(clip, tmp_path / f"out.{ending}", preset="8" if ending == "webm" else "ultrafast")
    with av.open(str(tmp_path / f"out.{ending}")) as container:
        kept = [stream.codec_context.channels for stream in container.streams.audio]
    if not kept:
        # The FFmpeg of PyAV 19 cannot read the 7.1 that it writes into a transport stream: found out before, and named.
        assert (layout, ending) == ("7.1", "ts")
        assert any(note.startswith("audio stream #1") and "left out" in note for note in road.encoder.notes)
        return
    assert kept == [channels]


def test_a_hundredth_of_a_second_of_sound_is_kept(tmp_path: Path) -> None:
    """Too little for FFmpeg to tell what it is."""
    ffmpeg(
        "-f", "lavfi", "-i", "testsrc2=s=64x64:r=25:d=1", "-f", "lavfi", "-i", "sine=d=0.01", "-c:v", "libx264",
        "-c:a", "pcm_s16le", tmp_path / "in.mkv",
    )  # fmt: skip
    reencode(tmp_path / "in.mkv", tmp_path / "out.ts")
    assert stream_kinds(tmp_path / "out.ts") == ["video", "audio"]


def test_a_stream_that_does_not_come_back_is_named_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "words.srt").write_text("1\n00:00:00,100 --> 00:00:00,300\nHallo\n")
    plain = Clip(seconds=0.4, audio=("-c:a", "aac"), output=("-metadata", "title=T")).write(tmp_path / "plain.mp4")
    clip = tmp_path / "in.mp4"
    ffmpeg("-i", plain, "-i", tmp_path / "words.srt", "-c", "copy", "-c:s", "mov_text", clip)
    monkeypatch.setattr("streamer.sinks.trial.Counter", lambda kinds: Counter(kind for kind in kinds if not found(kind)))
    seen: list[str] = []

    def found(kind: str) -> bool:
        """Hide subtitles from what is read back, not from what was written."""
        seen.append(kind)
        return kind == "subtitle" and seen.count("subtitle") % 2 == 0

    road = reencode(clip, tmp_path / "out.mp4")
    assert stream_kinds(tmp_path / "out.mp4") == ["video", "audio"]
    assert probe_json(tmp_path / "out.mp4", "-show_format")["format"]["tags"]["title"] == "T"
    assert road.encoder.notes == [
        "subtitle stream #2 (mov_text) is left out: the container does not hold it together with the rest"
    ]


@pytest.mark.parametrize(("language", "kept"), [("deu", "ger"), ("fra", "fra"), ("eng", "eng"), ("nld", "dut"), ("fre", "fra")])
def test_quicktime_knows_the_language(language: str, kept: str, tmp_path: Path) -> None:
    tag = ("-c:a", "aac", "-metadata:s:a:0", f"language={language}")
    clip = Clip(seconds=0.4, size="64x64", audio=tag).write(tmp_path / "in.mkv")
    reencode(clip, tmp_path / "out.mov")
    (stream,) = probe_json(tmp_path / "out.mov", "-select_streams", "a", "-show_streams")["streams"]
    assert stream["tags"]["language"] == kept
