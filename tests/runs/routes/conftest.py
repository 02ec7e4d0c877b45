"""A store, models that a script plays, and agents of them: what cascades are tried on."""

from __future__ import annotations

import asyncio
import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.clock import SystemClock
from flatfield.records import AgentConfig, Evaluation, Event, Price, Run, Task, TrialRecord, Usage, VerifierSpec
from flatfield.runs.evaluation.evaluate import Conduct, evaluate
from flatfield.runs.order import new_run
from flatfield.runs.store.store import Store
from flatfield.runs.world import Outside
from flatfield.scoring.prices.pricing import Prices
from flatfield.tasks.access import everything
from flatfield.testing.fake_server import FakeReply

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from flatfield.runs.evaluation.scheduler import Summary

PRICES = {"weak": Price(input_mtok=1.0, output_mtok=1.0), "strong": Price(input_mtok=10.0, output_mtok=10.0)}
"""By model; a turn of 1,000 input tokens costs $0.001 of the weak one, ten times that of the strong one."""
USED = Usage(input_tokens=1000)


def writing(
    written: Mapping[str, str], letters: Mapping[str, str] | None = None
) -> Callable[[dict[str, Any], int], FakeReply]:
    """Each model writes its text into done.txt, and then says it; as a judge it gives letters by what was written."""

    def script(request: dict[str, Any], _: int) -> FakeReply:
        messages = request["messages"]
        if str(messages[0]["content"]).startswith("You grade the work"):
            shown = str(messages[-1]["content"])
            letter = next(letter for text, letter in (letters or {}).items() if text in shown)
            return FakeReply(text=json.dumps({"reason": "so it is", "letter": letter}), usage=USED)
        text = written[request["model"]]
        if any(message["role"] == "tool" for message in messages):
            return FakeReply(text=f"wrote {text}", usage=USED)
        arguments = json.dumps({"file_path": "done.txt", "content": text})
        return FakeReply(calls=(("write_file", arguments),), usage=USED)

    return script


def model(base_url: str, name: str, **given: Any) -> AgentConfig:
    return AgentConfig(name=name, provider="openai-chat", model=name, base_url=base_url, protocol="native", **given)


def cascade(base_url: str, check: str, steps: tuple[str, ...] = ("weak", "strong"), name: str = "both") -> AgentConfig:
    return AgentConfig(name=name, provider="cascade", check=check, steps=tuple(model(base_url, step) for step in steps))


def task(name: str = "t", **given: Any) -> Task:
    right = VerifierSpec(kind="file", options={"path": "done.txt", "equals": "right"})
    values = {"title": name, "prompt": f"Do {name}.", "digest": name, "verifiers": (right,), "files": {"a.txt": "a"}}
    return Task(id=name, **(values | given))


class Sitting:
    """A store, and what was told while evaluating."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder / ".flatfield")
        self.source = folder
        self.stop = asyncio.Event()
        self.events: list[Event] = []

    def run(self, tasks: list[Task], agents: list[AgentConfig], **given: Any) -> Run:
        evaluation = Evaluation(agents=tuple(each.name for each in agents), **given)
        return new_run(evaluation, tasks, agents, SystemClock().utc(), command="test")

    async def evaluate(self, run: Run, **conduct: Any) -> Summary:
        known = {field.name for field in fields(Outside)} & conduct.keys()
        given: dict[str, Any] = {"access": everything(), "prices": Prices(PRICES)}
        outside = Outside(**(given | {name: conduct.pop(name) for name in known}))
        values: dict[str, Any] = {"source": self.source, "observe": self.events.append, "stop": self.stop}
        async with self.store:
            return await evaluate(run, self.store, Conduct(outside=outside, **(values | conduct)))

    def trial(self, run: Run, agent: str = "both", task: str = "t", repeat: int = 1) -> TrialRecord:
        return next(
            each for each in self.store.trials(run.id) if (each.agent, each.task, each.repeat) == (agent, task, repeat)
        )

    @property
    def notes(self) -> list[str]:
        return [event.text for event in self.events if event.kind == "note"]


@pytest.fixture
def sitting(tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> Sitting:
    assert temporary.is_dir()
    monkeypatch.setenv("FLATFIELD_CACHE", str(tmp_path / "cache"))
    return Sitting(tmp_path)
