"""The reference of all settings as Markdown: ``python -m streamer.config.reference > docs/options.md``."""

from __future__ import annotations

from streamer.config.annotate import AnnotateConfig
from streamer.config.demo import DemoConfig
from streamer.config.description import Description, descriptions
from streamer.config.fields import PANELS, Settings
from streamer.config.live import LiveConfig, RunOptions
from streamer.config.render import RenderConfig
from streamer.config.serve import ServeConfig

_COMMANDS: dict[str, type[Settings]] = {
    "annotate": AnnotateConfig,
    "render": RenderConfig,
    "live": LiveConfig,
    "run": RunOptions,
    "web": DemoConfig,
    "serve": ServeConfig,
}

_INTRODUCTION = """\
# Options

Made from the fields of the settings by `python -m streamer.config.reference`; do not edit it.

Every option of a command is a key of its configuration file, with underscores for dashes: `--max-fps 10` is `max_fps: 10`.
The command line wins over the file. What is on or off has a negation: `--show`, `--no-show`. In a file of `run`, what
belongs to *run* below stands at the top, and all else under a camera, or under `defaults` for all cameras.

Seconds may be written as `90`, `1:30` or `0:01:30.5`, lists as `[person, car]` or `person,car`. Where a value may be left
out, `none` leaves it out: a camera says `record: none` when the defaults name a folder. In a file `${NAME}` is taken from
the environment, and `$$` is a dollar sign.
"""


def markdown() -> str:
    """The page: a table for each panel, a row for each setting."""
    rows: dict[str, dict[Description, list[str]]] = {panel: {} for panel in PANELS}
    for command, model in _COMMANDS.items():
        for item in descriptions(model):
            rows[item.panel].setdefault(item, []).append(command)
    tables = [_table(panel, rows[panel]) for panel in PANELS]
    return "\n".join([_INTRODUCTION, *tables])


def _table(panel: str, rows: dict[Description, list[str]]) -> str:
    lines = [f"## {panel}", "", "| option | does | default | of |", "|---|---|---|---|"]
    lines += [f"| {_option(item)} | {_text(item)} | {_cell(item.default)} | {', '.join(of)} |" for item, of in rows.items()]
    return "\n".join([*lines, ""])


def _option(item: Description) -> str:
    if item.argument:
        return f"`{item.name.upper()}`"
    if item.file_only:
        return _cell(f"`{item.name}: {item.values}`, in a file only")
    flags = [f"{item.option}", *([item.negation] if item.switch else []), *([item.short] if item.short else [])]
    flags[-1] += f" {item.values}" if item.values else ""
    return _cell(", ".join(f"`{flag}`" for flag in flags))


def _text(item: Description) -> str:
    return _cell(f"{item.text.rstrip('.')}: {item.choices}" if item.choices else item.text.rstrip("."))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    print(markdown(), end="")
