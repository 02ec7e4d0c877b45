"""The control that answers nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.records import AgentConfig, Task, TurnBudget, Usage
from flatfield.vendors import noop
from flatfield.vendors.base import Opening

if TYPE_CHECKING:
    from flatfield.http.services import Services

AGENT = AgentConfig(name="noop", provider="noop")


async def test_it_says_nothing_does_nothing_and_is_always_ready(services: Services) -> None:
    provider = noop.create(services)
    await provider.check(AGENT)
    task = Task(id="t", title="t", prompt="Do it.")
    chat = await provider.converse(Opening(agent=AGENT, system_prompt="", prompt="", tools=(), task=task))
    reply = await chat.turn((), TurnBudget(seconds=1, output_tokens=1))
    assert (reply.text, reply.calls, reply.finish, reply.usage) == ("", (), "stop", Usage())
    assert not provider.on_device(AGENT)
    await provider.close()
