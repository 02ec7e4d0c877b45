"""Asks before the first dollar whether all agents and judges can run, and what is to be known of their models."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from flatfield.errors import FlatfieldError, NotFound, NotReady
from flatfield.tasks.roster import notice

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from flatfield.agent.provider_pool import ProviderPool
    from flatfield.records import AgentConfig


async def unready(
    pool: ProviderPool, agents: Sequence[AgentConfig], judges: Sequence[AgentConfig], *, skip: bool
) -> dict[str, str]:
    """The agents that cannot run, with the reason; spends nothing.

    Raises:
        NotReady: there are some, and they are not to be skipped; or a judge is among them.
    """
    reasons = await asyncio.gather(*(_reason(pool, agent) for agent in (*agents, *judges)))
    found = {agent.name: reason for agent, reason in zip(agents, reasons, strict=False) if reason}
    absent = {f"as judge: {reason}" for reason in reasons[len(agents) :] if reason}
    if absent or (found and not skip):
        lines = [*dict.fromkeys(found.values()), *sorted(absent)]
        if not absent:
            lines.append("nothing was started; --skip-unready runs the others and lists these as not measured")
        raise NotReady("\n  ".join(lines))
    return found


def notices(agents: Iterable[AgentConfig], today: date) -> tuple[str, ...]:
    """What is to be said of models that are not served any more, or not for long."""
    return tuple(dict.fromkeys(text for agent in agents if (text := notice(agent, today))))


async def _reason(pool: ProviderPool, agent: AgentConfig) -> str | None:
    try:
        await pool.check(agent)
    except NotFound as error:
        return f"agent {agent.name!r} ({agent.source or 'command line'}): {error}"
    except FlatfieldError as error:
        return str(error)
    return None
