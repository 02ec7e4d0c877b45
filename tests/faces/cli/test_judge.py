"""`flatfield judge check`: who passes, who does not, what is said and kept; and eval's warning."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.records import AgentConfig
from flatfield.scoring.judge.blinding import Blinder
from flatfield.scoring.judge.fitness import Case, labelled_set
from flatfield.scoring.judge.request import PromptWriter, Room, room
from flatfield.testing.fake_chat import FakeChat, FakeReply, Fault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    Cli = Callable[..., CompletedProcess[str]]
    Serve = Callable[..., FakeChat]

pytestmark = pytest.mark.whole

CASES = labelled_set().cases
SIZE = room(AgentConfig(name="j", provider="openai-chat"), 1)


LISTS_SIZE = room(AgentConfig(name="j", provider="openai-chat"), 6)


def shown(case: Case, size: Room) -> str:
    return PromptWriter(case.task, case.task.rubric, Blinder(()), size).shown(case.trial)


@cache
def texts() -> dict[str, str]:
    return {case.id: shown(case, SIZE) for case in CASES}


@cache
def listed() -> dict[str, str]:
    return {case.id: shown(case, LISTS_SIZE) for case in CASES}


def knowing(request: dict[str, Any], _number: int) -> FakeReply | Fault:
    """A judge that recognises each trial by its work, grades it right, and quotes it."""
    prompt = request["messages"][-1]["content"]
    marker = prompt.split("\n")[0].rpartition(" ")[2]
    plain = prompt.replace(f"{marker} ", "")
    if '{"grades":' in prompt:
        return comparing(re.sub(r"(?m)^work_\d+: ", "work: ", plain))
    known = [each for each in CASES if texts()[each.id] in plain and each.task.rubric.strip() in plain]
    if not known:
        return FakeReply(text='{"reason": "another trial", "evidence": [], "letter": "S"}')
    (case,) = known
    quotes = [case.trial.answer[:40]] if case.trial.answer else []
    return FakeReply(text=json.dumps({"reason": case.why, "evidence": quotes, "letter": case.letter}))


def comparing(plain: str) -> FakeReply:
    """The same of a list: each of a task's trials stands where its work does."""
    there = sorted((plain.index(listed()[each.id]), each) for each in CASES if listed()[each.id] in plain)
    grades = [
        {"id": f"work_{place}", "reason": case.why, "evidence": [], "letter": case.letter}
        for place, (_, case) in enumerate(there, start=1)
    ]
    return FakeReply(text=json.dumps({"grades": grades}))


def first_is_best(request: dict[str, Any], number: int) -> FakeReply | Fault:
    """Right about single trials; in lists it goes by the place alone."""
    if '{"grades":' not in request["messages"][-1]["content"]:
        return knowing(request, number)
    grades = [{"id": f"work_{place}", "reason": "r", "letter": "SABCDF"[place - 1]} for place in range(1, 7)]
    return FakeReply(text=json.dumps({"grades": grades}))


def flattering(request: dict[str, Any], _number: int) -> FakeReply | Fault:
    grade = {"reason": "lovely", "evidence": [], "letter": "S"}
    if '{"grades":' in request["messages"][-1]["content"]:
        grades = [{"id": f"work_{place}", **grade} for place in range(1, 7)]
        return FakeReply(text=json.dumps({"grades": grades}))
    return FakeReply(text=json.dumps(grade))


def comparing_task(project: Path) -> None:
    text = (project / "joke.md").read_text()
    (project / "shortest.md").write_text(text.replace("joke", "shortest").replace("is it short", "is it the shortest"))


@pytest.mark.slow
def test_a_good_judge_passes_and_eval_does_not_warn(cli: Cli, serve: Serve, project: Path) -> None:
    agent = f"openai-chat:m@{serve(knowing).base_url}"
    ended = cli("judge", "check", agent)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.rstrip().endswith("passed: it can be a judge.")
    assert "[96/96]" in ended.stderr
    assert "in a list: C and C" in ended.stderr
    assert "fit to compare?" in ended.stdout
    assert "weighted kappa ≥ 0.6" in ended.stdout
    assert max(map(len, ended.stdout.splitlines())) <= 100
    comparing_task(project)
    judged = cli("eval", "joke.md", "shortest.md", "--agents", "noop", "--judge", agent)
    assert "its check" not in judged.stderr


@pytest.mark.slow
def test_a_judge_that_goes_by_the_place_in_a_list_is_one_for_single_trials_alone(
    cli: Cli, serve: Serve, project: Path
) -> None:
    agent = f"openai-chat:m@{serve(first_is_best).base_url}"
    ended = cli("judge", "check", agent)
    assert ended.returncode == 1
    assert "by themselves: passed; in lists, as rubrics that compare are judged: did not pass." in " ".join(
        ended.stdout.split()
    )
    found = json.loads(cli("judge", "check", agent, "--json").stdout)
    assert (found["passed"], found["fitness"]["passed"], found["list_fitness"]["passed"]) == (False, True, False)
    assert found["list_fitness"]["position"]["value"] > 0.3
    assert len(found["listed"]) == 48
    comparing_task(project)
    alone = cli("eval", "joke.md", "--agents", "noop", "--judge", agent)
    assert "its check" not in alone.stderr
    compared = cli("eval", "shortest.md", "--agents", "noop", "--judge", agent)
    assert "failed its check with lists, which rubrics that compare need, on 20" in compared.stderr
    regraded = cli("regrade", "--judge", agent)
    assert "failed its check with lists" in regraded.stderr


@pytest.mark.slow
def test_a_judge_that_flatters_fails_and_eval_warns(cli: Cli, serve: Serve) -> None:
    server = serve(flattering)
    agent = f"openai-chat:m@{server.base_url}"
    before = cli("eval", "joke.md", "--agents", "noop", "--judge", agent)
    assert f"judge check {agent.partition('@')[0]}" in before.stderr
    assert "never passed its check" in before.stderr
    ended = cli("judge", "check", agent)
    assert ended.returncode == 1
    assert "did not pass: its letters are not worth asking for." in ended.stdout
    assert "Worst errors" in ended.stdout
    asked = len(server.requests)
    again = cli("judge", "check", agent)
    assert (again.returncode, len(server.requests)) == (1, asked)
    assert "96 of 96 letters were given before" in again.stderr
    after = cli("eval", "joke.md", "--agents", "noop", "--judge", agent)
    assert "failed its check, on 20" in after.stderr


def test_a_limit_gives_figures_but_no_verdict(cli: Cli, serve: Serve) -> None:
    server = serve(knowing)
    agent = f"openai-chat:m@{server.base_url}"
    ended = cli("judge", "check", agent, "--limit", "6", "--json")
    assert ended.returncode == 3
    found = json.loads(ended.stdout)
    assert (found["passed"], found["fitness"]["n"], found["fitness"]["exact"]) == (None, 6, 1.0)
    assert sorted(each["wanted"] for each in found["outcomes"]) == sorted("SABCDF")
    assert (len(found["listed"]), found["list_fitness"]["passed"]) == (6, None)
    assert len(server.requests) == 6 + 2
    cli("judge", "check", agent, "--limit", "6", "--again")
    assert len(server.requests) == 2 * (6 + 2)
    cli("judge", "check", agent, "--limit", "5", "--again")
    assert len(server.requests) == 2 * (6 + 2) + 5


def test_a_judge_that_cannot_be_asked_is_not_measured(cli: Cli, serve: Serve) -> None:
    agent = f"openai-chat:m@{serve(lambda *_: Fault(status=400, message='no such thing')).base_url}"
    ended = cli("judge", "check", agent, "--limit", "2")
    assert ended.returncode == 3
    assert "2 trials could not be judged; the first: the judge could not be asked" in ended.stderr
    assert cli("judge", "check", "openai-chat:gpt-5").returncode == 2
    assert cli("judge", "check", "no-such-agent").returncode == 2
    assert cli("judge", "check", "nano-*").returncode == 2


def test_a_kept_result_lies_in_the_cache(cli: Cli, serve: Serve, tmp_path: Path) -> None:
    cli("judge", "check", f"openai-chat:m@{serve(knowing).base_url}", "--limit", "1")
    assert len(list((tmp_path / "cache" / "judges").glob("*.json"))) == 1
