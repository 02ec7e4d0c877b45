"""Makes an order of what a call asks for: who works, where, on what, and which earlier trials that goes on with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, structs

from flatfield.errors import FlatfieldError, NotFound
from flatfield.faces.mcp.delegating import Order, limits_of
from flatfield.faces.storing import store_of
from flatfield.tasks.agents import fingerprint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from flatfield.faces.mcp.desk import Desk
    from flatfield.records import AgentConfig, Run, TrialRecord
    from flatfield.runs.store.store import Store
    from flatfield.tasks.project import Project

MOST = 50
"""So many trials one conversation may have: each is read again."""


class Asked(Struct, frozen=True, kw_only=True):
    """What a call names; `limits` None are the usual ones."""

    prompt: str
    model: str | None = None
    provider: str | None = None
    agent: str | None = None
    workspace: str | None = None
    limits: Mapping[str, float | None] | None = None
    continue_trial: str | None = None


def order_of(asked: Asked, desk: Desk, project: Project, client_roots: Sequence[Path]) -> Order:
    """The order that a call means.

    Raises:
        FlatfieldError: it names nobody, somebody who is not there, or what does not go together; it says what is valid.
    """
    if not asked.prompt.strip():
        raise FlatfieldError("agentic_prompt is empty: say what to do")
    limits = limits_of(asked.limits or {})
    if asked.continue_trial is None:
        agent = desk.chosen(project, asked.agent, asked.provider, asked.model)
        folder = desk.workspace(asked.workspace, client_roots)
        return Order(prompt=asked.prompt, agent=agent, folder=folder, limits=limits)
    if any(each is not None for each in (asked.model, asked.provider, asked.agent, asked.workspace)):
        raise FlatfieldError("continue_trial goes on with its own agent in its own folder: name no other")
    store = store_of(project)
    trials = _chain(asked.continue_trial, store)
    run = store.load_run(trials[-1].run)
    if not run.delegated:
        raise FlatfieldError("continue_trial is for trials of prompt_nano_agent: an evaluation's workspace is gone")
    return Order(
        prompt=asked.prompt,
        agent=_agent(run, desk, project),
        folder=desk.workspace(run.source, client_roots),
        limits=limits,
        earlier=trials,
    )


def _chain(trial: str, store: Store) -> tuple[TrialRecord, ...]:
    """The trial with all that it went on with, oldest first."""
    chain: list[TrialRecord] = []
    wanted = trial
    while wanted:
        if len(chain) >= MOST:
            raise FlatfieldError(f"this conversation has {MOST} prompts: begin a new one with what matters of it")
        try:
            chain.append(store.trial(wanted))
        except NotFound:
            raise FlatfieldError(
                "continue_trial names no trial that has ended; agent_result waits for one, and shows the latest"
            ) from None
        wanted = chain[-1].continues
    return tuple(reversed(chain))


def _agent(run: Run, desk: Desk, project: Project) -> AgentConfig:
    """The run's agent as it is configured now, with the tool protocol that it had."""
    then = run.agents[0]
    now = desk.chosen(project, then.name, None, None)
    if now.protocol in {None, "auto"}:
        now = structs.replace(now, protocol=then.protocol)
    if fingerprint(now) != fingerprint(then):
        raise FlatfieldError(f"agent {then.name} is configured in another way since that trial: begin a new one")
    return now
