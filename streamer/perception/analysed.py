"""The one place where frames get their facts: between perception and all that draws, writes and counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from streamer.analysis.facts import SceneFacts
from streamer.analysis.places import InvalidPlace, Line, Zone, in_pixels
from streamer.analysis.scene import SceneAnalysis
from streamer.analysis.totals import Totals
from streamer.errors import ConfigError
from streamer.frame import Frame, StreamInfo
from streamer.instances import Instances, class_name
from streamer.stages import Annotated, CanSkip, Perception
from streamer.suggest import did_you_mean


class Scene:
    """The zones and lines of one source, what is going on in them, and what was counted."""

    def __init__(
        self, zones: tuple[Zone, ...], lines: tuple[Line, ...], labels: Mapping[int, str], *, by_minute: bool = False
    ) -> None:
        """Raises ``ConfigError`` for a class that the detector's ``labels`` do not have."""
        wanted = [*((zone.name, zone.classes) for zone in zones), *((line.name, line.classes) for line in lines)]
        for place, classes in wanted:
            for name in sorted((classes or frozenset()) - set(labels.values())):
                raise ConfigError(
                    f"{place}: the detector knows no class {name!r}", hint=did_you_mean(name, sorted(labels.values()))
                )

        def name_of(class_id: int) -> str:
            return class_name(labels, class_id)

        self.analysis = SceneAnalysis(zones, lines, name_of)
        self.totals = Totals(zones, lines, name_of, by_minute=by_minute)

    def fill(self, item: Annotated) -> Annotated:
        """``item`` with its facts."""
        frame = item.frame
        item.facts = self.analysis.update(item.instances, frame.time_s, (frame.width, frame.height), cut=item.cut)
        self.totals.add(item.facts)
        return item

    def finish(self) -> SceneFacts:
        """No more frames will come: what is said of those that are still inside."""
        facts = self.analysis.finish()
        self.totals.add(facts)
        return facts


def check_places(places: tuple[tuple[Zone, ...], tuple[Line, ...]], info: StreamInfo) -> None:
    """Raise ``ConfigError`` for a zone or a line outside the picture of a stream."""
    zones, lines = places
    named = [*((zone.name, zone.polygon) for zone in zones), *((line.name, line.points) for line in lines)]
    for name, points in named:
        try:
            in_pixels(points, (info.width, info.height))
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
