"""What a model and its Ollama server are: the digest of the model, which covers its template, and the version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp

from flatfield import json_text
from flatfield.vendors.ollama.host import endpoint_of
from flatfield.vendors.ollama.models import OllamaModels

if TYPE_CHECKING:
    from flatfield.http.services import Services
    from flatfield.records import AgentConfig
    from flatfield.vendors.ollama.host import OllamaServer


async def identity_of(agent: AgentConfig, services: Services) -> str:
    """Digest and version as words; "" where the server does not tell them."""
    server, models = endpoint_of(agent, services.environ), OllamaModels(services)
    version = (await _told(models, server, "/api/version")).get("version")
    listed = (await _told(models, server, "/api/tags")).get("models")
    entries = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    names = {agent.model, f"{agent.model}:latest"}
    digest = next((entry.get("digest") for entry in entries if names & {entry.get("name"), entry.get("model")}), None)
    return f"Ollama {version}, {digest}" if version and digest else ""


async def _told(models: OllamaModels, server: OllamaServer, path: str) -> dict[str, Any]:
    try:
        status, body = await models.request(server, path)
        value = json_text.decoded(body) if status == 200 else None
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
