"""A recording in, an annotated recording out."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamer.config.annotate import AnnotateConfig, EncodingSettings, RecordingSettings, load_annotate_config
from streamer.config.zones import places_of
from streamer.detectors.device import each, gpu_index
from streamer.detectors.from_settings import least_score, threads_each
from streamer.detectors.preparing import Tell, fetch, loaded, tell_nobody, times_of, warm_up
from streamer.detectors.side_by_side import load_side_by_side
from streamer.errors import ConfigError, OutputRefused, SinkError, StageFailed
from streamer.frame import Frame, StreamInfo
from streamer.instances import Instances, class_name
from streamer.object_storage.staging import has_addresses, staged
from streamer.perception.analysed import Analysed, Scene, check_places
from streamer.perception.every_frame import EveryFrame
from streamer.perception.privacy import Private, privacy_in_words, privacy_rules, widened
from streamer.perception.rounded import Rounded
from streamer.perception.selection import Selection, detect_in, selection
from streamer.pipeline import Pipeline
from streamer.render.labels import load_letters
from streamer.render.places import PlacesDrawing
from streamer.render.renderer import Renderer, Style
from streamer.runtime import tls
from streamer.runtime.early_thread import EarlyThread
from streamer.runtime.opencv_threads import one_thread_each
from streamer.runtime.signals import Interrupts
from streamer.sinks.atomic import check_output
from streamer.sinks.coco import CocoResults
from streamer.sinks.containers import CONTAINERS
from streamer.sinks.counts import Counts
from streamer.sinks.encoder import VideoEncoder
from streamer.sinks.picture import PICTURE_SUFFIXES, PictureFile
from streamer.sinks.records import Records
from streamer.sinks.same_file import refuse_clashes
from streamer.sinks.together import Together
from streamer.sources.fingerprint import fingerprint
from streamer.sources.video import VideoFile
from streamer.stages import Annotated, Detector, Perception, Remembers, Sink
from streamer.stats import Stats
from streamer.summary import Summary

_PHOTO_SUFFIXES = (".avif", ".bmp", ".heic", ".heif", ".hif", ".jfif", ".jp2", ".ppm", ".tga", ".tif", ".tiff")
_MOST_NAME_BYTES = 255
_IDLE_S = 0.25
_MOST_IDLE = 4
"""After Ctrl-C, so many times ``_IDLE_S`` without a frame, and the detector's call under way is not waited for."""

if TYPE_CHECKING:
    from streamer.events.recorded import RecordedEvents
    from streamer.perception.ahead import Ahead
    from streamer.perception.interval import Interval


def annotate(
    input: str | os.PathLike[str],  # noqa: A002  # the name of the command's argument
    output: str | os.PathLike[str] | None = None,
    *,
    on_frame: Callable[[Annotated], None] | None = None,
    **options: Any,
) -> Summary:
    """Annotate a recording or a picture, as ``streamer annotate`` does, and return its summary.

    ``options`` are the fields of ``AnnotateConfig``: ``annotate("in.mp4", "out.mp4", detector="nanodet", crf=20)``.
    ``on_frame`` is called with each finished frame, in this thread. Blocks until all is written. Ctrl-C in the main thread
    finishes a playable file with what was done (``summary.interrupted``).

    Raises ``ConfigError`` for bad options, ``SourceError``, ``DetectorError`` or ``SinkError`` before the first frame, and
    ``StageFailed`` after it; what was done until then is completed into playable files, which the error's hint names.
    """
    overrides = {"input": os.fspath(input), "output": None if output is None else Path(output), **options}
    return annotate_with(load_annotate_config(None, overrides), on_frame=on_frame)


def annotate_with(
    config: AnnotateConfig,
    *,
    on_frame: Callable[[Annotated], None] | None = None,
    on_progress: Callable[[Stats, int | None, float], None] | None = None,
    on_wait: Tell = tell_nobody,
    detectors: Sequence[Detector] | None = None,
    detect: Callable[[Detector, Frame, Selection], Instances] = detect_in,
    keep_incomplete: bool = True,
    name: str | None = None,
) -> Summary:
    """The same with checked settings. What is at addresses of object storage is fetched before, and put there in the end.

    ``name`` is what the input is called; None: as the settings call it.

    ``detectors``: those of :func:`ready_detectors` for the same settings; they stay open, for the next recording.
    ``detect`` calls one of them on a frame.

    ``keep_incomplete``: whether what could be written stays when the run fails or is killed. Otherwise records, results of COCO
    and counts get their names at the end, too, and none of them does after a failure.

    ``on_wait`` is told what is waited for, and for how many seconds, while the detector is downloaded, loaded and warmed up.

    ``on_progress`` is called after each frame with the figures so far, the number of frames that will come (None where it is
    not known) and the time (monotonic seconds).
    """
    if config.resume:
        raise ConfigError(f"{config.input} is one recording", hint="--resume is for a folder, a pattern or a list")
    if config.ray is not None:
        raise ConfigError(
            f"{config.input} is one recording", hint="--ray is for a folder, a pattern or a list; --workers shares one"
        )
    if (workers := len(worker_devices(config))) > 1 and config.inference_interval == "auto":
        raise ConfigError(
            f"{workers} detectors cannot work ahead where what one finds says which frame is next",
            hint="name a number with --inference-interval, such as 5, or use one worker and one --device",
        )
    if config.coco is not None and not config.positions:
        raise ConfigError("coco results are positions, which are not to be written", hint="leave out --coco or --no-positions")
    # Everything that can be refused is refused before the model is loaded, which may take a minute.
    output = config.output or default_output(config.input)
    if has_addresses(config):
        with staged(config, keep=keep_incomplete) as stage:
            summary = annotate_with(
                stage.settings,
                on_frame=on_frame,
                on_progress=on_progress,
                on_wait=on_wait,
                detectors=detectors,
                detect=detect,
                keep_incomplete=keep_incomplete,
                name=config.input,
            )
            return replace(summary, files=tuple(map(stage.named, summary.files)), notes=tuple(map(stage.named, summary.notes)))
    places = places_of(config)
    read = {"the input": config.input, "the file of labels": config.labels, "the file of zones": config.zones_file}
    refuse_clashes(read, (output, config.detections, config.coco, config.counts))
    for path in (config.detections, config.coco, config.counts):
        # A pipe or a device is there already and may be written to. A Path raises for a name that is too long.
        if path is not None and (os.path.isfile(path) or not os.path.exists(path)):  # noqa: PTH110, PTH113  # see above
            check_output(path, overwrite=config.overwrite)
    if config.insecure:
        tls.leave_unchecked(config.input)
    with ExitStack() as undo:
        drawing = EarlyThread("render", load_letters)
        undo.callback(drawing.discard)
        source, info, picture_sink = opened(config, output, undo, keep_incomplete=keep_incomplete, name=name)
        check_places(places, (info.width, info.height))
        events = _events(config, source, lambda class_id: class_name(detector.labels, class_id))
        if events is not None:
            undo.callback(events.abandon)
        found, detector, perception = _perceive(config, undo, on_wait, detectors, detect)
        scene = Scene(*places, detector.labels, by_minute=config.counts is not None) if places else None
        sinks: list[Sink] = [picture_sink]
        written = [path for path in (config.detections, config.coco, config.counts) if path is not None]
        together = Together([] if keep_incomplete else written, overwrite=config.overwrite)
        places_of_files = {**dict(zip(written, written, strict=True)), **together.places}
        overwrite = config.overwrite or not keep_incomplete
        undo.callback(together.discard)
        if config.detections is not None:
            records = Records(
                places_of_files[config.detections],
                info,
                detector.labels,
                detector.name,
                masks=config.recorded_masks,
                positions=config.positions,
                overwrite=overwrite,
                about=_about(config, source, tracked=not isinstance(found, EveryFrame)),
                totals=lambda: {"interrupted": pipeline.interrupted, **_track_totals(found, detector), **_counted(scene)},
            )
            undo.callback(records.abandon)
            sinks.append(records)
        if config.coco is not None:
            coco = CocoResults(places_of_files[config.coco], info, overwrite=overwrite)
            undo.callback(coco.abandon)
            sinks.append(coco)
        if config.counts is not None and scene is not None:
            counts = Counts(places_of_files[config.counts], scene.totals, overwrite=overwrite)
            undo.callback(counts.abandon)
            sinks.append(counts)
        if events is not None:
            sinks.append(events)
        style = Style(draw=config.draw, mask_opacity=config.mask_opacity)
        renderer = Renderer(
            detector.labels,
            style=style,
            sample_aspect_ratio=info.sample_aspect_ratio,
            places=PlacesDrawing(*places) if places else None,
        )
        # From here on the pipeline owns them all.
        undo.pop_all()
        # A cut's number of frames is known when it is read; the container counts the whole.
        total = None if config.start is not None or config.end is not None else info.frames

        def on_item(item: Annotated) -> None:
            if on_progress is not None:
                on_progress(pipeline.stats, total, time.monotonic())
            if on_frame is not None:
                on_frame(item)

        idle = itertools.count(1)

        def on_idle() -> None:
            if pipeline.interrupted and next(idle) == _MOST_IDLE:
                found.leave()

        perception = Rounded(perception)
        analysed = perception if scene is None else Analysed(perception, scene)
        pipeline = Pipeline(
            source, analysed, renderer, sinks, on_item=on_item, on_idle=on_idle, idle_interval_s=_IDLE_S, early=drawing
        )
        with one_thread_each(), Interrupts(pipeline.stop, pipeline.abandon):
            try:
                stats = pipeline.run()
                if stats.frames_out and not pipeline.abandoned:
                    together.commit()
            except StageFailed as failure:
                failure.args = (together.named(str(failure.args[0])),)
                failure.message = together.named(failure.message)
                files = [output, config.detections, config.coco, config.counts, None if events is None else events.path]
                paths = dict(zip(sinks, [path for path in files if path is not None], strict=True))
                completed = (
                    pipeline.completed if keep_incomplete else [each for each in pipeline.completed if each is picture_sink]
                )
                failure.hint = what_is_left(failure, pipeline.stats.frames_out, [paths[sink] for sink in completed])
                raise
            finally:
                together.discard()
    if (inference := stats.latencies["inference"]).count:
        times_of(config).keep("call", inference.median_s)
    notes = [*source.notes, *picture_sink.notes, *(() if events is None else events.notes)]
    files = [output, config.detections, config.coco, config.counts, None if events is None else events.path]
    if found.left and not pipeline.abandoned:
        notes.append(_what_was_left(found, stats.dropped["interrupted"]))
    if pipeline.abandoned:
        # Records keep the lines that they have: each is true by itself. The other two appear whole or not at all.
        files = [config.detections, config.counts, None if events is None else events.path]
        notes.append(f"abandoned: there is no {output}")
    return Summary.of(
        stats,
        detector.labels,
        info,
        now=time.monotonic(),
        # Of an input without a frame there is no output.
        files=[path for path in files if path is not None and path.exists()],
        tracks=None if isinstance(found, EveryFrame) else found.tracks_summary(),
        places=_counted(scene),
        notes=notes,
        damaged_packets=source.damaged_packets,
        interrupted=pipeline.interrupted,
    )


def _events(config: AnnotateConfig, source: VideoFile, name_of: Callable[[int], str]) -> RecordedEvents | None:
    """What makes events; None where they are not asked for. What privacy covers must not be seen in clips either."""
    if config.events is None:
        return None
    from streamer.events.recorded import RecordedEvents

    private = bool(config.privacy or config.privacy_zones)
    return RecordedEvents(
        config,
        config.events,
        source,
        name_of,
        clips=not private,
        overwrite=config.overwrite,
    )


def opened(
    config: RecordingSettings,
    output: Path,
    undo: ExitStack,
    *,
    start_s: float | None = None,
    end_s: float | None = None,
    keep_incomplete: bool = True,
    name: str | None = None,
) -> tuple[VideoFile, StreamInfo, VideoEncoder | PictureFile]:
    """The recording, opened, and the file of its drawn copy; both are given up by ``undo``.

    ``start_s`` and ``end_s``: the cut where the settings name none. ``name``: what it is called, where not by its path.

    Raises ``SourceError``, ``SinkError`` or ``OutputRefused``.
    """
    source = VideoFile(
        config.input,
        start_s=start_s if config.start is None else config.start,
        end_s=end_s if config.end is None else config.end,
        decode=config.decode,
        gpu=gpu_index(config.device) or 0,
        name=name,
    )
    undo.callback(source.close)
    info = source.open()
    picture_sink: VideoEncoder | PictureFile
    if source.still and output.suffix.lower() in PICTURE_SUFFIXES:
        picture_sink = PictureFile(output, info, overwrite=config.overwrite, source=source)
    else:
        picture_sink = encoder_of(config, output, source, keep_incomplete=keep_incomplete)
    undo.callback(picture_sink.abandon)
    return source, info, picture_sink


def encoder_of(config: EncodingSettings, output: Path, source: VideoFile, *, keep_incomplete: bool = True) -> VideoEncoder:
    """The file of the drawn copy of an open recording. Raises ``SinkError`` or ``OutputRefused``."""
    return VideoEncoder(
        output,
        source.info,
        source=source,
        encoder=config.encoder,
        crf=config.crf,
        preset=config.preset,
        audio=config.audio,
        overwrite=config.overwrite,
        keep_incomplete=keep_incomplete,
    )


def _about(config: AnnotateConfig, source: VideoFile, *, tracked: bool) -> dict[str, object]:
    """What records say of the run, so that they can be drawn again."""
    about: dict[str, object] = {
        "fingerprint": fingerprint(config.input),
        "shift_s": str(source.shift_s),
        "start_s": config.start,
        "end_s": config.end,
        "tracked": tracked,
    }
    if covered := privacy_in_words(config):
        about["privacy"] = covered
    return about


def what_is_left(failure: StageFailed, frames: int, paths: Sequence[Path]) -> str:
    """Where what was written before a failure is, for people."""
    if not paths:
        # Of its own file an output says itself what became of it.
        return "nothing else was written" if isinstance(failure.__cause__, OutputRefused | SinkError) else "nothing was written"
    return f"the {frames} frames before that are in {', '.join(map(str, paths))}"


def _what_was_left(perception: EveryFrame | Interval | Ahead, dropped: int) -> str:
    """What a person should know of a detector that was not waited for."""
    parts = [f"{dropped} frames that it has not seen are left out"] if dropped else []
    if followed := getattr(perception, "followed_at_end", 0):
        parts.append(f"in the last {followed} frames objects are followed only")
    return ", ".join(["the detector's call under way was not waited for", *parts])


def ready_detectors(config: AnnotateConfig, on_wait: Tell = tell_nobody) -> list[Detector]:
    """The settings' detector, loaded and warmed up, as often as it works side by side on one recording.

    Raises ``DetectorError``, or ``ConfigError`` for classes that it does not know. The caller closes them.
    """
    tracked = _tracked(config)
    score = least_score(config, config.detector, tracked=tracked)
    times = times_of(config)
    fetch(config, on_wait)
    detectors = loaded(config, times, on_wait, lambda: _detectors(config, score, tracked=tracked))
    try:
        selection(config, config.detector, detectors[0])
        for detector in detectors:
            warm_up(detector, times, on_wait)
    except Exception:  # not after Ctrl-C: the warm-up goes on in its thread
        for detector in detectors:
            detector.close()
        raise
    return detectors


def _detectors(config: AnnotateConfig, score: float, *, tracked: bool) -> list[Detector]:
    """As many as the settings' workers, each in a process; without more than one, in this process."""
    devices = worker_devices(config)
    return load_side_by_side(config, score, devices, threads=config.threads or threads_each(len(devices)), alone=tracked)


def worker_devices(config: AnnotateConfig) -> list[str]:
    """The device of each of the settings' workers: at least one for each device. Raises ``DetectorUnavailable``."""
    devices = each(config.device)
    return [devices[worker % len(devices)] for worker in range(max(config.workers, len(devices)))]


def _tracked(config: AnnotateConfig) -> bool:
    """Whether objects get identities. What is to be covered does: a detection that is missing in between must not uncover
    anybody."""
    asked = config.track or config.inference_interval != 1 or bool(config.privacy)
    return asked or config.events is not None or bool(places_of(config))


def _perceive(
    config: AnnotateConfig,
    undo: ExitStack,
    on_wait: Tell,
    lent: Sequence[Detector] | None,
    detect: Callable[[Detector, Frame, Selection], Instances],
) -> tuple[EveryFrame | Interval | Ahead, Detector, Perception]:
    """What finds objects as the settings ask for, warmed up; its detector (one of them, where there are copies); and the
    perception as a whole, which also says what must be covered."""
    keep = lent is not None
    detectors = ready_detectors(config, on_wait) if lent is None else lent
    for detector in detectors:
        if not keep:
            undo.callback(detector.close)
        elif isinstance(detector, Remembers):
            detector.forget()
    select = selection(config, config.detector, detectors[0])
    rules = privacy_rules(config, detectors[0])
    wanted = select if rules is None else widened(select, rules)
    found: EveryFrame | Interval | Ahead
    if not _tracked(config):
        found = EveryFrame(detectors, wanted, keep=keep, detect=detect)
    elif len(detectors) > 1 and config.inference_interval != "auto":
        from streamer.perception.ahead import Ahead

        found = Ahead(detectors, config.inference_interval, wanted, detect)
    else:
        # Loaded when used: SciPy, which it needs, takes as long to load as everything else together.
        from streamer.perception.interval import Interval

        found = Interval(detectors[0], config.inference_interval, wanted, keep=keep, detect=detect)
    return found, detectors[0], found if rules is None else Private(found, rules, select, ahead=True)


def _counted(scene: Scene | None) -> dict[str, Any]:
    """What zones and lines have counted, for records and summary."""
    return {} if scene is None else scene.totals.as_dict()


def _track_totals(found: EveryFrame | Interval | Ahead, detector: Detector) -> dict[str, object]:
    if isinstance(found, EveryFrame):
        return {}
    return {
        "tracks": [
            {
                "track_id": track.track_id,
                "class": class_name(detector.labels, track.class_id),
                "class_id": track.class_id,
                "first_frame": track.first_frame,
                "last_frame": track.last_frame,
            }
            for track in found.tracks_summary()
        ]
    }


def default_output(source: str) -> Path:
    """``-annotated`` added to the input's name, which stands beside it; an address has none. Raises ``ConfigError``.

    The ending stays where it can be written; other photos become ``.jpg``, other recordings ``.mp4``.
    """
    if "://" in source:
        raise ConfigError("an address needs an OUTPUT", hint="name one with -o, such as -o annotated.mp4")
    path = Path(source)
    suffix = path.suffix
    if suffix.lower() not in (*CONTAINERS, *PICTURE_SUFFIXES):
        suffix = ".jpg" if suffix.lower() in _PHOTO_SUFFIXES else ".mp4"
    stem, ending = path.stem, f"-annotated{suffix}"
    while len(os.fsencode(stem + ending)) > _MOST_NAME_BYTES:
        stem = stem[:-1]
    return path.with_name(stem + ending)
