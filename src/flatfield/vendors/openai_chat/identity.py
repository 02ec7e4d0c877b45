"""What a model and its server are, as far as an OpenAI-compatible server on the desk says it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from flatfield import json_text
from flatfield.errors import FlatfieldError
from flatfield.vendors import base
from flatfield.vendors.openai_chat.address import endpoint_of

if TYPE_CHECKING:
    from flatfield.http.services import Services
    from flatfield.records import AgentConfig


_TELLS = ("/props", "/version", "/get_model_info", "/info", "/api/v0/models")
"""Where servers say what they are: llama.cpp, vLLM, SGLang, TGI, LM Studio."""
_PASSING = frozenset({"created", "default_generation_settings", "is_sleeping", "state", "loaded_context_length"})
"""What is another thing each time, or bears on no call."""


async def identity_of(agent: AgentConfig, services: Services) -> str:
    """What the server tells of itself, and its entry for the model; "" where it tells nothing of itself."""
    address = endpoint_of(agent, services.environ)
    root = address.base_url.removesuffix("/v1")
    for path in _TELLS:
        if told := await _told(f"{root}{path}", address, services):
            break
    else:
        return ""
    known = [*_entries(told), *_entries(await _told(f"{address.base_url}/models", address, services))]
    facts = [_lasting(each) for each in known if isinstance(each, dict) and each.get("id", agent.model) == agent.model]
    return f"{agent.model} {base.digest(msgspec.json.encode(facts, order='deterministic').decode())}"


def _entries(told: dict[str, Any]) -> list[Any]:
    """The models of a list, or what is told itself."""
    return told["data"] if isinstance(told.get("data"), list) else [told]


def _lasting(told: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if name not in _PASSING}


async def _told(url: str, address: base.Address, services: Services) -> dict[str, Any]:
    """The JSON object at an address; empty where there is none."""
    import aiohttp

    try:
        status, body = await base.answered(url, address.headers, services)
        value = json_text.decoded(body) if status == 200 else None
    except (aiohttp.ClientError, TimeoutError, ValueError, FlatfieldError):
        return {}
    return value if isinstance(value, dict) else {}
