"""A project folder of one's own, the command line in this process, a fake server beside it, and results to report."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from subprocess import CompletedProcess
from typing import TYPE_CHECKING, Any

import pytest
import typer
import typer.testing
from msgspec import Struct

from flatfield import plugins
from flatfield.faces.cli import commands, program, with_values
from flatfield.faces.cli.ending import run_command
from flatfield.http import connecting
from flatfield.records import (
    AgentConfig,
    Check,
    Evaluation,
    Run,
    RunResult,
    Task,
    TrialRecord,
    Usage,
    Verdict,
    VerifierSpec,
)
from flatfield.runs.readiness import key_variables
from flatfield.scoring.fairness.manifest import manifest
from flatfield.scoring.grading import grade
from flatfield.tasks.importers.nano_agent_2025_08 import load
from flatfield.testing.fake_chat import FakeChat, FakeReply, Fault

if TYPE_CHECKING:
    from pathlib import Path

VARIABLES = (
    *key_variables(),
    *connecting.FILES,
    connecting.FOLDER,
    "FLATFIELD_CONFIG",
    "FLATFIELD_DEBUG",
    "OLLAMA_HOST",
)
OSLO = """---
id: oslo
title: A capital
level: {level}
verify:
- answer: {{contains: Oslo}}
solution:
- answer: Oslo
---

# A capital

## Variables

PROMPT: "{prompt}"
"""
RUBRIC = """---
id: joke
verify:
- rubric: [is it short]
---

# A joke

## Variables

PROMPT: "Tell a joke."
"""


Cli = Callable[..., CompletedProcess[str]]


@pytest.fixture(scope="session")
def generated_tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the suites' generators made: one process for each of thirty tasks, the same in every project and worker."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "generated"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(autouse=True)
def shown_once(chance_once: None) -> None:
    """Whatever faces show of the same trials is worked out once for all tests."""


@pytest.fixture
def project(tmp_path: Path, generated_tasks: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in: no keys, no models, `oslo.md` and `joke.md` to do."""
    folder = tmp_path / "project"
    folder.mkdir()
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "tasks").symlink_to(generated_tasks)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("FLATFIELD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "80")
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    (folder / "oslo.md").write_text(OSLO.format(level=1, prompt="Which city is the capital of Norway?"))
    (folder / "joke.md").write_text(RUBRIC)
    return folder


@pytest.fixture(scope="session")
def put_together() -> tuple[Callable[..., typer.Typer], Callable[[typer.Typer], Any]]:
    """Putting the command line together takes longer than most commands: each is, once for all that is installed."""
    original, app_once = typer.main.get_command, cache(program.app_of)

    def app_of(names: Iterable[str] = program.COMMANDS) -> typer.Typer:
        return app_once(tuple(names))

    @cache
    def once(app: typer.Typer, _installed: tuple[str, ...]) -> Any:
        return original(app)

    def put_together(app: typer.Typer) -> Any:
        return once(app, (*plugins.names("report"), *plugins.names("importer")))

    return app_of, put_together


@pytest.fixture(autouse=True)
def put_together_once(monkeypatch: pytest.MonkeyPatch, put_together: tuple[Callable[..., Any], ...]) -> None:
    chosen, whole = put_together
    monkeypatch.setattr(program, "app_of", chosen)
    monkeypatch.setattr(typer.main, "get_command", whole)
    monkeypatch.setattr(typer.testing, "_get_command", whole)


@pytest.fixture
def cli(project: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    """The command line, in this process, in the project's folder."""

    def run(*arguments: str) -> CompletedProcess[str]:
        capsys.readouterr()
        code = run_command(with_values(arguments), commands)
        said = capsys.readouterr()
        return CompletedProcess(arguments, code, said.out, said.err)

    return run


Script = Callable[[dict[str, Any], int], FakeReply | Fault] | Sequence[FakeReply | Fault]


@pytest.fixture
def serve() -> Iterator[Callable[[Script], FakeChat]]:
    """Starts fake chat servers in a thread of their own, so that commands can run their own event loop."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    started: list[FakeChat] = []

    def start(script: Script) -> FakeChat:
        server = FakeChat(script, models=("m", "n"))
        asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(60)
        started.append(server)
        return server

    yield start
    for server in started:
        asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result(60)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def norway(serve: Callable[[Script], FakeChat]) -> str:
    """A server whose model knows the capital of Norway: how to name it as an agent."""

    def script(_request: dict[str, Any], _number: int) -> FakeReply:
        return FakeReply(text="Oslo")

    return f"openai-chat:m@{serve(script).base_url}"


class Trial(Struct, frozen=True, kw_only=True):
    """What a test says of one trial; the rest is the same for all."""

    agent: str = "a"
    task: str = "t1"
    repeat: int = 1
    score: float | None = 1.0
    more: dict[str, Any] = {}


@pytest.fixture
def trial() -> Callable[..., Trial]:
    return Trial


@pytest.fixture
def make_result() -> Callable[..., RunResult]:
    """A graded run of the given trials; agents and tasks are those that they name, in this order."""
    return _make_result


def _make_result(
    trials: Sequence[Trial],
    *,
    tasks: Sequence[Task] = (),
    controls: Sequence[str] = (),
    verdicts: Sequence[Verdict] = (),
    evaluation: Evaluation | None = None,
) -> RunResult:
    names = dict.fromkeys(each.agent for each in trials)
    agents = tuple(AgentConfig(name=name, provider="noop" if name in controls else "fake", model="m") for name in names)
    own = tasks or [
        Task(id=name, title=name, prompt="p", level=1, verifiers=(VerifierSpec(kind="answer", options={}),))
        for name in dict.fromkeys(each.task for each in trials)
    ]
    often = {task.id: max([each.repeat for each in trials if each.task == task.id], default=1) for task in own}
    run = Run(
        id="20260102-101500-ab12",
        created_at="2026-01-02T10:15:00+00:00",
        evaluation=evaluation or Evaluation(title="A comparison"),
        tasks=tuple(own),
        agents=agents,
        repeats=often,
        command="flatfield eval tasks/ --seed 7",
        versions={"flatfield": "0.1.0"},
    )
    records = tuple(map(_record, trials))
    return RunResult(
        run=run,
        trials=records,
        verdicts=tuple(verdicts),
        grading=grade(run, records, verdicts),
        manifest=manifest(run, records),
    )


def _record(told: Trial) -> TrialRecord:
    checks = (Check(verifier="answer", label="answer equals", score=told.score, reason="as it was asked"),)
    values: dict[str, Any] = {
        "run": "20260102-101500-ab12",
        "agent": told.agent,
        "task": told.task,
        "repeat": told.repeat,
        "task_digest": "d",
        "agent_fingerprint": "f",
        "stop": "answered",
        "answer": "x",
        "usage": Usage(input_tokens=1000, output_tokens=100),
        "cost_usd": 0.01,
        "active_seconds": 2.0,
        "wall_seconds": 3.0,
        "checks": checks if told.score is not None else (),
    }
    return TrialRecord(**(values | told.more))


@pytest.fixture(scope="session")
def published() -> RunResult:
    """The published figures of nine agents on five tasks."""
    imported = load()
    return RunResult(
        run=imported.run,
        trials=imported.trials,
        verdicts=(),
        grading=grade(imported.run, imported.trials, ()),
        manifest=manifest(imported.run, imported.trials),
    )
