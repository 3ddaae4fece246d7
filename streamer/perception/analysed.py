"""The one place where frames get their facts: between perception and all that draws, writes and counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from streamer.analysis.facts import SceneFacts
from streamer.analysis.places import InvalidPlace, Line, Places, Zone, in_pixels
from streamer.analysis.scene import SceneAnalysis
from streamer.analysis.totals import Totals
from streamer.errors import ConfigError
from streamer.frame import Frame
from streamer.instances import Instances, class_name
from streamer.stages import Annotated, CanSkip, Perception
from streamer.suggest import did_you_mean


class Scene:
    """The zones and lines of one source, what is going on in them, and what was counted.

    One thread fills frames; :meth:`change` is for any.
    """

    def __init__(
        self, zones: tuple[Zone, ...], lines: tuple[Line, ...], labels: Mapping[int, str], *, by_minute: bool = False
    ) -> None:
        """``labels`` may change, and are none as long as nobody knows them.

        Raises ``ConfigError`` for a class that the detector's ``labels`` do not have.
        """
        self._labels = labels
        self.size: tuple[int, int] | None = None
        """Width and height of the displayed picture that coordinates in pixels refer to; None before the first frame."""
        self._wanted = self._known(Places(zones, lines))

        def name_of(class_id: int) -> str:
            return class_name(labels, class_id)

        self.analysis = SceneAnalysis(zones, lines, name_of)
        self._watched = self._wanted
        self._ever = False
        """Whether anything was watched yet: of what is no more is told, too."""
        self.totals = Totals(zones, lines, name_of, by_minute=by_minute)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes that the detector knows."""
        return tuple(sorted(set(self._labels.values())))

    @property
    def places(self) -> Places:
        """The zones and lines, those of the next frame."""
        return self._wanted

    def counted(self) -> dict[str, Any]:
        """``zones`` and ``lines`` by name with what they counted, as JSON can hold it; empty where there are none."""
        return self.totals.as_dict() if self.places else {}

    def change(self, places: Places) -> None:
        """Watch other zones and lines from the next frame on; those that keep their names keep their counts.

        Raises ``ConfigError``, and changes nothing, for an unknown class, a name that is there twice, or a point outside the
        picture.
        """
        self.check(places)
        self._wanted = places

    def check(self, places: Places) -> None:
        """Raise what :meth:`change` would raise."""
        self._known(places)
        try:
            SceneAnalysis(*places)
        except InvalidPlace as error:
            raise ConfigError(str(error), hint=error.hint) from error
        if self.size is not None:
            check_places(places, self.size)

    def fill(self, item: Annotated) -> Annotated:
        """``item`` with its facts; without any where there are no zones and no lines, and never were."""
        frame = item.frame
        if self.size is None:
            self.size = (frame.width, frame.height)
        wanted, left = self._wanted, SceneFacts()
        if wanted is not self._watched:
            left = self.analysis.change(wanted)
            self.totals.change(wanted)
            self._watched = wanted
        if wanted:
            facts = self.analysis.update(item.instances, frame.time_s, (frame.width, frame.height), cut=item.cut)
        elif self._ever:
            facts = SceneFacts(zones=((),) * len(item.instances), places=wanted)
        else:
            return item
        self._ever = True
        item.facts = replace(facts, exits=(*left.exits, *facts.exits)) if left.exits else facts
        self.totals.add(item.facts)
        return item

    def _known(self, places: Places) -> Places:
        """``places``. Raises ``ConfigError`` for a class that the detector does not know."""
        known = self.classes
        wanted = [*((zone.name, zone.classes) for zone in places.zones), *((line.name, line.classes) for line in places.lines)]
        for place, classes in wanted:
            for name in sorted((classes or frozenset()) - set(known)) if known else ():
                raise ConfigError(f"{place}: the detector knows no class {name!r}", hint=did_you_mean(name, known))
        return places

    def finish(self) -> SceneFacts:
        """No more frames will come: what is said of those that are still inside."""
        facts = self.analysis.finish()
        self.totals.add(facts)
        return facts


def check_places(places: Places, size: tuple[int, int]) -> None:
    """Raise ``ConfigError`` for a zone or a line outside a displayed picture of ``size`` (width, height)."""
    for name, points in places.points():
        try:
            in_pixels(points, size)
        except InvalidPlace as error:
            raise ConfigError(f"{name}: {error}", hint=error.hint) from error


class Analysed:
    """Implements ``stages.Perception`` and ``stages.CanSkip`` around another one, which hands on frames in their order."""

    def __init__(self, perception: Perception, scene: Scene) -> None:
        self._perception = perception
        self._scene = scene

    def push(self, frame: Frame) -> Iterable[Annotated]:
        """The frames that are ready, with their facts."""
        return [self._scene.fill(item) for item in self._perception.push(frame)]

    def skip(self, frame: Frame) -> Annotated:
        """``frame`` with what is known, and its facts."""
        perception = self._perception
        item = perception.skip(frame) if isinstance(perception, CanSkip) else Annotated(frame, Instances.empty())
        return self._scene.fill(item)

    def finish(self) -> Iterator[Annotated]:
        """The frames that were held back; then the scene ends."""
        for item in self._perception.finish():
            yield self._scene.fill(item)
        self._scene.finish()

    def close(self) -> None:
        """Close the perception."""
        self._perception.close()
