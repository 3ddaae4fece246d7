"""Options of commands come from the settings' fields."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from streamer.cli.app import app, application
from streamer.cli.options import given, with_options_of
from streamer.config.annotate import AnnotateConfig
from streamer.config.description import descriptions
from streamer.config.fields import Settings
from streamer.config.live import LiveConfig, RunOptions

COMMANDS: dict[str, type[Settings]] = {"annotate": AnnotateConfig, "live": LiveConfig, "run": RunOptions}
PEDESTRIANS = Path(__file__).parents[2] / "samples" / "pedestrians.mp4"
WIDE = {"COLUMNS": "160", "TERMINAL_WIDTH": "160", "NO_COLOR": "1"}


def help_of(*command: str, columns: int = 160) -> str:
    result = CliRunner().invoke(
        app, [*command, "--help"], env={**WIDE, "COLUMNS": str(columns), "TERMINAL_WIDTH": str(columns)}
    )
    assert result.exit_code == 0, result.output
    return re.sub(r"[\s│]+", " ", result.output)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_says_what_each_field_says(command: str) -> None:
    told = help_of(command)
    flags = {item.option for item in descriptions(COMMANDS[command]) if not item.file_only}
    for item in descriptions(COMMANDS[command]):
        if item.file_only:
            assert item.option in flags or item.option not in told, (
                "a key of files may stand for what an option names a file of"
            )
            continue
        assert item.argument or f"{item.option} " in told
        assert item.text.replace("`", "") in told, item.name
        assert not item.default or f"default: {item.default})" in told, item.name
        assert not item.switch or item.negation in told


def test_no_option_is_cut_off_on_80_columns() -> None:
    told = help_of("live", columns=80)
    assert "--reconnect-initial-delay" in told
    assert "…" not in told.replace("://…", "").replace("lavfi:…", "").replace("x11grab:…", "").replace(",…", "")


def test_panels_stand_in_their_order() -> None:
    told = help_of("annotate")
    places = [
        told.index(f"─ {panel} ─") for panel in ("Source", "Output", "Detector", "Picture", "Encoding", "Records", "Process")
    ]
    assert places == sorted(places)


def made() -> tuple[typer.Typer, list[object]]:
    seen: list[object] = []
    one = typer.Typer()

    @one.command(cls=with_options_of("streamer.config.live:LiveConfig"))
    def command(context: typer.Context, own: Annotated[int, typer.Option()] = 3) -> None:
        seen.extend([dict(given(context)), own])

    return one, seen


def values(*arguments: str) -> dict[str, object]:
    one, seen = made()
    result = CliRunner().invoke(one, list(arguments))
    assert result.exit_code == 0, result.output
    said = seen[0]
    assert isinstance(said, dict)
    return {name: value for name, value in said.items() if value is not None}


def test_what_is_not_said_is_none() -> None:
    assert values() == {}


def test_values_are_texts_for_the_settings_to_read() -> None:
    assert values("rtsp://host/1", "--max-fps", "10", "-o", "o.mp4", "--publish", "udp://a:1", "--publish", "udp://b:1") == {
        "source": "rtsp://host/1",
        "max_fps": "10",
        "output": "o.mp4",
        "publish": ["udp://a:1", "udp://b:1"],
    }


@pytest.mark.parametrize(("flag", "value"), [("--follow", True), ("--no-follow", False), ("--no-overwrite", False)])
def test_a_switch_says_yes_no_or_nothing(flag: str, value: bool) -> None:
    assert values(flag) == {flag.removeprefix("--").removeprefix("no-"): value}


def test_a_commands_own_options_reach_its_function() -> None:
    one, seen = made()
    assert CliRunner().invoke(one, ["--own", "5", "-q"]).exit_code == 0
    assert seen[1] == 5


def test_an_option_wins_over_the_file_also_where_the_file_says_yes(tmp_path: Path) -> None:
    config = tmp_path / "a.yaml"
    config.write_text("input: missing.mp4\noverwrite: true\nscore_threshold: 0.3\n")
    result = CliRunner().invoke(app, ["annotate", "--config", str(config), "--score-threshold", "2"])
    assert result.exit_code == 2
    assert "score_threshold: expected a number 0..1, got 2" in result.output


def test_the_list_of_commands_does_not_import_the_settings() -> None:
    program = (
        "import sys; from streamer.cli.app import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit('pydantic' in sys.modules or 'streamer.config.live' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], stdout=subprocess.DEVNULL, check=False).returncode == 0


@pytest.mark.parametrize(("named", "made"), [("annotate", 1), ("import", 1), ("models", None), ("annotat", None), ("-h", None)])
def test_a_command_is_made_without_the_others(named: str, made: int | None) -> None:
    assert len(application([named]).registered_commands) == (made or len(app.registered_commands))
    told = CliRunner().invoke(application([named]), [named, "--help"], env=WIDE).output
    assert told == CliRunner().invoke(app, [named, "--help"], env=WIDE).output


def test_quiet_shows_nothing(tmp_path: Path) -> None:
    annotate = [
        "annotate",
        str(PEDESTRIANS),
        "-o",
        str(tmp_path / "a.mp4"),
        "--end",
        "0.1",
        "--detections",
        str(tmp_path / "a.jsonl"),
    ]
    result = CliRunner().invoke(app, [*annotate, "--quiet"])
    assert (result.exit_code, result.output) == (0, "")
    assert (tmp_path / "a.mp4").exists()
    render = ["render", str(PEDESTRIANS), "-o", str(tmp_path / "b.mp4"), "--from", str(tmp_path / "a.jsonl")]
    result = CliRunner().invoke(app, [*render, "--quiet"])
    assert (result.exit_code, result.output) == (0, "")


def test_annotating_loads_nothing_of_what_it_does_not_use() -> None:
    program = (
        "import sys; from streamer.cli.app import app\n"
        "try: app(['annotate', 'missing.mp4', '-o', 'out.mp4', '--detector', 'mine:Own', '--quiet'])\n"
        "except SystemExit: pass\n"
        "import streamer.detectors.registry\n"
        "unused = {'rich.progress', 'scipy', 'yaml', 'aiohttp', 'httpx', 'sqlite3', 'ssl', "
        "'shapely', 'tarfile', 'tensorflow', 'ai_edge_litert'}\n"
        "print(*unused & set(sys.modules), 'streamer.pipeline' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"
