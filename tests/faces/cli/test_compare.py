"""`flatfield compare`: two agents, groups, and this run against the last."""

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
    assert cli("examples", "load", "nano-agent-2025-08").returncode == 0
    return cli


@pytest.fixture
def twice(cli: Cli, norway: str) -> Cli:
    for _ in range(2):
        assert cli("eval", "oslo.md", "--agents", norway, "--repeats", "3").returncode == 0
    return cli


def test_two_agents_in_a_sentence_and_a_table(loaded: Cli) -> None:
    done = loaded("compare", "gpt-5-mini", "gpt-5-nano", "--run", "2025")
    assert done.stdout.splitlines()[-1].split() == ["gpt-5-nano", "0.890", "27.1", "s", "$0.00337", "5"]
    said = " ".join(done.stdout.split())
    assert said.startswith(
        "Too close to call: gpt-5-mini did 8 points less of the work than gpt-5-nano (on these tasks -"
    )
    assert "Wrong but confident" not in said, "what they answered was not published"
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_json_has_the_sentence_and_the_figures(loaded: Cli) -> None:
    (found,) = json.loads(loaded("compare", "cloud", "local", "--run", "2025", "--json").stdout)
    assert (found["kind"], found["verdict"], found["trials"]) == ("groups", "too close to call", [35, 10])
    assert found["these"]["low"] < found["difference"] < found["these"]["high"]
    assert found["next"]["low"] < found["these"]["low"]
    assert 0.0 < found["p_value"] < 1.0
    assert found["sentence"].startswith("Too close to call: cloud (7 agents)")
    assert found["claims"] == [0, 0], "what they answered was not published"


def test_without_names_what_people_ask_is_said(loaded: Cli) -> None:
    said = loaded("compare", "--run", "2025").stdout
    assert "gpt-5-nano did 24 points more of the work than claude-3-haiku" in " ".join(said.split())
    assert "cloud (7 agents)" in said


def test_this_run_against_the_last(twice: Cli) -> None:
    newest, before = (run["id"] for run in json.loads(twice("runs", "--json").stdout))
    for arguments in (("last",), ("openai-chat:m", "last"), ("--against", before), ("--run", newest)):
        (found,) = json.loads(twice("compare", *arguments, "--json").stdout)
        assert (found["kind"], found["first_run"], found["second_run"]) == ("runs", newest, before)
        assert (found["difference"], found["verdict"]) == (0.0, "too close to call")
    report = json.loads(twice("report", "--json").stdout)
    assert [each["kind"] for each in report["comparisons"]] == ["runs"]
    assert "No difference to run" in " ".join(twice("report").stdout.split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("gpt-5", "last"), "no agent 'gpt-5' took part"),
        (("openai-chat:m", "openai-chat"), "openai-chat:m and openai-chat are the same here: name another agent"),
        (("openai-chat:m",), "with what? name a second one: cloud, local, last"),
        (("last", "--against", "2025"), "both name another run"),
        (("a", "b", "--run", "1999"), "there is no run '1999'"),
    ],
)
@pytest.mark.some(2)
def test_mistakes_are_said_in_one_sentence(twice: Cli, arguments: tuple[str, ...], said: str) -> None:
    done = twice("compare", *arguments)
    assert done.returncode == 2
    assert said in done.stderr


def test_a_first_run_has_no_last_one(cli: Cli, norway: str) -> None:
    cli("eval", "oslo.md", "--agents", norway)
    assert "no earlier run has an agent and a task" in cli("compare", "last").stderr
    assert "has nothing to compare yet" in cli("compare").stderr
