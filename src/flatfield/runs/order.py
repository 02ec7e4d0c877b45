"""What was asked for becomes a run: files and options resolved to tasks, agents and repeats."""

from __future__ import annotations

import platform
import random
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

from flatfield import __version__
from flatfield.errors import NotFound
from flatfield.records import Evaluation, Run
from flatfield.runs.ids import new_run_id
from flatfield.runs.plan import repeats
from flatfield.tasks.agents import CONTROLS, select_agents
from flatfield.tasks.lop import read_task

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from flatfield.records import AgentConfig, Task

_SHOWN_VERSIONS = ("genai-prices", "aiohttp", "msgspec", "xllamacpp")


def new_run(
    evaluation: Evaluation, tasks: Sequence[Task], roster: Sequence[AgentConfig], now: datetime, *, command: str
) -> Run:
    """The run that an evaluation of these tasks is; agents come from the HOP or the command line, else from the LOPs.

    Raises:
        NotFound: an agent is not configured, or none is named anywhere.
    """
    agents = resolve_agents(evaluation, tasks, roster)
    return Run(
        id=new_run_id(now, random.SystemRandom()),
        created_at=now.isoformat(timespec="seconds"),
        evaluation=evaluation,
        tasks=tuple(tasks),
        agents=agents,
        repeats=repeats(tasks, evaluation, None),
        controls=tuple(agent.name for agent in agents if agent.provider in CONTROLS),
        versions=_versions(),
        command=command,
    )


def resolve_agents(
    evaluation: Evaluation, tasks: Sequence[Task], roster: Sequence[AgentConfig]
) -> tuple[AgentConfig, ...]:
    """The agents that take part, each once.

    Raises:
        NotFound: one is not configured (the message says where it was named), or none is named.
    """
    if evaluation.agents:
        return select_agents(evaluation.agents, roster)
    found: dict[str, AgentConfig] = {}
    for task in tasks:
        try:
            found |= {agent.name: agent for agent in select_agents(task.agents, roster)}
        except NotFound as error:
            raise NotFound(f"{task.path}: {error}") from None
    if not found:
        names = ", ".join(agent.name for agent in roster)
        raise NotFound(f"no agents are named: use --agents, or `agents:` in the HOP; configured are: {names}")
    return tuple(found.values())


def _versions() -> dict[str, str]:
    shown = {"flatfield": __version__, "python": platform.python_version(), "platform": sys.platform}
    for package in _SHOWN_VERSIONS:
        try:
            shown[package] = version(package)
        except PackageNotFoundError:
            continue
    return shown


def reread(run: Run) -> Run:
    """The run with its tasks as their files are now, so that an edited task is not mistaken for one that was done.

    Raises:
        InvalidFiles: a file has mistakes now.
        NotFound: a file is gone.
    """
    return structs.replace(run, tasks=tuple(_reread(task) for task in run.tasks))


def _reread(task: Task) -> Task:
    if not task.path:
        return task
    if not Path(task.path).is_file():
        raise NotFound(f"the run's task {task.id!r} was read from {task.path}, which is gone; put it back to resume")
    return structs.replace(read_task(Path(task.path)), repeats=task.repeats)
