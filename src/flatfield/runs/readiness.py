"""Asks before the first dollar whether all agents and judges can run, and what is to be known of their models."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from flatfield.errors import FlatfieldError, NotFound, NotReady
from flatfield.tasks.roster import notice

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from flatfield.agent.provider_pool import ProviderPool
    from flatfield.records import AgentConfig


class Readiness(NamedTuple):
    """The agents that cannot run, with the reason, and what is to be said of those that can."""

    unready: dict[str, str]
    notes: tuple[str, ...]


async def readiness(
    pool: ProviderPool, agents: Sequence[AgentConfig], judges: Sequence[AgentConfig], *, skip: bool
) -> Readiness:
    """Who cannot run; spends nothing but a tiny request of each model that its server does not list.

    Raises:
        NotReady: there are some, and they are not to be skipped; or a judge is among them.
    """
    looked = await asyncio.gather(*(_look(pool, agent) for agent in (*agents, *judges)))
    reasons = [look.reason for look in looked]
    found = {agent.name: reason for agent, reason in zip(agents, reasons, strict=False) if reason}
    absent = {f"as judge: {reason}" for reason in reasons[len(agents) :] if reason}
    if absent or (found and not skip):
        lines = [*dict.fromkeys(found.values()), *sorted(absent)]
        if not absent:
            lines.append("nothing was started; --skip-unready runs the others and lists these as not measured")
        raise NotReady("\n  ".join(lines))
    return Readiness(found, tuple(dict.fromkeys(look.note for look in looked if look.note)))


def notices(agents: Iterable[AgentConfig], today: date) -> tuple[str, ...]:
    """What is to be said of models that are not served any more, or not for long."""
    return tuple(dict.fromkeys(text for agent in agents if (text := notice(agent, today))))


class _Look(NamedTuple):
    """What there is to say of one agent: why it cannot run, or what is to be known all the same."""

    reason: str = ""
    note: str = ""


async def _look(pool: ProviderPool, agent: AgentConfig) -> _Look:
    try:
        return _Look(note=await pool.check(agent))
    except NotFound as error:
        return _Look(f"agent {agent.name!r} ({agent.source or 'command line'}): {error}")
    except FlatfieldError as error:
        return _Look(str(error))
