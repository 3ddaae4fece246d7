"""What pages draw over a picture."""

from __future__ import annotations

from streamer.analysis.facts import SceneFacts
from streamer.analysis.places import Line, Places, Zone
from streamer.web.objects import drawable_places, palette

DOOR = Zone(name="door", polygon=((64.0, 36.0), (320.0, 36.0), (320.0, 180.0)))
GATE = Line(name="gate", points=((0.0, 0.5), (1.0, 0.5)))


def test_zones_and_lines_come_as_shares_with_what_they_count() -> None:
    facts = SceneFacts(inside=(2,), crossed=((3, 1),), places=Places((DOOR,), (GATE,)))
    zone, line = drawable_places(facts, (640, 360))
    assert zone == {
        "kind": "zone",
        "name": "door",
        "color": palette()[0],
        "points": [[0.1, 0.1], [0.5, 0.1], [0.5, 0.5]],
        "inside": 2,
    }
    assert line == {"kind": "line", "name": "gate", "color": palette()[1], "points": [[0, 0.5], [1, 0.5]], "in": 3, "out": 1}


def test_nothing_is_drawn_where_nothing_is_watched() -> None:
    assert drawable_places(None, (640, 360)) == []
    assert drawable_places(SceneFacts(), (640, 360)) == []
    assert drawable_places(SceneFacts(places=Places()), (640, 360)) == []
