"""`flatfield pick`: the recommendation, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
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


def test_the_answer_stands_below_the_contenders(loaded: Cli) -> None:
    lines = loaded("pick").stdout.splitlines()
    assert lines[1].startswith("Candidates in run 20250815-000000-2025")
    assert lines[4].split()[0] == "gpt-5-nano"
    assert any(line.startswith("Use gpt-5-nano: it is the best of 9 agents with probability 0.") for line in lines)
    assert any(line.startswith("- Next is claude-3-haiku") for line in lines)
    assert max(map(len, lines)) <= 100


def test_weights_change_the_choice(loaded: Cli) -> None:
    decision = json.loads(loaded("pick", "--weights", "speed=1", "--json").stdout)
    assert decision["recommended"] == "claude-3-haiku"
    assert set(decision) == {
        "run",
        "runs",
        "answer",
        "advice",
        "details",
        "recommended",
        "runner_up",
        "probability",
        "regret",
        "unit",
        "if_missing_fail",
        "standings",
        "front",
        "prepaid",
        "reaches",
        "next_trials",
        "excluded",
        "published",
    }


def test_limits_leave_agents_out(loaded: Cli) -> None:
    limits = ("--min-performance", "b", "--max-seconds", "57", "--max-cost-usd", "0.05")
    text = " ".join(loaded("pick", *limits).stdout.split())
    assert text.count("Use gpt-5-nano: ") == 1
    assert " agents within the limits " in text
    assert "Left out, with the probability to keep to the limits: " in text


def test_nobody_left_is_no_error(loaded: Cli) -> None:
    ended = loaded("pick", "--min-performance", "S")
    assert ended.returncode == 0
    assert "No agent to recommend: none keeps to the limits (performance S or better); " in " ".join(
        ended.stdout.split()
    )


def test_money_and_a_profile_say_what_matters(loaded: Cli) -> None:
    Path("flatfield.toml").write_text(
        "[profiles.day]\nsolved_usd = 5\nhour_usd = 80\n[profiles.overnight]\nweights = {performance = 1, speed = 0,"
        " cost = 1}\nmax_cost_usd = 0.01\n"
    )
    by_hand = json.loads(loaded("pick", "20250815", "--solved-usd", "5", "--hour-usd", "80", "--json").stdout)
    by_name = json.loads(loaded("pick", "20250815", "--for", "day", "--json").stdout)
    assert (by_name["unit"], by_name["recommended"]) == ("usd", by_hand["recommended"])
    assert by_name["standings"] == by_hand["standings"]
    night = " ".join(loaded("pick", "--for", "overnight").stdout.split())
    assert "- Profile overnight: performance 50%, cost 50%; at most $0.01 for a typical trial." in night
    sentence = json.loads(loaded("pick", "--for", "overnight", "--json").stdout)["answer"]
    assert sentence in night
    reported = json.loads(loaded("report", "--for", "overnight", "--json").stdout)["decision"]
    assert reported["answer"] == sentence


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--min-performance", "E"], "--min-performance 'E' is no letter; use one of S, A, B, C, D, F"),
        (["--weights", "x=1"], "--weights 'x=1'"),
        (["--max-seconds", "-1"], "--max-seconds is '-1': write a number without a unit, 0 or more"),
        (["1999"], "there is no run '1999'"),
        (["--for", "day"], "there is no profile 'day' in flatfield.toml; there are: none"),
        (["--hour-usd", "5"], "--hour-usd needs --solved-usd above 0"),
        (["--weights", "speed=1", "--solved-usd", "5"], "--weights and --solved-usd are two ways to say what matters"),
    ],
)
def test_bad_input_is_a_sentence(loaded: Cli, arguments: list[str], sentence: str) -> None:
    ended = loaded("pick", *arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert sentence in ended.stderr
