"""Asks OpenAI, or a server that speaks its Responses API, for its models before anything is spent."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

import aiohttp
from msgspec import Struct, field

from flatfield import json_text
from flatfield.errors import NotReady
from flatfield.vendors._asking import answered, ask

if TYPE_CHECKING:
    from flatfield.http.services import Services
    from flatfield.records import AgentConfig
    from flatfield.vendors.base import Address


class _Model(Struct):
    id: str = ""
    owned_by: str = ""
    shutdown_date: str | None = None


class _Models(Struct):
    data: list[_Model] = field(default_factory=list)


async def check_model(agent: AgentConfig, address: Address, services: Services) -> None:
    """Raise NotReady unless the server answers, takes the key and serves the model.

    A server without a list of models (404 and the like) is given the benefit of the doubt.
    """
    status, body = await ask(agent, f"{address.base_url}/models", address.headers, services)
    if status in {401, 403}:
        variable = agent.api_key_env or ("OPENAI_API_KEY" if "Authorization" in address.headers else None)
        fix = f"check the key in {variable}" if variable else "name the variable that holds its key with api_key_env"
        raise NotReady(f"agent {agent.name!r}: {address.base_url} refuses the request ({status}); {fix}")
    served = {model.id: model for model in _listed(status, body)}
    if served and agent.model not in served:
        raise NotReady(
            f"agent {agent.name!r}: {address.base_url} does not serve {agent.model!r}: it is retired, misspelt or not "
            f"open to this key; it serves: {_some_names(agent.model, list(served))}"
        )
    ended = served[agent.model].shutdown_date if served else None
    if ended and ended[:10] < services.clock.utc().date().isoformat():
        raise NotReady(f"agent {agent.name!r}: {agent.model!r} was retired on {ended[:10]}; choose another model")


async def is_llama_server(address: Address, services: Services) -> bool:
    """Whether llama.cpp answers there: it takes a reply's schema in a field of its own, which others refuse."""
    try:
        status, body = await answered(f"{address.base_url}/models", address.headers, services)
    except (aiohttp.ClientError, TimeoutError):
        return False
    return any(model.owned_by == "llamacpp" for model in _listed(status, body))


def _listed(status: int, body: bytes) -> list[_Model]:
    try:
        return list(json_text.decoded(body, _Models).data) if status == 200 else []
    except ValueError:
        return []


def _some_names(model: str, served: list[str]) -> str:
    close = get_close_matches(model, served, n=5, cutoff=0.5)
    return ", ".join(close or served[:8]) + (", …" if len(close or served[:8]) < len(served) else "")
