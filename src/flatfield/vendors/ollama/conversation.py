"""`ollama`: Ollama's own chat API, on this device, on another, or at Ollama's service; streamed line by line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import structs

from flatfield.errors import ContextTooLong, ProviderError
from flatfield.http.post import Post
from flatfield.records import Abandoned
from flatfield.vendors import _json_protocol as json_protocol
from flatfield.vendors import base
from flatfield.vendors.ollama import host
from flatfield.vendors.ollama.host import endpoint_of
from flatfield.vendors.ollama.models import (
    KEEP_ALIVE,
    Loaded,
    ModelFacts,
    OllamaModels,
    context_window,
    think_value,
    was_cut,
)
from flatfield.vendors.ollama.reader import OllamaReader, is_overflow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.http.services import Services
    from flatfield.http.transport import Exchange, Transport
    from flatfield.records import AgentConfig, Reply, ToolResult, TurnBudget
    from flatfield.vendors.base import Conversation, Lane, Opening
    from flatfield.vendors.ollama.host import OllamaServer

NOT_ACCEPTED = "not accepted"


class OllamaProvider:
    """Opens conversations with Ollama servers; what it learned of their models is kept for the run."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._models = OllamaModels(services)

    async def check(self, agent: AgentConfig) -> None:
        """Ask the server: is it there, is the model pulled, can it do what the agent asks of it?"""
        from flatfield.vendors.ollama.readiness import check_server

        environ = self._services.environ
        await check_server(agent, endpoint_of(agent, environ), self._models, environ)

    async def converse(self, opening: Opening) -> Conversation:
        """Start a conversation; nothing is sent before its first turn."""
        server = endpoint_of(opening.agent, self._services.environ)
        transport = base.transport(server.base_url, self._services)
        return OllamaConversation(opening, transport, server, self._models)

    def lane(self, agent: AgentConfig) -> Lane:
        """One trial at a time on a device; many at Ollama's service."""
        return host.lane(agent, self._services.environ)

    def on_device(self, agent: AgentConfig) -> bool:
        """A server on loopback runs its models here, but for those that it passes on to Ollama's service."""
        return host.on_device(agent, self._services.environ)

    async def close(self) -> None:
        """Nothing was started; the server unloads its models by itself."""


class OllamaConversation:
    """One trial's messages in Ollama's form, each encoded once: a turn costs what is new in it."""

    def __init__(self, opening: Opening, transport: Transport, server: OllamaServer, models: OllamaModels) -> None:
        self._opening = opening
        self._agent = opening.agent
        self._transport = transport
        self._server = server
        self._models = models
        self._json = opening.agent.protocol == "json" and bool(opening.tools)
        self._headers = {"Content-Type": "application/json", "Accept": "application/x-ndjson", **server.headers}
        system = opening.system_prompt
        if self._json:
            system = f"{system}\n\n{json_protocol.instructions(opening.tools)}"
        self._system = system
        self._messages: list[bytes] = []
        if system:
            self._append({"role": "system", "content": system})
        self._append({"role": "user", "content": opening.prompt})
        self._request: dict[str, Any] = {}
        self._remote = server.remote
        self._loaded = Loaded()
        self._num_ctx: int | None = None
        self._head = self._options = b""
        self._ids: frozenset[str] = frozenset()
        self._prompt_tokens = 0
        self._turns = 0

    async def turn(self, results: Sequence[ToolResult], budget: TurnBudget) -> Reply:
        """Send the results and read the reply; see `Conversation.turn`."""
        self._append_results(results)
        try:
            num_ctx = await self._begin() if self._num_ctx is None else self._num_ctx
            self._turns += 1
            cap = min(self._agent.max_output_tokens or budget.output_tokens, budget.output_tokens)
            parts = (self._head, b",".join(self._messages), b'],"options":', self._options, b"%d}}" % cap)
            body = b"".join(parts)
            url = f"{self._server.base_url}/api/chat"
            post = Post(url=url, headers=self._headers, body=body, seconds=budget.seconds, output_tokens=cap)
            exchange = await self._transport.post(post, OllamaReader)
        except ProviderError as error:
            raise self._explained(error) from None
        self._refuse_a_cut(exchange, num_ctx, len(body))
        return self._reply(exchange, {**self._request, "num_predict": cap})

    async def _begin(self) -> int:
        """Learn what the model takes, and have it loaded; returns the context that it is asked to have."""
        agent, server = self._agent, self._server
        facts = await self._models.facts(server, agent.model)
        self._remote = server.remote or facts.remote
        num_ctx = context_window(agent, facts, remote=self._remote)
        if not self._remote:
            self._loaded = await self._models.load(server, agent.model, num_ctx)
        options: dict[str, Any] = {"num_ctx": num_ctx}
        if agent.temperature is not None:
            options["temperature"] = agent.temperature
        parameters, effort = _parameters(self._opening, facts, json_tools=self._json)
        self._head = msgspec.json.encode(parameters)[:-1] + b',"messages":['
        self._options = msgspec.json.encode(options)[:-1] + b',"num_predict":'
        told = {name: value for name, value in parameters.items() if name not in {"tools", "format"}}
        shown = {**told, **options, **effort}
        self._request = base.shown(
            shown, self._opening, api="Ollama chat", base_url=server.base_url, system=self._system
        )
        self._num_ctx = num_ctx
        return num_ctx

    def _reply(self, exchange: Exchange[OllamaReader], request: dict[str, Any]) -> Reply:
        """The turn's reply. The model's time starts when the model is ready: what loading took is taken off it."""
        reader = exchange.reader
        text, calls = reader.text, reader.calls(self._turns)
        self._messages.append(reader.message())
        self._ids = reader.own_ids()
        if self._json and exchange.cut is None and reader.finish == "stop":
            text, calls = json_protocol.parse(text, self._turns)
        load_seconds = min(reader.load_seconds, exchange.model_seconds)
        first = self._loaded if self._turns == 1 else Loaded()
        told = base.Told(
            text=text,
            calls=calls,
            finish=base.ending(reader.finish, reader.usage, request["num_predict"], request.get("num_ctx")),
            usage=reader.usage,
            reasoning=reader.reasoning,
            load_seconds=load_seconds + first.seconds,
        )
        reply = base.reply(told, exchange, request)
        token_seconds = exchange.first_token_seconds
        return structs.replace(
            reply,
            model_seconds=exchange.model_seconds - load_seconds,
            first_token_seconds=None if token_seconds is None else max(0.0, token_seconds - load_seconds),
            retry_seconds=exchange.retry_seconds + first.retry_seconds,
        )

    def _refuse_a_cut(self, exchange: Exchange[OllamaReader], num_ctx: int, sent_bytes: int) -> None:
        """A conversation that the server shortened is no longer the one that the other models are given."""
        usage = exchange.reader.usage
        if usage is None or self._remote:
            return
        count, before = usage.input_tokens, self._prompt_tokens
        if was_cut(count, num_ctx=num_ctx, sent_bytes=sent_bytes, before_tokens=before):
            raise ContextTooLong(
                f"{self._agent.model} was given {count} tokens of a conversation that does not fit its {num_ctx} "
                "(num_ctx): Ollama left the rest out; set context_tokens higher",
                retry_seconds=exchange.retry_seconds,
                wire=exchange.wire,
                abandoned=(*exchange.abandoned, Abandoned(usage=usage, estimated=False)),
            )
        self._prompt_tokens = count

    def _explained(self, error: ProviderError) -> ProviderError:
        """The error with its fix, where there is one that the server does not name."""
        text, kind = str(error), type(error)
        if is_overflow(text):
            kind = ContextTooLong
            if self._num_ctx is not None:
                text = f"the conversation does not fit {self._num_ctx} tokens (num_ctx): {text}"
        elif error.status == 404 and "not found" in text:
            text = f"{text}; run `ollama pull {self._agent.model}`"
        return error.retold(text, kind)

    def _append(self, message: dict[str, Any]) -> None:
        self._messages.append(msgspec.json.encode(message))

    def _append_results(self, results: Sequence[ToolResult]) -> None:
        if results and self._json:
            self._append({"role": "user", "content": json_protocol.results_text(results)})
            return
        for result in results:
            message = {"role": "tool", "tool_name": result.name, "content": result.text}
            if result.call_id in self._ids:
                message["tool_call_id"] = result.call_id
            self._append(message)


def _parameters(opening: Opening, facts: ModelFacts, *, json_tools: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """The request's fields that stay the same over all turns, and how the reasoning effort is to be told."""
    agent = opening.agent
    parameters: dict[str, Any] = {
        "model": agent.model,
        "stream": True,
        "keep_alive": KEEP_ALIVE,
        "truncate": False,
        "shift": False,
    }
    told: dict[str, Any] = {}
    if agent.reasoning_effort is not None:
        think = think_value(agent.reasoning_effort, agent.model, facts)
        if think is None:
            told["reasoning_effort"] = NOT_ACCEPTED
        else:
            parameters["think"] = think
            told["reasoning_effort"] = think if isinstance(think, str) else ("on" if think else "off")
    schema = json_protocol.schema(opening.tools) if json_tools else opening.response_schema
    if schema is not None:
        parameters["format"] = schema
    if opening.tools and not json_tools:
        parameters["tools"] = [
            {
                "type": "function",
                "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
            }
            for tool in opening.tools
        ]
    return parameters, told
