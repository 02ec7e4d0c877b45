"""What hosted APIs have in common: where they are, whose key they take, which lane they share, how a reply is told."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from flatfield.agent.protocols import Lane
from flatfield.errors import NotReady
from flatfield.records import Finish, Reply, ToolCall, ToolSpec, Usage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flatfield.agent.transport import Exchange
    from flatfield.records import AgentConfig

CONCURRENT_TRIALS = 16


class Vendor(Struct, frozen=True, kw_only=True):
    """One vendor's address and key: defaults, and the variables that the vendor's own tools honour."""

    name: str
    url: str
    url_variable: str
    key_variables: tuple[str, ...]


class Told(Struct, frozen=True, kw_only=True):
    """What a reader understood of one reply."""

    text: str
    calls: tuple[ToolCall, ...]
    finish: Finish
    usage: Usage | None
    reasoning: str = ""
    load_seconds: float = 0.0


def base_url(agent: AgentConfig, environ: Mapping[str, str], vendor: Vendor) -> str:
    """The agent's own, else the vendor's variable, else the vendor's address; without a slash at the end."""
    return (agent.base_url or environ.get(vendor.url_variable, "").strip() or vendor.url).rstrip("/")


def api_key(agent: AgentConfig, environ: Mapping[str, str], vendor: Vendor) -> str:
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


def lane(agent: AgentConfig, vendor: Vendor) -> Lane:
    """One lane per server; on the user's own device one trial at a time, so that none slows another."""
    if agent.on_device:
        return Lane(name="device:local", width=1)
    return Lane(name=f"{vendor.name}:{urlsplit(agent.base_url or vendor.url).netloc}", width=CONCURRENT_TRIALS)


def shown(
    parameters: Mapping[str, Any], *, api: str, base_url: str, system: str, tools: Sequence[ToolSpec]
) -> dict[str, Any]:
    """Request parameters as records and the manifest show them: long texts as digests, keys never.

    `parameters` are what is sent with every turn, without conversation, tools and system prompt.
    """
    return {
        **parameters,
        "api": api,
        "base_url": base_url,
        "protocol": "native",
        "system_digest": digest(system),
        "tools_digest": digest(msgspec.json.encode(tools).decode()),
    }


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
    return Reply(
        text=told.text,
        calls=told.calls,
        finish=finish,
        usage=told.usage,
        first_token_seconds=exchange.first_token_seconds,
        model_seconds=exchange.model_seconds,
        retry_seconds=exchange.retry_seconds,
        load_seconds=told.load_seconds,
        attempts=exchange.attempts,
        reasoning=told.reasoning,
        request=request,
    )


def arguments_object(arguments: str) -> dict[str, Any]:
    """A call's arguments as the object that every vendor wants to see again.

    Arguments that are no JSON object are wrapped: a refused conversation would hide from the model what it did wrong.
    """
    try:
        value = msgspec.json.decode(arguments or "{}")
    except msgspec.DecodeError:
        value = None
    return value if isinstance(value, dict) else {"invalid_arguments": arguments}
