"""What report tests share: a run as wide, long and hostile as a report must bear."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from flatfield.records import (
    Evaluation,
    Failure,
    Reply,
    RunResult,
    Sent,
    Targets,
    Task,
    Turn,
    Verdict,
    VerifierSpec,
)

if TYPE_CHECKING:
    from collections.abc import Callable

HOSTILE = "| a | `b` <b>c</b> [d](http://e) ![f](http://g)\n\n# heading\r\n\x1b[31m=1+1 $x$ &amp;"
ANSWER = (VerifierSpec(kind="answer", options={"equals": "x"}),)


@pytest.fixture
def hostile(make_result: Callable[..., RunResult], trial: Callable[..., Any]) -> RunResult:
    """Answers, titles, reasons and agents' names that would like to draw the report."""
    trials = [
        trial(agent="a|b", more={"answer": HOSTILE}),
        trial(agent="=cmd", score=0.0, more={"answer": "=HYPERLINK(1)"}),
        trial(agent="<i>c</i>", more={"failure": Failure(kind="provider", message=HOSTILE)}),
    ]
    verdict = Verdict(run="r", agent="a|b", task="t1", repeat=1, judge="j*", letter="A", reason=HOSTILE)
    return make_result(trials, verdicts=[verdict], evaluation=Evaluation(title=HOSTILE))


@pytest.fixture
def wide(make_result: Callable[..., RunResult], trial: Callable[..., Any]) -> RunResult:
    """Three agents with long names on 24 tasks with long names, thrice each, and both controls."""
    tasks = [
        Task(id=f"level-{n:02}-a-rather-long-name-of-a-task", title="t", prompt="p", level=n % 6, verifiers=ANSWER)
        for n in range(24)
    ]
    names = [f"openai-chat:qwen3-coder-{n}b-a3b-instruct@127.0.0.1:808{n}" for n in range(3)]
    trials = [
        trial(agent=agent, task=task.id, repeat=repeat, score=(number + place) % 3 / 2)
        for number, agent in enumerate([*names, "oracle", "noop"])
        for place, task in enumerate(tasks)
        for repeat in (1, 2, 3)
    ]
    return make_result(trials, tasks=tasks, controls=("oracle", "noop"))


@pytest.fixture
def aimed(make_result: Callable[..., RunResult], trial: Callable[..., Any]) -> RunResult:
    """Two agents on a task that states targets; one on its own device with a price per hour is compared too."""
    targets = Targets(seconds=2.0, cost_usd=0.01)
    task = Task(id="t1", title="t", prompt="p", level=2, verifiers=ANSWER, targets=targets)
    slow = {"active_seconds": 8.5, "cost_usd": 0.019}
    request = Sent(temperature=0.5, model="m")
    turns = (Turn(reply=Reply(text="x", request=request)),)
    trials = [
        *(trial(agent="quick", repeat=n, more={"turns": turns}) for n in (1, 2, 3)),
        *(trial(agent="slow", repeat=n, more=slow | {"turns": turns}) for n in (1, 2, 3)),
        trial(agent="oracle"),
    ]
    return make_result(trials, tasks=[task], controls=("oracle",))
