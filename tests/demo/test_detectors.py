"""Detectors that somebody may choose beside the settings' own."""

from __future__ import annotations

from streamer.config.demo import load_demo_config
from streamer.demo.detectors import Detectors


def test_built_in_detectors_are_loaded_whatever_the_settings_say_of_their_own() -> None:
    said = {"detector": "hub:http://127.0.0.1:9/none", "precision": "mixed", "device": "cuda:3", "labels": "/nowhere/names.txt"}
    detectors = Detectors(load_demo_config(None, said))
    assert list(detectors.names) == ["hub:http://127.0.0.1:9/none", "nanodet", "nanodet:large"]
    try:
        assert detectors.get("nanodet").detector.name == "nanodet"
    finally:
        detectors.close()
