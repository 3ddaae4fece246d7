"""The whole road through ``streamer annotate``, as a user runs it: real clips, real processes, ffprobe as the judge."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

import streamer
from streamer.annotation import default_output
from streamer.config.annotate import AnnotateConfig
from streamer.config.description import descriptions
from streamer.errors import ConfigError, OutputRefused, StageFailed
from streamer.frame import plane_views
from streamer.sinks import encoders
from streamer.sinks.records import read_records
from streamer.sources import hardware
from tests.media import ffmpeg, frame_times, packet_digest, stream_kinds
from tests.waiting import wait_until

pytestmark = pytest.mark.slow

WAIT_S = 60.0
BRIGHT = "tests.bright:Bright"


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A white square that moves over grey, 40 frames at 25 a second; x = 4 * frame."""
    return write_clip(tmp_path / "clip.mp4", 40)


def write_clip(path: Path, frames: int) -> Path:
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=25, options={"preset": "ultrafast", "crf": "10"})
        stream.width, stream.height, stream.pix_fmt = 256, 144, "yuv420p"
        for index in range(frames):
            picture = av.VideoFrame(256, 144, "yuv420p")
            y, u, v = plane_views(picture)
            y[:], u[:], v[:] = 60, 128, 128
            x = 4 * index % 200
            y[40:80, x : x + 40] = 220
            picture.pts = index
            output.mux(stream.encode(picture))
        output.mux(stream.encode(None))
    return path


def run(*arguments: object, **more: Any) -> subprocess.CompletedProcess[str]:
    """The command as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "streamer", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=WAIT_S,
        **more,
    )


def leftovers(folder: Path, *expected: str) -> list[str]:
    return sorted({path.name for path in folder.iterdir()} - set(expected))


def test_the_recording_the_records_and_the_summary(clip: Path, tmp_path: Path) -> None:
    output, detections, coco = tmp_path / "out.mp4", tmp_path / "out.jsonl", tmp_path / "out.json"
    done = run("annotate", clip, "-o", output, "--detections", detections, "--coco", coco, "--detector", BRIGHT)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "40 in, 40 out, 0 dropped" in done.stderr
    assert "light 40" in done.stderr
    assert frame_times(output) == frame_times(clip)
    lines = list(read_records(detections))
    assert [line["type"] for line in lines] == ["stream", *["frame"] * 40, "end"]
    assert lines[-1]["interrupted"] is False
    for index, line in enumerate(lines[1:-1]):
        (found,) = line["instances"]
        assert found["box_xyxy"] == pytest.approx([4 * index, 40, 4 * index + 40, 80], abs=1)
    assert len(json.loads(coco.read_text())) == 40
    assert leftovers(tmp_path, "clip.mp4", "out.mp4", "out.jsonl", "out.json") == []


def test_the_mask_lies_where_the_object_is(clip: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    streamer.annotate(clip, output, detector=BRIGHT, draw="masks", mask_opacity=1.0, crf=1)
    with av.open(str(output)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            rgb = frame.to_ndarray(format="rgb24").astype(int)
            colored = np.ptp(rgb, axis=2) > 60
            y, x = np.nonzero(colored)
            edges = [x.min(), y.min(), x.max() + 1, y.max() + 1]
            assert edges == pytest.approx([4 * index, 40, 4 * index + 40, 80], abs=2)


def test_python_gets_a_summary_and_every_frame(clip: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    seen: list[int] = []

    def on_frame(item: streamer.Annotated) -> None:
        seen.append(item.frame.index)

    summary = streamer.annotate(
        clip,
        tmp_path / "out.mkv",
        detector=BRIGHT,
        start=0.4,
        end="00:00:01",
        on_frame=on_frame,
    )
    assert summary.frames_out == len(seen) == 15
    assert summary.instances == {"light": 15}
    assert summary.dropped == {}
    assert not summary.interrupted
    assert capfd.readouterr() == ("", ""), "only the command prints"


def test_the_output_has_a_name_of_its_own(clip: Path) -> None:
    streamer.annotate(clip, detector=BRIGHT)
    assert frame_times(clip.with_name("clip-annotated.mp4")) == frame_times(clip)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("clip.mkv", "clip-annotated.mkv"),
        ("photo.JPG", "photo-annotated.JPG"),
        ("photo.heic", "photo-annotated.jpg"),
        ("film.avi", "film-annotated.mp4"),
        ("recorder", "recorder-annotated.mp4"),
        ("ä" * 125 + ".mp4", "ä" * 120 + "-annotated.mp4"),
    ],
)
def test_the_name_of_the_output_can_be_written(name: str, expected: str, tmp_path: Path) -> None:
    made = default_output(str(tmp_path / name))
    assert made == tmp_path / expected
    made.touch()


@pytest.mark.parametrize("name", [b"caf\xe9.mp4", "ä".encode() * 125 + b".mp4"])
def test_names_at_the_edge_of_what_a_disk_holds(name: bytes, clip: Path, tmp_path: Path) -> None:
    given = clip.rename(tmp_path / os.fsdecode(name))
    done = run("annotate", str(given), "--detector", BRIGHT, "--detections", str(tmp_path / "found.jsonl"))
    assert done.returncode == 0, done.stderr
    assert frame_times(default_output(str(given))) == frame_times(given)
    assert all(json.loads(line) for line in (tmp_path / "found.jsonl").read_text(encoding="utf-8").splitlines())


def test_a_picture_becomes_a_picture(clip: Path, tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    with av.open(str(clip)) as container:
        next(container.decode(video=0)).save(photo)
    assert run("annotate", photo, "--detector", BRIGHT).returncode == 0
    with av.open(str(tmp_path / "photo-annotated.jpg")) as container:
        picture = next(container.decode(video=0))
    assert (picture.width, picture.height) == (256, 144)
    assert np.ptp(picture.to_ndarray(format="rgb24")[45:75, 5:35].astype(int), axis=2).mean() > 20


def test_what_a_gpu_was_asked_for_and_cannot_do_the_cpu_does_and_a_note_says_so(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    really_opens = encoders.opens
    monkeypatch.setattr(hardware, "obstacle", lambda _gpu: "the GPU's decoder does not open")
    monkeypatch.setattr(encoders, "opens", lambda name: not name.endswith("_nvenc") and really_opens(name))
    options: dict[str, Any] = {"detector": BRIGHT, "decode": "cuda", "encoder": "h264_nvenc", "preset": "p4"}
    summary = streamer.annotate(clip, tmp_path / "out.mp4", **options)
    notes = [
        f"{clip} is decoded on the CPU: the GPU's decoder does not open",
        "h264_nvenc does not open here: libx264 encodes on the CPU",
    ]
    assert summary.notes[:2] == tuple(notes)
    assert caplog.messages == notes, "said at once, too"
    assert frame_times(tmp_path / "out.mp4") == frame_times(clip)


def test_audio_is_copied_bit_for_bit(clip: Path, tmp_path: Path) -> None:
    with_audio, output = tmp_path / "sound.mp4", tmp_path / "out.mp4"
    tone = ("-f", "lavfi", "-i", "sine=duration=1.6")
    ffmpeg("-i", clip, *tone, "-c:v", "copy", "-c:a", "aac", "-map", "1:a", "-map", "0:v", with_audio)
    assert run("annotate", with_audio, "-o", output, "--detector", BRIGHT).returncode == 0
    assert stream_kinds(output) == ["audio", "video"]
    assert packet_digest(output, "a:0") == packet_digest(with_audio, "a:0")


def test_settings_come_from_a_file_and_the_command_line_wins(clip: Path, tmp_path: Path) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text(f"input: {clip}\noutput: {tmp_path / 'a.mp4'}\ndetector: {BRIGHT}\nquiet: true\n")
    done = run("annotate", "--config", settings, "-o", tmp_path / "b.mp4")
    assert done.returncode == 0
    assert done.stderr == ""
    assert leftovers(tmp_path, "clip.mp4", "settings.yaml") == ["b.mp4"]


MISTAKES: list[tuple[list[str], int, str]] = [
    (["annotate", "{}/none.mp4"], 2, r"there is no file .*none\.mp4"),
    (["annotate", "{}"], 2, "is a folder"),
    (["annotate", "{}/empty.mp4"], 1, r"empty\.mp4"),
    (["annotate", "{}/text.mp4"], 1, r"text\.mp4"),
    (["annotate", "{}/tone.wav"], 1, r"tone\.wav .*video"),
    (["annotate", "{}/clip.mp4", "-o", "{}/out.xyz"], 2, r"\.xyz; give one of"),
    (["annotate", "{}/clip.mp4", "-o", "{}/no/out.mp4"], 2, "there is no folder"),
    (["annotate", "{}/clip.mp4", "-o", "{}/text.mp4"], 2, "exists; .*--overwrite"),
    (["annotate", "{}/clip.mp4", "-o", "{}/clip.mp4", "--overwrite"], 2, "is the input"),
    (["annotate", "{}/clip.mp4", "-o", "{}/o.mp4", "--detections", "{}/text.mp4"], 2, "exists; .*--overwrite"),
    (["annotate", "{}/clip.mp4", "-o", "{}/" + "x" * 260 + ".mp4"], 2, "cannot be written .File name too long"),
    (
        ["annotate", "{}/clip.mp4", "-o", "{}/o.mp4", "--detections", "{}/" + "x" * 260],
        2,
        "cannot be written .File name too long",
    ),
    (["annotate", "{}/clip.mp4", "-o", "{}/o.mp4", "--coco", "{}/o.mp4"], 2, "is the same file as .*, another output"),
    (["annotate", "{}/clip.mp4", "--encoder", "libx26"], 2, "did you mean libx26[45]"),
    (["annotate", "{}/clip.mp4", "--detector", "nanodt"], 2, "did you mean nanodet"),
    (["annotate", "{}/clip.mp4", "--detector", "tests.bright:Brihgt"], 2, "did you mean tests.bright:Bright"),
    (["annotate", "{}/clip.mp4", "--detector", BRIGHT, "--classes", "lihgt"], 2, "no class 'lihgt'; did you mean 'light'"),
    (["annotate", "{}/clip.mp4", "--score-threshold", "1.5"], 2, r"0\.\.1, got 1\.5"),
    (["annotate", "{}/clip.mp4", "--mask-opacity", "-1"], 2, r"0\.\.1, got -1"),
    (["annotate", "{}/clip.mp4", "--draw", "mask"], 2, "masks"),
    (["annotate", "{}/clip.mp4", "--crf", "99"], 2, "crf"),
    (["annotate", "{}/clip.mp4", "--preset", "fastest"], 2, "preset"),
    (["annotate", "{}/clip.mp4", "--start", "5", "--end", "3"], 2, "end"),
    (["annotate", "{}/clip.mp4", "--detector", BRIGHT, "--start", "99", "-q"], 1, "no frame of .*clip.mp4 came.*--start"),
    (["annotate", "--config", "{}/typo.yaml"], 2, "typo.yaml:2.*did you mean 'detector'"),
    (["annotate"], 2, "input"),
    (["annotate", "{}/clip.mp4", "--detector", "tests.bright:Cold"], 1, "cannot be warmed up: RuntimeError: no device"),
    (["annotate", "{}/clip.mp4", "--detector", "tests.bright:Wrong"], 1, r"scores: expected shape \(1,\), got \(7,\)"),
    (["probe", "{}/none.mp4"], 2, "there is no file"),
    (["models", "check", "nanodt"], 2, "did you mean nanodet"),
    (["models", "download", "nanodet"], 2, "built in"),
]


@pytest.fixture(scope="module")
def mistakes_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mistakes")
    write_clip(folder / "clip.mp4", 10)
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("This is no film.\n" * 100)
    (folder / "typo.yaml").write_text("input: clip.mp4\ndetectr: people\n")
    ffmpeg("-f", "lavfi", "-i", "sine=duration=0.2", folder / "tone.wav")
    return folder


@pytest.mark.parametrize(("arguments", "code", "message"), MISTAKES, ids=[" ".join(row[0]) for row in MISTAKES])
def test_a_mistake_ends_in_one_clear_line(mistakes_folder: Path, arguments: list[str], code: int, message: str) -> None:
    before = {path.name: path.read_bytes() for path in mistakes_folder.iterdir()}
    done = run(*(argument.replace("{}", str(mistakes_folder)) for argument in arguments), env={**os.environ, "COLUMNS": "200"})
    assert done.returncode == code, done.stderr
    complaint = done.stderr.strip().splitlines()[-1]
    assert complaint.startswith("error: ")
    assert len([line for line in done.stderr.splitlines() if line.startswith("error")]) == 1
    assert re.search(message, complaint), complaint
    assert "Traceback" not in done.stderr
    assert {path.name: path.read_bytes() for path in mistakes_folder.iterdir()} == before, "a stray file, or a changed one"


@pytest.mark.parametrize("options", [(), ("--inference-interval", "2")])
def test_what_was_done_before_a_detector_failed_is_completed_and_named(
    clip: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    output, detections, coco = tmp_path / "out.mp4", tmp_path / "out.jsonl", tmp_path / "out.json"
    arguments = ("annotate", clip, "-o", output, "--detections", detections, "--coco", coco, *options)
    done = run(*arguments, "--detector", "tests.bright:Broken")
    assert done.returncode == 1
    complaint = done.stderr.strip().splitlines()[-1]
    frames = len(frame_times(output))
    assert frames >= 4
    assert frame_times(output) == frame_times(clip)[:frames]
    assert stream_kinds(output) == stream_kinds(clip)
    assert complaint.startswith("error: inference failed: RuntimeError: the tensor fell over; ")
    assert complaint.endswith(f"the {frames} frames before that are in {output}, {detections}, {coco}")
    records = list(read_records(detections))
    assert len(records) == frames + 2
    assert records[-1]["interrupted"] is True
    assert {result["image_id"] for result in json.loads(coco.read_text())} <= set(range(frames + 1))


def test_an_output_that_fails_says_itself_what_is_left_of_it(clip: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    with pytest.raises(StageFailed) as failed:
        streamer.annotate(clip, output, detector="tests.bright:Bright", on_frame=lambda _: output.touch())
    told = str(failed.value)
    assert "out.incomplete.mp4" in told
    assert told.endswith("; nothing else was written")
    assert len(frame_times(tmp_path / "out.incomplete.mp4")) == len(frame_times(clip))


def test_a_detector_that_fails_on_the_first_frame_leaves_nothing(clip: Path, tmp_path: Path) -> None:
    done = run("annotate", clip, "-o", tmp_path / "out.mp4", "--detector", "tests.bright:Wrong")
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].endswith("; nothing was written")
    assert leftovers(tmp_path, "clip.mp4") == []


def test_with_stderr_closed_it_works_as_ever(clip: Path, tmp_path: Path) -> None:
    command = ["sh", "-c", 'exec "$0" "$@" 2>&-', sys.executable, "-m", "streamer", "annotate", str(clip), "-o", "out.mp4"]
    done = subprocess.run(
        [*command, "--detector", BRIGHT], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(Path.cwd())}, check=False
    )
    assert done.returncode == 0
    assert frame_times(tmp_path / "out.mp4") == frame_times(clip)


def test_debug_shows_the_traceback(mistakes_folder: Path) -> None:
    done = run("annotate", mistakes_folder / "clip.mp4", "--detector", "tests.bright:Broken", "--debug")
    assert done.returncode == 1
    assert 'raise RuntimeError("the tensor fell over")' in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: inference failed")


def test_a_detector_that_hangs_while_closing_costs_nothing(clip: Path, tmp_path: Path) -> None:
    done = run("annotate", clip, "-o", tmp_path / "out.mp4", "--detector", "tests.bright:Sticky")
    assert done.returncode == 1
    assert "closing the detector" in done.stderr
    assert frame_times(tmp_path / "out.mp4") == frame_times(clip)


def test_python_errors_are_of_the_tree(clip: Path, tmp_path: Path) -> None:
    with pytest.raises(StageFailed) as failed:
        streamer.annotate(clip, tmp_path / "out.mp4", detector="tests.bright:Broken")
    assert failed.value.stage == "inference"
    assert leftovers(tmp_path, "clip.mp4") == ["out.mp4"]
    with pytest.raises(OutputRefused):
        streamer.annotate(clip, clip)
    with pytest.raises(ConfigError, match="did you mean 'detector'"):
        streamer.annotate(clip, tmp_path / "out.mp4", detectr="nanodet")


@pytest.fixture
def running(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    """A run over a long clip that has written records of some frames; the parameter is the detector, ``BRIGHT`` without one."""
    detector = getattr(request, "param", BRIGHT)
    clip = write_clip(tmp_path / "long.mp4", 3000)
    arguments = (
        f"annotate {clip} -o {tmp_path}/out.mp4 --detections {tmp_path}/out.jsonl --detector {detector} --preset placebo"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "streamer", *arguments.split()],
        stderr=subprocess.PIPE,
        text=True,
    )
    records = tmp_path / "out.jsonl"

    def under_way() -> bool:
        assert process.poll() is None, process.communicate()[1]
        return records.exists() and records.read_bytes().count(b"\n") >= 100

    wait_until(under_way, WAIT_S, what="a hundred records")
    yield process
    process.kill()
    process.wait()
    assert process.stderr is not None
    process.stderr.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_interrupt_finishes_a_playable_file(running: subprocess.Popen[str], tmp_path: Path, number: int) -> None:
    running.send_signal(number)
    _, errors = running.communicate(timeout=WAIT_S)
    assert running.returncode == (0 if number == signal.SIGTERM else 130), errors
    done = frame_times(tmp_path / "out.mp4")
    assert 100 <= len(done) < 3000
    assert done == frame_times(tmp_path / "long.mp4")[: len(done)]
    lines = list(read_records(tmp_path / "out.jsonl"))
    assert len(lines) == len(done) + 2
    assert lines[-1]["interrupted"] is True
    assert leftovers(tmp_path, "long.mp4", "out.mp4", "out.jsonl") == []


@pytest.mark.parametrize("running", ["tests.bright:Tired"], indirect=True)
def test_the_second_interrupt_abandons(running: subprocess.Popen[str], tmp_path: Path) -> None:
    running.send_signal(signal.SIGINT)
    # Two signals at once are one: the second has to come later to be one of its own.
    settled = time.monotonic() + 0.3
    while time.monotonic() < settled:
        assert running.poll() is None, "it was done before the second signal"
        os.sched_yield()
    running.send_signal(signal.SIGTERM)
    _, errors = running.communicate(timeout=WAIT_S)
    assert running.returncode == 143, errors
    assert leftovers(tmp_path, "long.mp4", "out.jsonl") == []
    assert "abandoned" in errors


def test_a_killed_run_leaves_a_file_that_plays(running: subprocess.Popen[str], tmp_path: Path) -> None:
    # What the encoder still looks ahead on is in no file: wait until something is.
    deadline = time.monotonic() + WAIT_S
    while sum(path.stat().st_size for path in tmp_path.glob(".out.partial-*")) < 10_000:
        assert running.poll() is None, "it was done before it was killed"
        assert time.monotonic() < deadline
        os.sched_yield()
    running.kill()
    running.wait()
    (partial,) = leftovers(tmp_path, "long.mp4", "out.jsonl")
    kept = len(frame_times(tmp_path / partial))
    assert kept > 0
    assert len(list(read_records(tmp_path / "out.jsonl"))) >= 100


def test_every_setting_is_an_option_of_the_command() -> None:
    shown = run("annotate", "--help", env={**os.environ, "COLUMNS": "200"}).stdout
    options = [item for item in descriptions(AnnotateConfig) if not item.file_only and item.name != "input"]
    assert len(options) > 20
    for item in options:
        assert (item.flag or f"--{item.name.replace('_', '-')}") in shown


@pytest.mark.parametrize("options", [{"track": True}, {"inference_interval": 4}, {"inference_interval": "auto"}])
def test_objects_have_identities_when_followed(clip: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    detections = tmp_path / "out.jsonl"
    summary = streamer.annotate(clip, tmp_path / "out.mp4", detector=BRIGHT, detections=detections, **options)
    assert summary.frames_out == 40
    assert summary.latencies["inference_latency"].median_s > 0, "the detector's time, of the frames that it saw"
    (track,) = summary.tracks or ()
    assert (track.class_name, track.first_frame, track.last_frame) == ("light", 0, 39)
    *frames, end = list(read_records(detections))[1:]
    assert [line["frame"] for line in frames] == list(range(40))
    assert all(found["track_id"] == track.track_id for line in frames for found in line["instances"])
    for index, line in enumerate(frames):
        (found,) = line["instances"]
        assert found["box_xyxy"] == pytest.approx([4 * index, 40, 4 * index + 40, 80], abs=5)
    assert end["tracks"][0]["last_frame"] == 39


@pytest.fixture
def slow(tmp_path: Path, clip: Path, request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    """A run whose detector is in a call into C that does not come back; the parameter says which, and more options."""
    where, *options = request.param
    assert clip.is_file()
    command = f"annotate {tmp_path}/clip.mp4 -o {tmp_path}/out.mp4 --detector tests.bright:Slow"
    process = subprocess.Popen(
        [sys.executable, "-m", "streamer", *command.split(), *options],
        env={**os.environ, "SLOW_AT": where, "XDG_CACHE_HOME": str(tmp_path / "cache"), "COLUMNS": "200"},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert process.stderr.readline() == "begun\n"
    yield process
    process.kill()
    process.wait()
    process.stderr.close()


@pytest.mark.parametrize("slow", [("load",), ("warm_up",), ("call 1",)], indirect=True)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_does_not_wait_for_a_model_with_nothing_done(
    slow: subprocess.Popen[str], tmp_path: Path, number: int
) -> None:
    slow.send_signal(number)
    _, errors = slow.communicate(timeout=WAIT_S)
    assert slow.returncode == 128 + number, errors
    assert "Traceback" not in errors
    assert leftovers(tmp_path, "clip.mp4", "cache") == []


@pytest.mark.parametrize(
    ("slow", "frames", "told"),
    [
        (("call 11",), 10, "was not waited for, {} frames that it has not seen are left out"),
        (("call 4", "--inference-interval", "4"), 0, "was not waited for, in the last {} frames objects are followed only"),
    ],
    indirect=["slow"],
)
def test_an_interrupt_leaves_a_call_and_finishes_what_was_done(
    slow: subprocess.Popen[str], tmp_path: Path, frames: int, told: str
) -> None:
    slow.send_signal(signal.SIGINT)
    _, errors = slow.communicate(timeout=WAIT_S)
    assert slow.returncode == 130, errors
    done = frame_times(tmp_path / "out.mp4")
    assert done == frame_times(tmp_path / "clip.mp4")[: len(done)]
    read = int(re.search(r"(\d+) in, ", errors)[1])  # type: ignore[index]  # it is there, or the test fails
    # Of a detector on every frame what it saw; of one on every fourth all that was read: frames 9 and on are followed.
    assert len(done) == (frames or read)
    assert told.format(read - (frames or 9)) in errors
    assert leftovers(tmp_path, "clip.mp4", "out.mp4", "cache") == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_while_the_model_is_loaded_leaves_nothing(clip: Path, tmp_path: Path, number: int) -> None:
    command = f"annotate {clip} -o {tmp_path}/out.mp4 --detections {tmp_path}/out.jsonl --detector tests.bright:Loading"
    process = subprocess.Popen([sys.executable, "-m", "streamer", *command.split()], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert process.stderr.readline() == "loading\n"
    process.send_signal(number)
    _, errors = process.communicate(timeout=WAIT_S)
    assert process.returncode == 128 + number
    assert errors == "error: interrupted\n"
    assert leftovers(tmp_path, "clip.mp4") == []
