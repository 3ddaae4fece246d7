"""The page of all options is the settings' own."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.config.annotate import AnnotateConfig
from streamer.config.demo import DemoConfig
from streamer.config.description import Description, descriptions
from streamer.config.fields import PANELS, Settings
from streamer.config.live import CameraConfig, LiveConfig, RunConfig
from streamer.config.reference import markdown

PAGE = Path(__file__).parents[2] / "docs" / "options.md"


def named(model: type[Settings]) -> dict[str, Description]:
    return {item.name: item for item in descriptions(model)}


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == markdown(), "python -m streamer.config.reference > docs/options.md"


@pytest.mark.parametrize("model", [AnnotateConfig, CameraConfig, LiveConfig, DemoConfig])
def test_every_field_has_a_text_a_panel_and_a_default(model: type[Settings]) -> None:
    assert set(named(model)) == set(model.model_fields)
    for item in descriptions(model):
        assert item.text.endswith("."), item.name
        assert item.panel in PANELS, item.name
        assert item.required == (not item.default), item.name
        assert item.switch == (not item.values), item.name


def test_fields_that_hold_settings_are_no_options() -> None:
    assert {"cameras", "defaults"}.isdisjoint(named(RunConfig))


def test_defaults_in_words() -> None:
    live = named(LiveConfig)
    assert [live[name].default for name in ("follow", "loop", "open_timeout", "draw", "publish", "max_fps", "source")] == [
        "on",
        "off",
        "5",
        "masks,outlines,labels,zones",
        "none",
        "as many as come",
        "",
    ]
    assert live["transport"].choices == "auto, tcp or udp"
