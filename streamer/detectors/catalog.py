"""The models that are built in or lie in the cache: what they need, whether they are whole, and taking one out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from streamer.detectors import hub_cache, weights
from streamer.detectors.handles import MASK_RCNN, is_handle
from streamer.detectors.hub_archive import MODEL_FILE
from streamer.detectors.installed import Installed, installed
from streamer.detectors.nanodet import SIZES, weights_file
from streamer.detectors.registry import BUILT_IN, OWN_NAMES, saved_model_of
from streamer.errors import ConfigError, DetectorUnavailable

Condition = Literal["whole", "damaged", "without checksums", "absent"]

LICENSES = {MASK_RCNN: "Apache-2.0"}
"""Of models that are not built in, by handle."""
_NEEDS = {
    "nanodet": "nothing: built in, runs on any CPU",
    "nanodet:large": "nothing: built in; finds smaller objects, takes three times as long",
    "mask-rcnn": "a download (streamer models download mask-rcnn), 4 GB of memory, a GPU to be fast",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownModel:
    """A model that ``streamer models list`` shows; ``dataclasses.asdict`` makes it a dictionary."""

    name: str
    """As ``--detector`` takes it; the name of its folder in the cache where its handle is not known."""
    where: str
    """Where it lies, or would lie: a folder."""
    needs: str
    """What it takes to run it, for people."""
    license: str
    """Its SPDX name; empty where it is not known."""
    size_bytes: int | None
    """On disk; None where it is not there."""
    present: bool
    wrong: str = ""
    """Why it cannot be used, of a detector that an installed package declares."""
    package: str = ""
    """The package that brings it, with its version; empty for all others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What comparing a model with its checksums showed; ``dataclasses.asdict`` makes it a dictionary."""

    name: str
    where: str
    condition: Condition
    wrong: str
    """What is wrong, in words; empty where nothing is."""


def known_models() -> list[KnownModel]:
    """What is built in, ``mask-rcnn``, all that lies in the cache, and what packages declare. Loads none of them."""
    known = [_built_in(name) for name in BUILT_IN]
    cached = dict(hub_cache.cached())
    headline = hub_cache.entry(MASK_RCNN)
    for folder, handle in {headline: MASK_RCNN, **cached}.items():
        name = hub_cache.spec_of(handle) if handle else folder.name
        present = hub_cache.is_whole(folder)
        known.append(
            KnownModel(
                name=name,
                where=str(folder),
                needs=_NEEDS.get(name, ""),
                license=LICENSES.get(handle, ""),
                size_bytes=hub_cache.size_bytes(folder) if folder in cached else None,
                present=present,
            )
        )
    return [*known, *map(_of_package, installed(OWN_NAMES).values())]


def _of_package(declared: Installed) -> KnownModel:
    return KnownModel(
        name=declared.name,
        where=declared.target,
        needs="",
        license=declared.license,
        size_bytes=None,
        present=not declared.wrong,
        wrong=declared.wrong,
        package=declared.package,
    )


def verify(name: str) -> Finding:
    """Compare every file of a built-in model, one of the cache or a SavedModel folder with its checksum.

    Raises ``ConfigError`` for what names no such model.
    """
    if name in BUILT_IN:
        wrong = next(filter(None, map(_wrong_weights, _files(name))), "")
        return Finding(name=name, where=str(weights.FOLDER), condition="damaged" if wrong else "whole", wrong=wrong)
    folder, handle = _folder(name)
    if not folder.exists():
        return Finding(name=name, where=str(folder), condition="absent", wrong="it is not in the cache")
    wrong = hub_cache.damage(folder) or ("" if (folder / MODEL_FILE).is_file() else f"file {MODEL_FILE} is missing")
    if not wrong and not (folder / hub_cache.MANIFEST).is_file():
        return Finding(name=name, where=str(folder), condition="without checksums", wrong="")
    if not wrong and handle and (changed := hub_cache.changed(folder, handle)):
        wrong = f"{changed}, by the lock file {hub_cache.lock_file()}"
    return Finding(name=name, where=str(folder), condition="damaged" if wrong else "whole", wrong=wrong)


def cached_folder(name: str) -> Path:
    """The folder of a model in the cache. Raises ``ConfigError`` for one that is not there, or that is none of the cache's."""
    if name in BUILT_IN:
        raise ConfigError(f"{name} is built in", hint="only models in the cache can be removed")
    folder, _ = _folder(name)
    if folder.parent != hub_cache.root():
        raise ConfigError(f"{folder} does not lie in the cache, {hub_cache.root()}", hint="remove it yourself")
    if not folder.exists() and not hub_cache.archive_of(folder).exists():
        raise ConfigError(f"{name} is not in the cache, {hub_cache.root()}", hint="streamer models list shows what is")
    return folder


def _folder(name: str) -> tuple[Path, str]:
    """Where the model lies or would lie, and its handle, empty where it has none."""
    model = saved_model_of(name)
    if model is not None and is_handle(model):
        hub_cache.check_handle(model)
        return hub_cache.entry(model), model.rstrip("/")
    if model is not None:
        return Path(model), ""
    cached = hub_cache.cached()
    by_name = {folder.name: folder for folder in cached}
    if name in by_name:
        return by_name[name], cached[by_name[name]]
    raise ConfigError(f"there is no model {name!r}", hint="streamer models list shows which there are")


def _built_in(name: str) -> KnownModel:
    sizes = [path.stat().st_size for file in _files(name) if (path := weights.FOLDER / file).is_file()]
    return KnownModel(
        name=name,
        where=str(weights.FOLDER),
        needs=_NEEDS[name],
        license="Apache-2.0",
        size_bytes=sum(sizes) if sizes else None,
        present=len(sizes) == len(_files(name)),
    )


def _files(name: str) -> list[str]:
    """The files of a built-in model, below the folder of weights."""
    others = {weights_file(size) for variant, sizes in SIZES.items() if variant != name for size in sizes}
    return [file for file in weights.SHA256 if file not in others]


def _wrong_weights(file: str) -> str:
    try:
        weights.verified(file)
    except DetectorUnavailable as error:
        return error.message
    return ""
