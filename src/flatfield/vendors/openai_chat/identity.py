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


async def identity_of(agent: AgentConfig, services: Services) -> str:
    """The model's entry in the server's list, its chat template and the server's build; "" where no build is told.

    llama.cpp tells them at `/props`, vLLM its version at `/version`.
    """
    address = endpoint_of(agent, services.environ)
    root = address.base_url.removesuffix("/v1")
    props = await _told(f"{root}/props", address, services)
    build = {name: props.get(name) for name in ("build_info", "model_path", "model_ftype") if props.get(name)}
    build = build or await _told(f"{root}/version", address, services)
    if not build:
        return ""
    listed = (await _told(f"{address.base_url}/models", address, services)).get("data")
    entries = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    entry = next((entry for entry in entries if entry.get("id") == agent.model), {})
    told = {name: value for name, value in entry.items() if name != "created"}  # some servers say now
    template = base.digest(str(props.get("chat_template", "")))
    return msgspec.json.encode([agent.model, build, template, told], order="deterministic").decode()


async def _told(url: str, address: base.Address, services: Services) -> dict[str, Any]:
    """The JSON object at an address; empty where there is none."""
    import aiohttp

    try:
        status, body = await base.answered(url, address.headers, services)
        value = json_text.decoded(body) if status == 200 else None
    except (aiohttp.ClientError, TimeoutError, ValueError, FlatfieldError):
        return {}
    return value if isinstance(value, dict) else {}
