"""Options of commands, made from the fields of settings. The settings are imported when a command needs its options."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

if TYPE_CHECKING:
    from streamer.config.description import Description

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE.yaml",
        help="The same options from a YAML file; the command line wins.",
        show_default=False,
    ),
]
_GIVEN = "streamer.given"


class SettingsCommand(TyperCommand):
    """A command with an option for each field of a class of settings, besides those of its function.

    ``streamer --help`` shows the command without importing the settings, which takes longer than all else together.
    """

    settings: str
    """``module:Class`` of the settings."""
    _own: list[Any]
    _all: list[Any] | None

    @property
    def params(self) -> list[Any]:
        """The options of the settings and those of the function."""
        if self._all is None:
            module, _, name = self.settings.partition(":")
            self._all = _in_order([*_made(getattr(importlib.import_module(module), name)), *self._own])
        return self._all

    @params.setter
    def params(self, own: list[Any]) -> None:
        self._own = own
        self._all = None

    def invoke(self, ctx: Any) -> Any:
        """Call the function, with the values of the settings set aside for :func:`given`."""
        own = inspect.signature(self.callback).parameters if self.callback is not None else {}
        ctx.meta[_GIVEN] = {name: value for name, value in ctx.params.items() if name not in own}
        for name in ctx.meta[_GIVEN]:
            del ctx.params[name]
        return super().invoke(ctx)


def with_options_of(settings: str) -> type[SettingsCommand]:
    """The class of a command with an option for each field of ``settings``, ``module:Class``."""
    return type("SettingsCommand", (SettingsCommand,), {"settings": settings})


def given(context: typer.Context) -> Mapping[str, object]:
    """What the command line says of each setting, by the field's name; None where it says nothing."""
    values: Mapping[str, object] = context.meta[_GIVEN]
    return {name: value or None if isinstance(value, list | tuple) else value for name, value in values.items()}


def _made(settings: Any) -> list[Any]:
    """The parameters of the fields of ``settings``; typer makes them of a function that has them all."""
    from streamer.config.description import descriptions

    def options(**_: object) -> None: ...

    described = [item for item in descriptions(settings) if not item.file_only]
    options.__signature__ = inspect.Signature([_parameter(item) for item in described])  # type: ignore[attr-defined]
    app = typer.Typer(add_completion=False)
    app.command()(options)
    command: Any = typer.main.get_command(app)
    return list(command.params)


def _parameter(item: Description) -> inspect.Parameter:
    notes = [item.choices, f"default: {item.default}" if item.default else ""]
    told = "; ".join(note for note in notes if note)
    text = item.text.replace("`", "") + (f" ({told})" if told else "")
    if "[" in text:
        from rich.markup import escape

        text = escape(text)
    info: Any
    if item.argument:
        info = typer.Argument(metavar=item.name.upper(), help=text, show_default=False)
    else:
        flags = [f"{item.option}/{item.negation}" if item.switch else item.option, *([item.short] if item.short else [])]
        info = typer.Option(*flags, metavar=item.values, help=text, show_default=False, rich_help_panel=item.panel or None)
    kind: Any = bool | None if item.switch else list[str] | None if item.repeated else str | None
    return inspect.Parameter(item.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind, info])


def _in_order(parameters: list[Any]) -> list[Any]:
    """By panel; arguments, which have none, first."""
    from streamer.config.fields import PANELS

    def place(parameter: Any) -> int:
        panel = getattr(parameter, "rich_help_panel", None)
        return PANELS.index(panel) if panel in PANELS else -1

    return sorted(parameters, key=place)
