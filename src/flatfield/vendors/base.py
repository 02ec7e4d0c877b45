"""What hosted APIs have in common: where they are, whose key they take, which lane they share, how a reply is told."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct, field

from flatfield import json_text
from flatfield.errors import NotReady
from flatfield.http.proxies import is_loopback, proxy_for
from flatfield.http.secrecy import shown_url
from flatfield.http.services import place_of
from flatfield.records import (
    AgentConfig,
    Finish,
    Reply,
    Task,
    ToolCall,
    ToolResult,
    ToolSpec,
    Traits,
    TurnBudget,
    Usage,
)
from flatfield.tasks.headers import filled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flatfield.http.services import Services
    from flatfield.http.transport import Exchange, Transport

SYSTEM_PROMPT = (
    "You are an agent working in one directory. Use the tools to do the task; paths are relative to the directory. "
    "When it is done, reply with your final answer."
)
"""What every model is told before the task, unless its agent brings its own."""

THIS_DEVICE = "local"
CONCURRENT_TRIALS = 16
SPARE_TOKENS = 8  # servers stop a little before the last place of the window


class Opening(Struct, frozen=True, kw_only=True):
    """What one trial's conversation starts from. `task` is for the oracle only: no real model's provider reads it.

    `response_schema` is a JSON Schema object for the reply's text, for providers that can constrain it, else ignored.
    `workspace`: the absolute path of the folder that the trial works in, for providers that run a scaffold of their own
    there (None: there is none, nothing is to be edited); `workspace_user`: the host uid that it belongs to when that is
    not ours.
    """

    agent: AgentConfig
    system_prompt: str
    prompt: str
    tools: tuple[ToolSpec, ...]
    task: Task
    response_schema: dict[str, Any] | None = None
    workspace: str | None = None
    workspace_user: int | None = None


class Lane(Struct, frozen=True, kw_only=True):
    """What must not run at the same time: trials in lane `name` run at most `width` at once.

    `place`: the host and port whose refusals make the lane narrower for a while; "" for a width that stays.
    `device`: the machine that models run on, one at a time also among processes; "" where it is somebody else's matter.
    """

    name: str
    width: int
    place: str = ""
    device: str = ""


class Conversation(Protocol):
    """One trial's conversation with one model, kept in the vendor's native form."""

    async def turn(self, results: Sequence[ToolResult], budget: TurnBudget) -> Reply:
        """Send the results of the last turn's calls (none on the first turn) and return what the model says.

        Retries by itself. When `budget.seconds` of model time are over, returns what has arrived with finish "time".

        Raises:
            ProviderError: the API failed for good.
            ContextTooLong: the conversation does not fit the model.
        """
        ...


class Provider(Protocol):
    """One vendor's API, opened once per run and shared by its trials."""

    async def check(self, agent: AgentConfig) -> None:
        """Raise NotReady, with the fix, when this agent could not run now; spends nothing."""
        ...

    async def converse(self, opening: Opening) -> Conversation:
        """Start a conversation; a local provider first starts its server."""
        ...

    def lane(self, agent: AgentConfig) -> Lane:
        """What else this agent's trials must not run beside."""
        ...

    def on_device(self, agent: AgentConfig) -> bool:
        """Whether the model runs on the user's own device: $0 at the API."""
        ...

    async def close(self) -> None:
        """End what was started."""
        ...


class Address(Struct, frozen=True, kw_only=True):
    """Where one agent's requests go and what all of them bring; `headers` hold the key."""

    base_url: str
    headers: dict[str, str] = field(default_factory=dict)


class Told(Struct, frozen=True, kw_only=True):
    """What a reader understood of one reply; `service_tier`: which one it was served at, "" when it does not say."""

    text: str
    calls: tuple[ToolCall, ...]
    finish: Finish
    usage: Usage | None
    reasoning: str = ""
    load_seconds: float = 0.0
    service_tier: str = ""


def base_url(agent: AgentConfig, environ: Mapping[str, str], vendor: Traits) -> str:
    """The agent's own, else the vendor's variable, else the vendor's address; without a slash at the end."""
    return (agent.base_url or environ.get(vendor.url_variable, "").strip() or vendor.url).rstrip("/")


def api_key(agent: AgentConfig, environ: Mapping[str, str], vendor: Traits) -> str:
    """The key from `api_key_env`, else from the vendor's variables, the first that is set.

    Raises:
        NotReady: none is set; the message names the variable.
    """
    variables = (agent.api_key_env,) if agent.api_key_env else vendor.key_variables
    for variable in variables:
        key = environ.get(variable, "").strip()
        if key:
            return key
    raise NotReady(f"agent {agent.name!r} needs a key: set the environment variable {' or '.join(variables)}")


def own_headers(agent: AgentConfig, environ: Mapping[str, str]) -> dict[str, str]:
    """The agent's own headers, with what the variables hold that they name.

    Raises:
        NotReady: one of these is not set.
    """
    try:
        return filled(agent.headers, environ)
    except KeyError as error:
        raise NotReady(
            f"agent {agent.name!r} needs the environment variable {error.args[0]}, which its headers name: set it"
        ) from None


def brings(headers: Mapping[str, str], *names: str) -> bool:
    """Whether one of these headers (in lower case) is among an agent's own."""
    return any(name.lower() in names for name in headers)


def lane(agent: AgentConfig, environ: Mapping[str, str], vendor: Traits) -> Lane:
    """One lane per server; on the user's own device one trial at a time, so that none slows another."""
    url = base_url(agent, environ, vendor)
    if agent.on_device:
        return device_lane(url)
    place = place_of(url)
    return Lane(name=f"{vendor.name}:{place}", width=CONCURRENT_TRIALS, place=place)


def device_lane(url: str = "") -> Lane:
    """The lane of the device that a server's address names: this one for loopback and without an address.

    Ports do not count: two servers on one machine compete for it.
    """
    host = urlsplit(url).hostname or ""
    device = THIS_DEVICE if not host or is_loopback(host) else host
    return Lane(name=f"device:{device}", width=1, device=device)


def transport(base_url: str, services: Services) -> Transport:
    """To one server: through the proxy that the environment names for it, with the run's patience."""
    from flatfield.http.transport import Transport

    proxy = proxy_for(base_url, services.environ)
    return Transport(
        services.session,
        services.clock,
        services.retry,
        proxy=proxy,
        pressure=services.pressure,
        secrets=services.secrets,
    )


def shown(parameters: Mapping[str, Any], opening: Opening, *, api: str, base_url: str, system: str) -> dict[str, Any]:
    """Request parameters as records and the manifest show them: long texts as digests, keys never.

    `parameters` are what is sent with every turn, without conversation, tools and system prompt; `system` is the prompt
    that was sent, with what the protocol adds to the opening's.
    """
    return {
        **parameters,
        "api": api,
        "base_url": shown_url(base_url),
        "protocol": opening.agent.protocol,
        "system_digest": digest(system),
        "tool_names": [tool.name for tool in opening.tools],
        "tools_digest": digest(msgspec.json.encode([_told(tool) for tool in opening.tools]).decode()),
    }


def _told(tool: ToolSpec) -> dict[str, Any]:
    """What a model is told of a tool whatever the protocol: its example is a part of the `json` protocol's prompt."""
    return {"name": tool.name, "description": tool.description, "parameters": tool.parameters}


def digest(text: str) -> str:
    """The first 12 hex digits of SHA-256: enough to tell texts of one run apart."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def reply(told: Told, exchange: Exchange[Any], request: dict[str, Any]) -> Reply:
    """The turn's reply: what the reader understood, and what the exchange took."""
    finish: Finish = told.finish
    if exchange.cut is not None:
        finish = "time" if exchange.cut == "time" else "length"
    elif told.calls and finish == "stop":
        finish = "tool_calls"
    if told.service_tier:
        request = {**request, "service_tier": told.service_tier}
    return Reply(
        text=told.text,
        calls=told.calls,
        finish=finish,
        usage=told.usage,
        first_token_seconds=exchange.first_token_seconds,
        model_seconds=exchange.model_seconds,
        retry_seconds=exchange.retry_seconds,
        queue_seconds=exchange.queue_seconds,
        load_seconds=told.load_seconds,
        attempts=exchange.attempts,
        reasoning=told.reasoning,
        request=request,
        **leftovers(exchange, told.usage),
    )


def leftovers(exchange: Exchange[Any], usage: Usage | None) -> dict[str, Any]:
    """The reply's fields about attempts; where the API has counted the reply itself, that count stands alone."""
    abandoned = tuple(item for item in exchange.abandoned if usage is None or not item.kept)
    broken = sum(not item.kept for item in abandoned)
    return {"abandoned": broken, "abandoned_usage": abandoned, "wire": exchange.wire}


def ending(finish: Finish, usage: Usage | None, cap_tokens: int, context_tokens: int | None) -> Finish:
    """How a reply ended: "context" if it was cut short of its output cap because prompt and reply filled the window.

    llama.cpp and Ollama call both "length".
    """
    if finish != "length" or usage is None or context_tokens is None or usage.output_tokens >= cap_tokens:
        return finish
    full = usage.input_tokens + usage.output_tokens + SPARE_TOKENS >= context_tokens
    return "context" if full else finish


def arguments_object(arguments: str) -> dict[str, Any]:
    """A call's arguments as the object that every vendor wants to see again.

    Arguments that are no JSON object are wrapped: a refused conversation would hide from the model what it did wrong.
    """
    try:
        value = json_text.decoded(arguments or "{}")
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {"invalid_arguments": arguments}
