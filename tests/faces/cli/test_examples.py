"""`flatfield examples`: published figures as runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    Cli = Callable[..., CompletedProcess[str]]


def test_what_there_is(cli: Cli) -> None:
    assert "nano-agent-2025-08" in cli("examples", "list").stdout.splitlines()
    assert "nano-agent-2025-08" in json.loads(cli("examples", "list", "--json").stdout)


def test_loading_makes_one_run_however_often(cli: Cli) -> None:
    first = cli("examples", "load", "nano-agent-2025-08")
    assert first.returncode == 0
    assert "  flatfield report 20250815-000000-2025\n" in first.stdout
    again = cli("examples", "load", "nano-agent-2025-08", "--json")
    assert json.loads(again.stdout)["run"] == "20250815-000000-2025"
    (run,) = json.loads(cli("runs", "--json").stdout)
    assert (run["imported"], run["stored"]) == (True, 45)


def test_an_unknown_example_is_a_sentence(cli: Cli) -> None:
    ended = cli("examples", "load", "nope")
    assert ended.returncode == 2
    assert ended.stderr.startswith("flatfield: there is no example 'nope'; there are: desk-2026-11, nano-agent-2025-08")


def test_the_help_names_what_can_be_loaded(cli: Cli, install: Callable[..., Path]) -> None:
    install("flatfield.importers", "spring", "")
    assert "nano-agent-2025-08 or spring" in cli("examples", "load", "--help").stdout
