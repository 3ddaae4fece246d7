"""JSON schemas of the configuration files, for editors. They accept what the loader accepts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic.fields import FieldInfo

from streamer.config.annotate import AnnotateConfig
from streamer.config.delivery import FORMS, SECTIONS
from streamer.config.description import default_words, parts_of, texts_of
from streamer.config.fields import Settings, Unset
from streamer.config.live import CameraConfig, CameraOptions, LiveConfig, RunConfig
from streamer.config.zones import LineOptions, ZoneOptions

FILES: Mapping[str, type[Settings]] = {"annotate": AnnotateConfig, "live": LiveConfig, "run": RunConfig}
"""The settings of the file that each command reads."""

_VARIABLE = {"type": "string", "pattern": r"\$\{[A-Za-z_][A-Za-z0-9_]*\}"}
"""A text that the environment completes: what becomes of it is known to the loader only."""


def schema(command: str = "run") -> dict[str, Any]:
    """The JSON schema of the configuration file of ``annotate``, ``live`` or ``run``."""
    model = FILES[command]
    made = model.model_json_schema()
    models: tuple[type[Settings], ...] = (CameraOptions, CameraConfig, ZoneOptions, LineOptions, *SECTIONS)
    inner = {cls.__name__: cls for cls in models}
    for name, definition in made.get("$defs", {}).items():
        _complete(definition, inner[name])
    _complete(made, model)
    if command != "run":
        # What the file leaves out the command line may say.
        del made["required"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **made,
        "title": f"streamer {command}",
    }


def _complete(definition: dict[str, Any], model: type[Settings]) -> None:
    told = texts_of(model)
    for name, field in model.model_fields.items():
        definition["properties"][name] = _property(definition["properties"][name], field, told.get(name, ""), FORMS.get(name))


def _property(made: dict[str, Any], field: FieldInfo, told: str, text: dict[str, Any] | None) -> dict[str, Any]:
    made.pop("title", None)
    described: dict[str, Any] = {"description": told.replace("``", "`")}
    unset = next((part for part in field.metadata if isinstance(part, Unset)), None)
    if not field.is_required():
        described["default"] = made.pop("default", None)
    if any(isinstance(part, type) and issubclass(part, Settings) for part in parts_of(field)):
        if text is None:
            return {**described, **made}
        forms = [form for form in _forms(made) if form != {"type": "null"}]
        return {**described, "default": "none", "anyOf": [*forms, {"const": "none"}, text]}
    if unset is not None:
        described["description"] += f" Default: {default_words(field)}."
        described["default"] = "none" if unset.by_none else "default"
    forms = [form for form in _forms(made) if form != {"type": "null"}]
    if unset is not None and unset.by_none:
        forms.append({"const": "none"})
    if {"type": "string", "minLength": 1} not in forms:
        forms.append(_VARIABLE)
    return {**described, "anyOf": forms} if len(forms) > 1 else {**described, **forms[0]}


def _forms(made: dict[str, Any]) -> list[dict[str, Any]]:
    return [form for inner in made["anyOf"] for form in _forms(inner)] if "anyOf" in made else [made]
