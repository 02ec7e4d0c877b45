"""`flatfield report`: any format, other weights, other anchors."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest

from flatfield import plugins
from flatfield.faces.cli import report

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    Cli = Callable[..., CompletedProcess[str]]

pytestmark = pytest.mark.whole

EXAMPLE = "20250815-000000-2025"


@pytest.fixture
def loaded(cli: Cli) -> Cli:
    cli("examples", "load", "nano-agent-2025-08")
    return cli


@pytest.mark.parametrize(
    ("name", "beginning"),
    [
        ("terminal", "nano-agent, August 2025 (published)\nrun 20250815"),
        ("markdown", "# nano-agent, August 2025 (published)\n"),
        ("json", '{\n  "run": "20250815-000000-2025"'),
        ("csv", "run,agent,task,repeat,score"),
    ],
)
def test_every_format(loaded: Cli, name: str, beginning: str) -> None:
    ended = loaded("report", "--format", name)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith(beginning)


def test_terminal_is_the_format_unless_json_is_asked_for(loaded: Cli) -> None:
    assert loaded("report").stdout == loaded("report", "--format", "terminal").stdout
    assert loaded("report", "--json").stdout == loaded("report", "--format", "json").stdout


def test_the_newest_run_or_the_one_that_begins_so(loaded: Cli) -> None:
    loaded("eval", "oslo.md", "--agents", "oracle")
    assert loaded("report").stdout.startswith("oslo.md\n")
    assert loaded("report", "2025").stdout.startswith("nano-agent")


def test_weights_regrade(loaded: Cli) -> None:
    found = json.loads(loaded("report", "--json", "--weights", "performance=1").stdout)
    assert found["weights"] == {"performance": 1.0, "speed": 0.0, "cost": 0.0}
    assert all(card["overall"]["score"] == card["performance"]["score"] for card in found["scorecards"])


def test_anchors_are_frozen(loaded: Cli) -> None:
    loaded("eval", "oslo.md", "--agents", "oracle")
    found = json.loads(loaded("report", EXAMPLE, "--anchors", EXAMPLE, "--json").stdout)
    assert "the relative scale's anchors are frozen from another run" in found["notes"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--format", "pdf"], f"there is no report format 'pdf'; there are: {', '.join(plugins.names('report'))}"),
        (["--format", "_content"], "there is no report format '_content'"),
        (["1999"], "there is no run '1999'; the latest are: 20250815-000000-2025"),
        (["--anchors", "1999"], "there is no run '1999'"),
        (["--weights", "beauty=1"], "--weights 'beauty=1': 'beauty' is none of performance, speed, cost"),
        (["--weights", "speed=1,speed=2"], "--weights 'speed=2'"),
        (["--weights", "speed=-1"], "--weights 'speed=-1'"),
        (["--weights", "speed=nan"], "--weights 'speed=nan'"),
        (["--weights", "speed=0"], "at least one weight must be above 0"),
    ],
)
def test_bad_input_is_a_sentence(loaded: Cli, arguments: list[str], sentence: str) -> None:
    ended = loaded("report", *arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert sentence in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_without_runs_the_way_to_one_is_said(cli: Cli) -> None:
    ended = cli("report")
    assert ended.returncode == 2
    assert "start one with `flatfield eval`" in ended.stderr


def test_the_help_names_every_format(cli: Cli) -> None:
    *others, last = plugins.names("report")
    said = " ".join(cli("report", "--help").stdout.split())
    assert f"--format NAME {', '.join(others)} or {last}." in said


def test_the_help_names_a_format_that_is_installed(cli: Cli, install: Callable[..., Path]) -> None:
    install("flatfield.reports", "tally", "def render(result):\n    return 'counted'\n")
    assert "csv, html, json, markdown, png, svg, tally or terminal." in cli("report", "--help").stdout


def test_a_format_that_is_installed_is_completed_and_printed(loaded: Cli, install: Callable[..., Path]) -> None:
    install("flatfield.reports", "tally", "def render(result):\n    return 'counted'\n")
    assert report._completed("t") == ["tally", "terminal"]
    assert loaded("report", "--format", "tally").stdout == "counted"


def test_what_a_format_draws_on_a_terminal_is_drawn(loaded: Cli, install: Callable[..., Path]) -> None:
    text = "from flatfield.records import ReportTraits\nTRAITS = ReportTraits(on_terminal=True)\n"
    install("flatfield.reports", "drawn", text + "def show(result, console):\n    console.print('drawn')\n")
    assert loaded("report", "--format", "drawn").stdout == "drawn\n"


# ---------------------------------------------------------------------------- pages and pictures


class Screen(io.TextIOWrapper):
    """Where output goes; a terminal, or a file that keeps bytes."""

    def __init__(self, *, is_terminal: bool) -> None:
        self.kept = io.BytesIO()
        self._is_terminal = is_terminal
        super().__init__(self.kept, "utf-8", write_through=True)

    def isatty(self) -> bool:
        return self._is_terminal


BEGINNINGS = {"html": b"<!doctype html>", "svg": b"<svg", "png": b"\x89PNG"}


@pytest.mark.parametrize("form", ["html", "svg", pytest.param("png", marks=pytest.mark.slow)])
def test_pages_and_pictures_are_handed_on_as_they_are(form: str, loaded: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen(is_terminal=False)
    monkeypatch.setattr("sys.stdout", screen)
    loaded("report", EXAMPLE, "--format", form)
    assert screen.kept.getvalue().startswith(BEGINNINGS[form])


def test_on_a_terminal_they_are_kept_and_it_says_where(
    loaded: Cli, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Screen(is_terminal=True)
    monkeypatch.setattr("sys.stdout", screen)
    loaded("report", EXAMPLE, "--format", "png")
    path = project / ".flatfield" / "reports" / f"{EXAMPLE}.png"
    assert screen.kept.getvalue().decode().strip() == str(path)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_without_the_extra_it_says_how_to_get_it(loaded: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    monkeypatch.setattr("flatfield.plugins.look_again", lambda: None)
    ended = loaded("report", EXAMPLE, "--format", "svg")
    assert ended.returncode == 2
    assert "pip install 'flatfield[pages]'" in ended.stderr
