"""What a run wants before it begins: to run its tasks' code and its agents' programs, and to send keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.agent.destinations import sends
from flatfield.errors import FlatfieldError
from flatfield.scoring.verifying.verification import wants

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from flatfield.records import AgentConfig, Task
    from flatfield.tasks.access import Access, Want


def wants_of(
    tasks: Iterable[Task], agents: Iterable[AgentConfig], environ: Mapping[str, str], access: Access
) -> tuple[Want, ...]:
    """What tasks and agents want of folders that must be trusted for it: each want once, so that it is asked once."""
    found = [want for task in tasks for want in wants(task, access)]
    found += [want for agent in agents for want in agent_wants(agent, environ, access)]
    return tuple(dict.fromkeys(found))


def agent_wants(
    agent: AgentConfig, environ: Mapping[str, str], access: Access, *, pretend: bool = False
) -> Iterator[Want]:
    """What one agent wants; `pretend`: as if every key that it may need were set."""
    for member in agent.members:
        try:
            yield from access.of_agent(member, sends(member, environ, pretend=pretend))
        except FlatfieldError:  # it cannot run at all, which is said where it is looked at
            continue
