"""Asks a model a tiny question beside a trial: whether its server answers at all, and serves what it does not list."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from msgspec import structs

from flatfield import plugins
from flatfield.errors import FlatfieldError, ProviderError
from flatfield.http.replies import RETRIED
from flatfield.http.retrying import RetryPolicy
from flatfield.records import Abandoned, Leftover, Reply, Task, TurnBudget
from flatfield.vendors.base import Opening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from flatfield.errors import NotListed
    from flatfield.http.services import Services
    from flatfield.records import AgentConfig, ToolResult
    from flatfield.vendors.base import Conversation, Provider


PROMPT = "Say ok."
SECONDS = 20.0
TOKENS = 16
"""So many a tiny reply may have: no API takes a smaller cap."""
SILENT_SECONDS = 15.0
"""Nothing for so long, or for half of the time that there was, until time was over: not the model's way of writing."""
_BUSY = frozenset({402, 408, 409, 429, 503, 529})
"""What a server answers that knows the model and cannot or will not serve it now."""


async def ask(agent: AgentConfig, services: Services) -> Reply:
    """What the agent's model says to a tiny question, asked once.

    Raises:
        FlatfieldError: it was refused, or could not be asked.
    """
    once = RetryPolicy(attempts=1, connect_seconds=SECONDS / 2, stall_seconds=SECONDS)
    plain = structs.replace(
        agent, temperature=None, reasoning_effort=None, max_output_tokens=None, protocol="native", tools=()
    )
    task = Task(id="tiny", title="tiny", prompt=PROMPT)
    opening = Opening(agent=plain, system_prompt="", prompt=PROMPT, tools=(), task=task)
    asking = asyncio.ensure_future(_said(opening, replace(services, retry=once, pressure=None)))
    try:  # what a conversation does before its first turn, such as loading, has no time of its own
        await asyncio.wait({asking}, timeout=2 * SECONDS)
        if asking.done():
            return asking.result()
        raise ProviderError(f"no answer within {2 * SECONDS:g} s")
    finally:
        asking.cancel()
        await asyncio.wait({asking})


async def _said(opening: Opening, services: Services) -> Reply:
    async with _opened(opening.agent, services) as provider:
        conversation = await provider.converse(opening)
        return await conversation.turn((), TurnBudget(seconds=SECONDS, output_tokens=TOKENS))


@asynccontextmanager
async def _opened(agent: AgentConfig, services: Services) -> AsyncIterator[Provider]:
    provider: Provider = plugins.load("provider", agent.provider).create(services)
    try:
        yield provider
    finally:
        await provider.close()


def is_answer(reply: Reply) -> bool:
    """Whether anything came from the model."""
    return reply.finish != "time" or reply.first_token_seconds is not None


def is_refusal(error: ProviderError) -> bool:
    """Whether a server that is there and not busy has refused a request."""
    return error.status is not None and 400 <= error.status < 500 and error.status not in RETRIED


async def served_unlisted(agent: AgentConfig, services: Services, missing: NotListed) -> str:
    """What is to be said of a model that its server serves though its list does not name it: a router's alias.

    A server that is too busy to tell is given the benefit of the doubt.

    Raises:
        NotListed: it does not serve it.
    """
    whose = f"agent {agent.name!r}: {agent.model!r} is not in its server's list of models"
    try:
        reply = await ask(agent, services)
    except ProviderError as error:
        if error.status not in _BUSY:
            raise missing from None
        return f"{whose}; whether it is served was not to be told, as a tiny request was answered {error.status}"
    except FlatfieldError:
        raise missing from None
    if not is_answer(reply):
        return f"{whose}; whether it is served was not to be told within {SECONDS:g} s"
    name = reply.request.answered_by
    by = f" as {name!r}" if name and name != agent.model else ""
    return f"{whose}, but is served{by}: a tiny request was answered"


class WatchedConversation:
    """A conversation of which it is told whose fault it is that a reply did not come in time.

    No headers from a server: the server's. Headers and then silence: another, tiny request to the same server decides.
    If it is answered, the model was too slow; else the server is at fault. On the user's own device headers may come
    with the first token only, so that the tiny request decides there too.
    """

    def __init__(self, conversation: Conversation, agent: AgentConfig, services: Services, *, on_device: bool) -> None:
        self._conversation = conversation
        self._agent = agent
        self._services = services
        self._on_device = on_device
        self._all_seconds = 0.0

    async def turn(self, results: Sequence[ToolResult], budget: TurnBudget) -> Reply:
        """Send the results and read the reply; see `Conversation.turn`."""
        self._all_seconds = self._all_seconds or budget.seconds
        reply = await self._conversation.turn(results, budget)
        if reply.finish != "time" or reply.silent_seconds < min(SILENT_SECONDS, self._all_seconds / 2):
            return reply
        silence = f"its server sent nothing for {reply.silent_seconds:.0f} s"
        if not (reply.has_headers or self._on_device):
            raise ProviderError(f"{silence}, no answer's headers either", left=_left(reply))
        return await self._decided(reply, silence)

    async def _decided(self, reply: Reply, silence: str) -> Reply:
        """The reply, if the server answers a tiny request: then the model was too slow; raises ProviderError if not."""
        began, is_alive = self._services.clock.now(), False
        try:
            tiny = await ask(self._agent, self._services)
            is_alive, why, left = is_answer(tiny), f"within {SECONDS:g} s", _left(tiny)
        except ProviderError as error:
            is_alive, why, left = is_refusal(error), str(error), error.left
        except FlatfieldError as error:
            why, left = str(error), Leftover()
        reply = _with(reply, left, self._services.clock.now() - began)
        if is_alive:
            return reply
        raise ProviderError(f"{silence}, and nothing to a tiny second request ({why})", left=_left(reply))


def _left(reply: Reply) -> Leftover:
    """All that a reply took which comes to nothing."""
    used = () if reply.usage is None else (Abandoned(usage=reply.usage, estimated=False),)
    return Leftover(
        retry_seconds=reply.retry_seconds,
        queue_seconds=reply.queue_seconds,
        wire=reply.wire,
        abandoned=(*(structs.replace(item, kept=False) for item in reply.abandoned_usage), *used),
    )


def _with(reply: Reply, tiny: Leftover, seconds: float) -> Reply:
    """The reply with what the tiny request took beside it, which is none of the model's time."""
    return structs.replace(
        reply,
        wire=(*reply.wire, *tiny.wire),
        retry_seconds=reply.retry_seconds + seconds,
        abandoned=reply.abandoned + len(tiny.abandoned),
        abandoned_usage=(*reply.abandoned_usage, *tiny.abandoned),
    )
