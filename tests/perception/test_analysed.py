"""Zones and lines that are changed while frames come."""

from __future__ import annotations

import pytest

from streamer.analysis.places import Line, Places, Zone
from streamer.errors import ConfigError
from streamer.perception.analysed import Scene
from streamer.stages import Annotated
from tests import fakes
from tests.analysis.walks import scene

DOOR = Zone(name="door", polygon=((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)))
GATE = Line(name="gate", points=((0.1, 0.5), (0.9, 0.5)))
LABELS = {1: "person"}


def filled(counted: Scene, index: int) -> Annotated:
    return counted.fill(Annotated(fakes.frame(index), scene({1: (30.0, 40.0)})))


def test_a_scene_without_zones_says_nothing_until_there_are_some() -> None:
    counted = Scene((), (), LABELS)
    assert filled(counted, 0).facts is None
    counted.change(Places((DOOR,), (GATE,)))
    for index in range(1, 60):
        item = filled(counted, index)
    assert item.facts is not None
    assert item.facts.zones == (("door",),)
    assert item.facts.places == counted.places
    told = counted.totals.as_dict()
    assert (told["zones"]["door"]["entries"], told["zones"]["door"]["inside"], list(told["lines"])) == (1, 1, ["gate"])
    counted.change(Places())
    item = filled(counted, 60)
    assert item.facts is not None
    assert (item.facts.zones, item.facts.places) == (((),), Places())
    assert [left.zone for left in item.facts.exits] == ["door"]
    assert counted.totals.as_dict() == {"zones": {}, "lines": {}}
    assert [(row.place, row.counted.into, row.counted.out) for row in counted.totals.rows()] == [("door", 1, 1)]
    counted.change(Places((DOOR,)))
    for index in range(61, 90):
        filled(counted, index)
    assert counted.totals.as_dict()["zones"]["door"]["entries"] == 2


@pytest.mark.parametrize(
    ("places", "said"),
    [
        (Places((Zone(name="door", polygon=DOOR.polygon, classes=frozenset({"cta"})),)), "knows no class 'cta'"),
        (Places((DOOR,), (Line(name="door", points=GATE.points),)), "'door' is there twice"),
        (Places((Zone(name="far", polygon=((0.0, 0.0), (9000.0, 0.0), (0.0, 9000.0))),)), "outside the picture"),
    ],
)
def test_what_cannot_be_changes_nothing(places: Places, said: str) -> None:
    counted = Scene((DOOR,), (), LABELS)
    filled(counted, 0)
    with pytest.raises(ConfigError, match=said):
        counted.change(places)
    assert counted.places == Places((DOOR,))
