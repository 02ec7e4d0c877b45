"""`flatfield runs` and `flatfield show`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import CompletedProcess

    Cli = Callable[..., CompletedProcess[str]]


def test_runs_newest_first_with_what_was_spent(cli: Cli) -> None:
    cli("examples", "load", "nano-agent-2025-08")
    cli("eval", "oslo.md", "--agents", "oracle,noop")
    lines = cli("runs").stdout.splitlines()
    assert lines[0].split() == ["run", "what", "agents", "tasks", "measured", "spent"]
    assert lines[1].split()[1:] == ["oslo.md", "2", "1", "2/2", "–"]
    assert lines[2].split()[-4:] == ["9", "5", "45/45", "imported"]


def test_runs_as_json(cli: Cli) -> None:
    assert json.loads(cli("runs", "--json").stdout) == []
    cli("eval", "oslo.md", "--agents", "oracle")
    (run,) = json.loads(cli("runs", "--json").stdout)
    assert (run["title"], run["planned"], run["measured"]) == ("oslo.md", 1, 1)


def test_show_a_trial_by_the_beginning_of_its_run(cli: Cli) -> None:
    cli("examples", "load", "nano-agent-2025-08")
    ended = cli("show", "2025/gpt-5/1_dummy/1")
    assert ended.returncode == 0
    assert ended.stdout.startswith("trial 20250815-000000-2025/gpt-5/1_dummy/1: score 0.78\n")
    assert json.loads(cli("show", "2025/gpt-5/1_dummy/1", "--json").stdout)["agent"] == "gpt-5"


@pytest.mark.parametrize(
    ("trial", "sentence"),
    [
        ("gpt-5", "'gpt-5' is not a trial's id: write RUN/agent/task/repeat"),
        ("2025/gpt-6/1_dummy/1", "there is no trial '2025/gpt-6/1_dummy/1'"),
        ("1999/gpt-5/1_dummy/1", "there is no run '1999'"),
    ],
)
def test_an_unknown_trial_is_a_sentence(cli: Cli, trial: str, sentence: str) -> None:
    cli("examples", "load", "nano-agent-2025-08")
    ended = cli("show", trial)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert sentence in ended.stderr
