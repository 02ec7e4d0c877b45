"""A model that llama.cpp serves in a child process of ours, on the chat wire."""

from __future__ import annotations

import asyncio
import importlib.util
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

from flatfield.errors import Interrupted, NotReady, ProviderError
from flatfield.machine.llama import DEFAULT_CONTEXT_TOKENS
from flatfield.machine.llama.hosting import LIBRARY_FIX, LocalServer, LocalServers, ServerSpec, usable_threads
from flatfield.machine.models.places import find_model
from flatfield.machine.models.pulling import file_identity
from flatfield.vendors.base import Address, device_lane
from flatfield.vendors.openai_chat.conversation import open_chat
from flatfield.vendors.openai_chat.traits import Endpoint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.clock import Clock
    from flatfield.http.services import Services
    from flatfield.records import AgentConfig, Reply, ToolResult, TurnBudget
    from flatfield.vendors.base import Conversation, Lane, Opening


IDLE_SECONDS = 600.0
"""A server that is kept for later runs is stopped when nobody has asked anything for so long."""


class LocalProvider:
    """Runs one server at a time: the trials of a run that use the same model and context share it.

    Where something outlives the run, so does the server, and the next run finds its model loaded.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        kept = services.kept
        self._servers = LocalServers() if kept is None else kept.get("local", lambda: LocalServers(IDLE_SECONDS))

    async def check(self, agent: AgentConfig) -> None:
        """Raise NotReady when the model is not there, is no GGUF file, or llama.cpp is not installed."""
        self._spec(agent)
        if importlib.util.find_spec("xllamacpp") is None:
            raise NotReady(f"agent {agent.name!r}: {LIBRARY_FIX}")

    async def converse(self, opening: Opening) -> Conversation:
        """Start the model's server unless it is running, and open a conversation with it."""
        agent = opening.agent
        spec = self._spec(agent)
        server, load_seconds = await self._servers.serve(spec, self._services)
        ignored = bool(opening.tools) and agent.protocol != "json" and not server.supports_tools
        endpoint = Endpoint(
            # llama.cpp closes each connection after its stream, whatever it says of keeping it.
            address=Address(base_url=f"{server.url}/v1", headers={**server.headers, "Connection": "close"}),
            extra_body={"timings_per_token": True},
            first_body={} if opening.is_probe else {"cache_prompt": False},
            shown_url="llama.cpp on this device",  # the port is another one each time: no part of what is compared
            context_tokens=server.context_tokens,
            model_file=await asyncio.to_thread(file_identity, agent.model, Path(spec.path)),
            gpu_layers=server.gpu_layers,
            model_layers=server.model_layers,
            tools_ignored=ignored,
            load_seconds=load_seconds,
        )
        return LocalConversation(open_chat(opening, self._services, endpoint), server, self._services.clock)

    def lane(self, _agent: AgentConfig) -> Lane:
        """One trial at a time on the device, whichever model it uses."""
        return device_lane()

    def on_device(self, _agent: AgentConfig) -> bool:
        """Always."""
        return True

    async def close(self) -> None:
        """Stop the server, unless it is kept for others."""
        if self._services.kept is None:
            await self._servers.close()

    def _spec(self, agent: AgentConfig) -> ServerSpec:
        if agent.base_url:
            raise NotReady(
                f"agent {agent.name!r}: provider local starts its own server; "
                "remove base_url, or use provider openai-chat for a server that is running"
            )
        path = find_model(agent.model, self._services.cache)
        return ServerSpec(
            path=str(path),
            alias=Path(agent.model).name,
            context_tokens=agent.context_tokens or DEFAULT_CONTEXT_TOKENS,
            threads=usable_threads(),
            gpu_layers=agent.gpu_layers,
            port=_fixed_port(self._services.environ.get("FLATFIELD_LOCAL_PORT", "")),
        )


class LocalConversation:
    """A conversation that ends at once, with the reason, when its server ends."""

    def __init__(self, chat: Conversation, server: LocalServer, clock: Clock) -> None:
        self._chat = chat
        self._server = server
        self._clock = clock

    async def turn(self, results: Sequence[ToolResult], budget: TurnBudget) -> Reply:
        """Send the results and read the reply; see `Conversation.turn`.

        Raises:
            ProviderError: also when the server ended; it is not waited for, and the next conversation starts another.
        """
        self._server.turns += 1
        try:
            return await self._turn(results, budget)
        finally:
            self._server.turns -= 1
            self._server.used_at = self._clock.now()

    async def _turn(self, results: Sequence[ToolResult], budget: TurnBudget) -> Reply:
        turn = asyncio.ensure_future(self._chat.turn(results, budget))
        try:
            await asyncio.wait({turn, self._server.ended}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            turn.cancel()
            await turn  # it says what it had used
            raise
        if not turn.done():
            turn.cancel()
        try:
            return await self._weighed(await turn)
        except Interrupted as stopped:
            raise ProviderError(self._server.epitaph(), left=stopped.left) from None
        except ProviderError as error:
            if error.status is not None or not self._server.ended.done():
                raise
            raise error.retold(self._server.epitaph(), ProviderError) from None

    async def _weighed(self, reply: Reply) -> Reply:
        """The reply with the memory that its server has held."""
        if reply.device is None:
            return reply
        held_bytes = await self._server.peak_memory_bytes()
        return structs.replace(reply, device=structs.replace(reply.device, peak_memory_bytes=held_bytes))


async def identity_of(agent: AgentConfig, services: Services) -> str:
    """The model's file and the version of the library, as words.

    Raises:
        NotReady: the model is not there.
    """
    path = find_model(agent.model, services.cache)
    file = await asyncio.to_thread(file_identity, agent.model, path)
    try:
        return f"llama.cpp {version('xllamacpp')}, {file}"
    except PackageNotFoundError:
        return ""


def _fixed_port(value: str) -> int:
    """`FLATFIELD_LOCAL_PORT`: for those who must open one port; 0 lets the system choose."""
    if not value:
        return 0
    if not value.isdecimal() or not 0 < int(value) < 65536:
        raise NotReady(f"FLATFIELD_LOCAL_PORT is {value!r}; set it to a port number from 1 to 65535, or unset it")
    return int(value)
