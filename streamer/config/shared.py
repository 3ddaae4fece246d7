"""Settings that recordings and cameras have in common. A class is a panel of the commands' help."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from streamer.config.fields import (
    Count,
    Covered,
    DeviceNames,
    Drawn,
    FilePath,
    Names,
    Option,
    Polygons,
    Seconds,
    Settings,
    Share,
    Switch,
    Text,
    Unset,
)


class DetectorOptions(Settings):
    """Which detector."""

    panel: ClassVar[str] = "Detector"

    detector: Annotated[Text, Option(metavar="NAME"), Field(repr=False)] = "nanodet"  # an address may hold a token
    """``nanodet``, ``nanodet:large``, ``mask-rcnn``, ``hub:HANDLE``, ``kaggle:HANDLE``, the path of a SavedModel or of an ONNX
    or LiteRT file, ``kserve://HOST:PORT/MODEL`` for one on a server, the name of a detector that a package brings, or
    ``package.module:Class`` (or a function)."""
    labels: Annotated[FilePath | None, Unset("the detector's own")] = None
    """File of class names for a SavedModel or an ONNX file: one name a line, lines ``1 ball``, CSV, JSON or a ``.pbtxt`` label
    map. Or COCO's names, as ``coco`` (ids 1 to 90), ``coco-from-0``, ``coco80`` (0 to 79) or ``coco80-from-1``."""
    device: DeviceNames = "auto"
    """Where a SavedModel, an ONNX file, or a class that takes ``device``, computes: ``auto`` takes the first GPU that can be
    used, else the CPU; ``cuda`` or ``cuda:N`` is that GPU, or an error that says what is missing. ``cuda:0,1`` is one detector
    on each of these, ``cuda:all`` one on every GPU."""
    precision: Literal["full", "mixed"] = "full"
    """How exactly a SavedModel computes: ``mixed`` is with 16 bits where TensorFlow holds that to be harmless, on a GPU, or on
    a CPU that has instructions for it (bfloat16). Faster, and nearly as exact."""
    threads: Annotated[Count | None, Unset("as many as it finds good")] = None
    """Threads of the detector on a CPU."""


class LogOptions(Settings):
    """What the process says."""

    panel: ClassVar[str] = "Process"

    log_format: Literal["human", "json"] = "human"
    """How the log is written."""


class SelectionOptions(Settings):
    """Which of the detections count."""

    panel: ClassVar[str] = "Detector"

    score_threshold: Annotated[Share | None, Unset("0.4 for nanodet, else 0.5")] = None
    """Least score of an instance."""
    classes: Annotated[Names, Unset("all that the detector shows by itself", by_none=False)] = None
    """Names of the classes to keep, such as ``person,car``; ``all`` for every class that the detector knows."""
    max_instances: Annotated[Count | None, Unset("all")] = None
    """Most instances of a frame, best first."""


class DrawingOptions(Settings):
    """What is drawn, and how."""

    panel: ClassVar[str] = "Picture"

    draw: Drawn = frozenset({"masks", "outlines", "labels", "zones"})
    """What to draw: any of ``masks``, ``outlines``, ``boxes``, ``labels``, ``zones`` (and lines), or ``none``."""
    mask_opacity: Share = 0.45
    """How strongly masks cover the picture."""

    @property
    def draws_masks(self) -> bool:
        """Whether masks have a part in what is drawn."""
        return not self.draw.isdisjoint({"masks", "outlines"})


class PrivacyOptions(Settings):
    """What must not be seen in any picture."""

    panel: ClassVar[str] = "Privacy"

    privacy: Annotated[Covered, Unset("nothing is covered", by_none=False)] = Field(default_factory=dict)
    """Cover the objects of these classes in every picture that is shown or written: ``person``, ``person=pixelate``,
    ``person=blur,car=fill``. Where the detector has not looked, the whole picture is covered."""
    privacy_zones: Annotated[Polygons, Option(repeated=True)] = ()
    """Parts of the picture that are always filled: corners ``0,0 0.5,0 0.5,0.3`` as shares of its width and height."""
    privacy_margin: Seconds = 1.5
    """Seconds for which an object stays covered after its last detection; of a recording also before its first."""


class RecordsOptions(Settings):
    """Files of what was found."""

    panel: ClassVar[str] = "Records"

    detections: Annotated[FilePath | None, Option(metavar="FILE.jsonl"), Unset("not written")] = None
    """File of the records: one JSON line for each frame."""
    masks: Literal["rle", "polygon", "none"] = "rle"
    """How the records hold masks."""
    positions: Switch = True
    """Say in the records where objects were, by boxes, feet and masks; without, only classes, tracks, zones and crossings."""

    @property
    def recorded_masks(self) -> Literal["rle", "polygon", "none"]:
        """How the records hold masks: not at all where they say no positions."""
        return self.masks if self.positions else "none"

    @property
    def records_masks(self) -> bool:
        """Whether there are records that hold masks."""
        return self.detections is not None and self.recorded_masks != "none"


class FileOptions(Settings):
    """How files are written."""

    panel: ClassVar[str] = "Output"

    overwrite: Switch = False
    """Replace files that exist."""
