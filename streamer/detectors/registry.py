"""Which detectors there are, and how a name becomes one."""

from __future__ import annotations

import difflib
import importlib
import inspect
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamer.detectors.plugin import PluginDetector
from streamer.errors import ConfigError, DetectorError, DetectorUnavailable
from streamer.redact import redact
from streamer.stages import Detector

MASK_RCNN = "https://tfhub.dev/tensorflow/mask_rcnn/inception_resnet_v2_1024x1024/1"

TABLE: Mapping[str, str] = {
    "people": "streamer.detectors.people:PeopleDetector",
    "mask-rcnn": "streamer.detectors.hub:HubDetector",
    "hub": "streamer.detectors.hub:HubDetector",
}
"""Name to ``module:Class``; imported when used."""

SPECS = "people, mask-rcnn, hub:HANDLE, the PATH of a SavedModel folder, package.module:Class"

_CLASS_SPEC = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class KnownDetector:
    """A row of ``streamer models``."""

    name: str
    where: str
    """Where it lies, or would lie: a folder."""
    needs: str
    """What it takes to run it, for people."""
    size_bytes: int | None
    """On disk; None where it is not there."""
    present: bool


def load_detector(
    spec: str, *, score_threshold: float, threads: int | None = None, labels_path: Path | None = None
) -> Detector:
    """Make the detector that ``spec`` names, loaded but not warmed up.

    ``spec`` is ``people``, ``mask-rcnn``, ``hub:HANDLE``, the path of a SavedModel folder or ``package.module:Class`` (the
    current directory counts). ``threads`` is for networks on a CPU. ``labels_path`` replaces the class names of a SavedModel.
    Naming a Hub model downloads it when the cache has none.

    Raises ``ConfigError`` when ``spec`` names nothing, with the nearest name, and ``DetectorUnavailable`` or
    ``DetectorContractError`` when the detector cannot be loaded.
    """
    if not 0.0 <= score_threshold <= 1.0:
        raise ConfigError(f"the score threshold must be within 0..1, got {score_threshold:g}", hint="0.5 is usual")
    if threads is not None and threads < 1:
        raise ConfigError(f"threads must be at least 1, got {threads}")
    name, _, handle = spec.partition(":")
    if spec == "people":
        if labels_path is not None:
            raise ConfigError("the detector people has its own labels", hint="leave the label file away, or name a SavedModel")
        return _made(_resolve(TABLE["people"]), score_threshold=score_threshold, threads=threads)
    if spec == "mask-rcnn" or (name == "hub" and handle) or (spec and Path(spec).is_dir()):
        model = MASK_RCNN if spec == "mask-rcnn" else handle if name == "hub" and handle else spec
        return _made(
            _resolve(TABLE["hub"]),
            model,
            name="mask-rcnn" if model == MASK_RCNN else None,
            score_threshold=score_threshold,
            threads=threads,
            labels_path=labels_path,
        )
    if _CLASS_SPEC.fullmatch(spec):
        if labels_path is not None:
            raise ConfigError(f"the detector {spec} has its own labels", hint="leave the label file away, or name a SavedModel")
        return _user_detector(spec, score_threshold)
    if Path(spec).is_file():
        raise ConfigError(f"the detector {spec} is a file", hint=f"name the SavedModel's folder: {Path(spec).parent}")
    raise ConfigError(f"there is no detector {redact(spec)!r}", hint=_suggestion(spec))


def known_detectors() -> list[KnownDetector]:
    """What ``streamer models`` lists. Loads none of them."""
    from streamer.detectors import hub_cache, people

    people_bytes = [path.stat().st_size for name in people.SHA256 if (path := people.FOLDER / name).is_file()]
    entry = hub_cache.entry(MASK_RCNN)
    present = hub_cache.is_whole(entry)
    return [
        KnownDetector(
            name="people",
            where=str(people.FOLDER),
            needs="nothing: built in, runs on any CPU",
            size_bytes=sum(people_bytes) if people_bytes else None,
            present=len(people_bytes) == len(people.SHA256),
        ),
        KnownDetector(
            name="mask-rcnn",
            where=str(entry),
            needs="a download (streamer models download mask-rcnn), 4 GB of memory, a GPU to be fast",
            size_bytes=hub_cache.size_bytes(entry) if present else None,
            present=present,
        ),
    ]


def _suggestion(spec: str) -> str:
    folders = [str(path) for path in Path(spec).parent.glob("*") if path.is_dir()] if "/" in spec else []
    near = difflib.get_close_matches(spec, [*TABLE, *folders], n=1)
    return (f"did you mean {near[0]}? " if near else "") + f"there are: {SPECS}"


def _resolve(target: str) -> Any:
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)


def _made(cls: Any, *args: Any, **kwargs: Any) -> Detector:
    detector: Detector = cls(*args, **kwargs)
    return detector


def _user_detector(spec: str, score_threshold: float) -> Detector:
    module_name, _, class_name = spec.partition(":")
    here = str(Path.cwd())
    added = here not in sys.path
    if added:
        sys.path.insert(0, here)
    importlib.invalidate_caches()
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and (module_name == error.name or module_name.startswith(error.name + ".")):
            raise ConfigError(
                f"the detector {spec}: there is no module {error.name}",
                hint=f"it is looked for in {here} and among the installed packages",
            ) from error
        raise DetectorUnavailable(f"the detector {spec} cannot be imported: {error}", hint="install what it needs") from error
    except Exception as error:
        raise DetectorUnavailable(
            f"the detector {spec} cannot be imported: {type(error).__name__}: {error}", hint="mend the module"
        ) from error
    finally:
        if added and here in sys.path:
            # It may import its neighbours later, but from now on they hide no installed package.
            sys.path.remove(here)
            sys.path.append(here)
    cls = getattr(module, class_name, None)
    if not callable(cls):
        classes = [name for name, value in vars(module).items() if inspect.isclass(value) and value.__module__ == module_name]
        near = difflib.get_close_matches(class_name, classes, n=1) or sorted(classes)
        hint = f"did you mean {module_name}:{near[0]}?" if near else "it holds no class at all"
        raise ConfigError(f"the detector {spec}: the module has no class {class_name}", hint=hint)
    try:
        takes = inspect.signature(cls).parameters
        instance = cls(score_threshold=score_threshold) if "score_threshold" in takes else cls()
    except DetectorError:
        raise
    except Exception as error:
        raise DetectorUnavailable(
            f"the detector {spec} cannot be made: {type(error).__name__}: {error}",
            hint="its class is called with score_threshold if it takes that, else without arguments",
        ) from error
    return PluginDetector(instance, spec)
