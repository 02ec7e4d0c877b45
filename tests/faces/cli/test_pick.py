"""`flatfield pick`: the recommendation, and what it refuses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import CompletedProcess

    Cli = Callable[..., CompletedProcess[str]]

pytestmark = pytest.mark.whole


@pytest.fixture
def loaded(cli: Cli) -> Cli:
    cli("examples", "load", "nano-agent-2025-08")
    return cli


def test_the_choice_stands_below_the_candidates(loaded: Cli) -> None:
    lines = loaded("pick").stdout.splitlines()
    assert lines[1].startswith("Candidates in run 20250815-000000-2025")
    assert lines[3].split()[0] == "gpt-5-nano"
    assert "Use gpt-5-nano, overall A (n=5, ≥ D)." in lines
    assert "- runner-up: claude-3-haiku" in lines
    assert any(line.startswith("- confidence: not separable") for line in lines)
    assert max(map(len, lines)) <= 100


def test_weights_change_the_choice(loaded: Cli) -> None:
    decision = json.loads(loaded("pick", "--weights", "speed=1", "--json").stdout)
    assert decision["recommended"] == "claude-3-haiku"
    assert set(decision) >= {
        "run",
        "recommended",
        "runner_up",
        "reasons",
        "confidence",
        "front",
        "excluded",
        "answer",
        "caveats",
    }


def test_limits_leave_agents_out(loaded: Cli) -> None:
    limits = ("--min-performance", "a", "--max-seconds", "57", "--max-cost-usd", "0.05")
    text = " ".join(loaded("pick", *limits).stdout.split())
    assert "Use gpt-5-nano" in text
    assert "runner-up: none" in text
    assert "gpt-5: too dear" in text


def test_nobody_left_is_no_error(loaded: Cli) -> None:
    ended = loaded("pick", "--min-performance", "S")
    assert ended.returncode == 0
    assert "No agent to recommend: gpt-5-nano, gpt-5, claude-opus-4: performance A (0.89) is below S" in " ".join(
        ended.stdout.split()
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--min-performance", "E"], "--min-performance 'E' is no letter; use one of S, A, B, C, D, F"),
        (["--weights", "x=1"], "--weights 'x=1'"),
        (["--max-seconds", "-1"], "--max-seconds is '-1': write a number without a unit, 0 or more"),
        (["1999"], "there is no run '1999'"),
    ],
)
def test_bad_input_is_a_sentence(loaded: Cli, arguments: list[str], sentence: str) -> None:
    ended = loaded("pick", *arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert sentence in ended.stderr
