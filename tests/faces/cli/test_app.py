"""Help and version: quick, plain, with examples everywhere, and nothing heavy imported for them."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from flatfield import __version__

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import CompletedProcess

    Cli = Callable[..., CompletedProcess[str]]

pytestmark = pytest.mark.whole

COMMANDS = (
    "", "eval", "run", "report", "pick", "runs", "show", "demo", "doctor", "agents",
    "tasks", "tasks list", "tasks show", "tasks check",
    "models", "models list", "models pull", "models check",
    "examples", "examples list", "examples load",
    "evidence", "evidence list", "evidence show", "import",
)  # fmt: skip
HEAVY = ("aiohttp", "numpy", "genai_prices", "yaml", "rich", "markdown_it", "sqlite3", "xllamacpp")
ROOMS = ("records", "tasks", "agent", "scoring", "evidence", "runs")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_every_help_has_examples_in_lines_that_fit(cli: Cli, command: str, flag: str) -> None:
    ended = cli(*command.split(), flag)
    assert ended.returncode == 0
    assert f"Usage: flatfield{' ' if command else ''}{command}" in ended.stdout
    assert "  Examples:\n    flatfield " in ended.stdout
    assert max(map(len, ended.stdout.splitlines())) <= 100
    assert "[bold]" not in ended.stdout


def test_the_top_help_names_all_exit_codes(cli: Cli) -> None:
    lines = cli("-h").stdout.splitlines()
    for code in ("0", "1", "2", "3", "70", "130"):
        assert any(line.split()[:1] == [code] for line in lines), code


def test_a_url_in_brackets_is_not_swallowed(cli: Cli) -> None:
    assert "PROVIDER:MODEL[@URL]" in cli("eval", "-h").stdout


def test_the_version(cli: Cli) -> None:
    assert cli("--version").stdout == f"flatfield {__version__}\n"


def test_without_a_command_the_help_is_printed(cli: Cli) -> None:
    ended = cli()
    assert (ended.returncode, ended.stderr) == (2, "")
    assert "Commands:" in ended.stdout


def test_help_imports_nothing_heavy_and_is_quick() -> None:
    code = (
        "import json, sys; sys.argv = ['flatfield', '--help']\n"
        "from flatfield.faces.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "json.dump(sorted(sys.modules), sys.stderr)"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    modules = json.loads(done.stderr)
    loaded = {name.split(".")[0] for name in modules}
    assert sorted(loaded & set(HEAVY)) == []
    rooms = {name for name in modules if name.startswith("flatfield.") and name.split(".")[1] in ROOMS}
    assert sorted(rooms) == []
    used = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    print(f"flatfield --help: {used:.2f} s of CPU")  # noqa: T201 - shown with -s; not asserted: machines differ
