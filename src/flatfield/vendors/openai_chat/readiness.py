"""Asks an OpenAI-compatible server for its models, before anything is spent."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flatfield import json_text
from flatfield.errors import NotReady
from flatfield.http.secrecy import shown_url
from flatfield.vendors._asking import ask

if TYPE_CHECKING:
    from flatfield.http.services import Services
    from flatfield.records import AgentConfig
    from flatfield.vendors.openai_chat.address import Endpoint

_SHOWN = 8


async def check_server(agent: AgentConfig, endpoint: Endpoint, services: Services) -> None:
    """Raise NotReady unless the server answers, takes the key and serves the model.

    A server without a list of models (404 and the like) is given the benefit of the doubt.
    """
    where = shown_url(endpoint.base_url)
    status, body = await ask(agent, f"{endpoint.base_url}/models", endpoint.headers, services)
    problem = _refusal(agent, endpoint, status)
    if not problem and status == 200:
        problem = _not_served(agent.model, body)
    if problem:
        raise NotReady(f"agent {agent.name!r}: {where} {problem}")


def _refusal(agent: AgentConfig, endpoint: Endpoint, status: int) -> str:
    """What a status means that is not that of a list; "" when the server may still do."""
    if status in {401, 403}:
        variable = agent.api_key_env or ("OPENAI_API_KEY" if not agent.base_url else None)
        fix = f"check the key in {variable}" if variable else "name the variable that holds its key with api_key_env"
        return f"refuses the request ({status}); {fix}"
    if 300 <= status < 400:
        return f"redirects ({status}); set base_url to where it leads"
    if status >= 500:
        return f"is not ready ({status}); wait until it has loaded its model, or restart it"
    if status == 404 and not urlsplit(endpoint.base_url).path.strip("/"):
        return "knows no list of models (404); base_url ends in /v1"
    return ""


def _not_served(model: str, body: bytes) -> str:
    """Why a list of models says that the agent's is not served; "" when it is, or when nothing can be told."""
    try:
        listed = json_text.decoded(body)
    except ValueError:
        return "is no OpenAI-compatible server: its list of models is no JSON; base_url ends in /v1"
    models = listed.get("data") if isinstance(listed, dict) else None
    served = [str(each["id"]) for each in models or () if isinstance(each, dict) and "id" in each]
    # Ollama's names have a tag, OpenRouter's may be asked for with a variant, Gemini's list has a folder.
    alike = {model, f"{model}:latest", model.partition(":")[0], f"models/{model}"}
    if not served or not model or alike & set(served):
        return ""
    more = f", … ({len(served)} in all)" if len(served) > _SHOWN else ""
    return f"does not serve {model!r}; it serves: {', '.join(served[:_SHOWN])}{more}"
