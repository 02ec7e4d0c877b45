"""Ollama's own chat API, streamed line by line: one trial's messages as it has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import structs

from flatfield.errors import ContextTooLong, ProviderError
from flatfield.records import Abandoned, Leftover, Reply, Sent
from flatfield.vendors import base
from flatfield.vendors.ollama.models import (
    KEEP_ALIVE,
    Loading,
    MemoryHeld,
    ModelFacts,
    OllamaModels,
    catalogue,
    context_window,
    expect_abilities,
    runner_options,
    think_value,
    was_cut,
)
from flatfield.vendors.ollama.reader import OllamaReader, is_overflow
from flatfield.vendors.ollama.traits import TRAITS, OllamaServer, endpoint_of, lane, on_device

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.http.services import Services
    from flatfield.http.transport import Exchange
    from flatfield.records import AgentConfig, DeviceWork, ToolResult, TurnBudget


class OllamaProvider:
    """Opens conversations with Ollama servers; what it learned of their models is kept for the run."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._models = OllamaModels(services)

    async def check(self, agent: AgentConfig) -> None:
        """Ask the server: is it there, is the model pulled, can it do what the agent asks of it?"""
        server = endpoint_of(agent, self._services.environ)
        address = base.Address(base_url=server.base_url, headers=server.headers)
        await base.ready(agent, address, self._services, TRAITS, catalogue(remote=server.remote))
        expect_abilities(agent, await self._models.facts(server, agent.model))

    async def converse(self, opening: base.Opening) -> base.Conversation:
        """Start a conversation; nothing is sent before its first turn."""
        server = endpoint_of(opening.agent, self._services.environ)
        messages = OllamaMessages(opening, server)
        talk = base.Talk(opening, base.transport_to(server.base_url, self._services), messages)
        return OllamaConversation(talk, messages, server, self._models)

    def lane(self, agent: AgentConfig) -> base.Lane:
        """One trial at a time on a device; many at Ollama's service."""
        return lane(agent, self._services.environ)

    def on_device(self, agent: AgentConfig) -> bool:
        """A server on loopback runs its models here, but for those that it passes on to Ollama's service."""
        return on_device(agent, self._services.environ)

    async def close(self) -> None:
        """Nothing was started; the server unloads its models by itself."""


class OllamaConversation:
    """A conversation that has its model loaded before its first turn: the model's time starts when it is ready."""

    def __init__(self, talk: base.Talk, messages: OllamaMessages, server: OllamaServer, models: OllamaModels) -> None:
        self._talk = talk
        self._messages = messages
        self._server = server
        self._models = models
        self._held: MemoryHeld | None = None

    async def turn(self, results: Sequence[ToolResult], budget: TurnBudget) -> Reply:
        """Send the results and read the reply; see `Conversation.turn`. What loading took is taken off it."""
        first = Loading()
        if not self._messages.is_open:
            try:
                first = await self._begin()
            except ProviderError as error:
                raise self._messages.meant(error) from None
        reply = await self._talk.turn(results, budget)
        load_seconds = min(self._messages.load_seconds, reply.model_seconds)
        token_seconds = reply.first_token_seconds
        return structs.replace(
            reply,
            load_seconds=load_seconds + first.seconds,
            model_seconds=reply.model_seconds - load_seconds,
            first_token_seconds=None if token_seconds is None else max(0.0, token_seconds - load_seconds),
            retry_seconds=reply.retry_seconds + first.retry_seconds,
            device=_weighed(reply.device, self._held),
        )

    async def _begin(self) -> Loading:
        """Learn what the model takes, and have it loaded."""
        agent, server = self._messages.agent, self._server
        facts = await self._models.facts(server, agent.model)
        remote = server.remote or facts.remote
        num_ctx = context_window(agent, facts, remote=remote)
        loaded = Loading()
        if not remote:
            loaded = await self._models.load(server, agent, num_ctx)
            self._held = await self._models.held(server, agent.model)
        self._messages.open(facts, num_ctx, remote=remote)
        return loaded


def _weighed(device: DeviceWork | None, held: MemoryHeld | None) -> DeviceWork | None:
    """What a reply took, with the memory that its model takes since it was loaded."""
    if device is None or held is None:
        return device
    return structs.replace(device, peak_memory_bytes=held.bytes_, gpu_memory_bytes=held.gpu_bytes)


class OllamaMessages:
    """One trial's messages in Ollama's form, each encoded once: a turn costs what is new in it.

    `load_seconds`: what the server says that loading took within the last reply.
    """

    new_reader = OllamaReader

    def __init__(self, opening: base.Opening, server: OllamaServer) -> None:
        self._opening = opening
        self.agent = opening.agent
        self.url = f"{server.base_url}/api/chat"
        self.headers = {"Content-Type": "application/json", "Accept": "application/x-ndjson", **server.headers}
        self.sent = base.sent_by(
            opening, TRAITS, base.Settings(), api="Ollama chat", url=server.base_url, parameters={}
        )
        self.load_seconds = 0.0
        self._messages: list[bytes] = []
        if system := base.told_system(opening):
            self._append({"role": "system", "content": system})
        self.say(opening.prompt)
        self._num_ctx: int | None = None
        self._remote = False
        self._head = self._options = b""
        self._ids: frozenset[str] = frozenset()
        self._prompt_tokens = self._sent_bytes = 0

    @property
    def is_open(self) -> bool:
        """Whether it is known what the model takes."""
        return self._num_ctx is not None

    def open(self, facts: ModelFacts, num_ctx: int, *, remote: bool) -> None:
        """What is known of the model: requests can be made."""
        agent, opening = self.agent, self._opening
        options = runner_options(agent, num_ctx)
        if agent.temperature is not None:
            options["temperature"] = agent.temperature
        effort = agent.reasoning_effort
        think = None if effort is None else think_value(effort, agent.model, facts)
        steady = {"keep_alive": KEEP_ALIVE, "truncate": False, "shift": False}
        parameters = {"model": agent.model, "stream": True, **steady, **_extra(opening, think)}
        self._head = msgspec.json.encode(parameters)[:-1] + b',"messages":['
        self._options = msgspec.json.encode(options)[:-1] + b',"num_predict":'
        self._num_ctx, self._remote = num_ctx, remote
        self.sent = structs.replace(
            self.sent,
            temperature=agent.temperature,
            context_tokens=num_ctx,
            gpu_layers=agent.gpu_layers,
            thinking=think,
            reasoning_effort=None if think is None else _worded(think),
            not_accepted=("reasoning_effort",) if effort is not None and think is None else (),
            parameters=steady,
        )

    def cap_tokens(self, left_tokens: int) -> int:
        """The agent's own at most."""
        return base.least_cap(left_tokens, self.agent.max_output_tokens)

    def body(self, cap_tokens: int) -> tuple[bytes, Sent]:
        """All messages; only the cap is new."""
        parts = (self._head, b",".join(self._messages), b'],"options":', self._options, b"%d}}" % cap_tokens)
        body = b"".join(parts)
        self._sent_bytes = len(body)
        return body, structs.replace(self.sent, output_cap_tokens=cap_tokens)

    def say(self, text: str) -> None:
        """A message of the user's."""
        self._append({"role": "user", "content": text})

    def answer(self, results: Sequence[ToolResult]) -> None:
        """One message for each result, with the call's id where the model gave it one."""
        for result in results:
            message = {"role": "tool", "tool_name": result.name, "content": result.text}
            if result.call_id in self._ids:
                message["tool_call_id"] = result.call_id
            self._append(message)

    def take(self, exchange: Exchange[OllamaReader], cap_tokens: int, turn: int) -> Reply:
        """Keep the model's message, and read it; raises ContextTooLong where the server cut the conversation."""
        reader = exchange.reader
        self._refuse_a_cut(exchange)
        self._messages.append(reader.message())
        self._ids = reader.own_ids()
        self.load_seconds = reader.load_seconds
        reasoning, text = base.parted(reader.text, reader.reasoning)
        return Reply(
            text=text,
            calls=reader.calls(turn),
            finish=base.ending(reader.finish, reader.usage, cap_tokens, self._num_ctx),
            usage=reader.usage,
            reasoning=reasoning,
            device=None if self._remote else reader.device,
            request=Sent(answered_by=reader.answered_by),
        )

    def meant(self, error: ProviderError) -> ProviderError:
        """The error with its fix, where there is one that the server does not name."""
        text, kind = str(error), type(error)
        if is_overflow(text):
            kind = ContextTooLong
            if self._num_ctx is not None:
                text = f"the conversation does not fit {self._num_ctx} tokens (num_ctx): {text}"
        elif error.status == 404 and "not found" in text:
            text = f"{text}; run `ollama pull {self.agent.model}`"
        return error.retold(text, kind)

    def _refuse_a_cut(self, exchange: Exchange[OllamaReader]) -> None:
        """A conversation that the server shortened is no longer the one that the other models are given."""
        usage, num_ctx = exchange.reader.usage, self._num_ctx
        if usage is None or num_ctx is None or self._remote:
            return
        count, before = usage.input_tokens, self._prompt_tokens
        if was_cut(count, num_ctx=num_ctx, sent_bytes=self._sent_bytes, before_tokens=before):
            raise ContextTooLong(
                f"{self.agent.model} was given {count} tokens of a conversation that does not fit its {num_ctx} "
                "(num_ctx): Ollama left the rest out; set context_tokens higher",
                left=Leftover(
                    retry_seconds=exchange.retry_seconds,
                    queue_seconds=exchange.queue_seconds,
                    wire=exchange.wire,
                    abandoned=(*exchange.abandoned, Abandoned(usage=usage, estimated=False)),
                ),
            )
        self._prompt_tokens = count

    def _append(self, message: dict[str, Any]) -> None:
        self._messages.append(msgspec.json.encode(message))


def _extra(opening: base.Opening, think: bool | str | None) -> dict[str, Any]:  # noqa: FBT001 - the API's own value
    """The request's fields that not every conversation has."""
    fields: dict[str, Any] = {} if think is None else {"think": think}
    if (schema := base.held_schema(opening)) is not None:
        fields["format"] = schema
    if tools := base.native_tools(opening):
        fields["tools"] = [base.function(tool) for tool in tools]
    return fields


def _worded(think: bool | str) -> str:  # noqa: FBT001 - the API's own value
    """How records tell a `think`."""
    return think if isinstance(think, str) else ("on" if think else "off")
