"""Asks an Ollama server, before anything is spent: is it there, has it the model, can the model do what is asked?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp

from flatfield import json_text
from flatfield.errors import NotReady
from flatfield.http.secrecy import shown_url
from flatfield.http.tls import distrust
from flatfield.vendors.ollama.host import CLOUD_HOST, OllamaServer, is_cloud_model, source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flatfield.records import AgentConfig
    from flatfield.vendors.ollama.models import ModelFacts, OllamaModels

NAMED = 8


async def check_server(
    agent: AgentConfig, server: OllamaServer, models: OllamaModels, environ: Mapping[str, str]
) -> None:
    """Raise NotReady unless the server answers, has the model, and the model does what the agent asks of it."""
    where = shown_url(server.base_url)
    try:
        status, body = await models.request(server, "/api/tags")
        _expect_list(agent, server, status)
        names = _names(body)
        status, facts = await models.ask(server, agent.model)
    except aiohttp.ClientConnectorCertificateError as error:
        raise NotReady(f"agent {agent.name!r}: {distrust(error, where)}") from None
    except (aiohttp.ClientError, TimeoutError) as error:
        fix = "check the network" if CLOUD_HOST in where else "start it with `ollama serve`, or correct the address"
        raise NotReady(
            f"agent {agent.name!r}: no Ollama answers at {where}, from {source(agent, environ)} "
            f"({type(error).__name__}); {fix}"
        ) from None
    if status in {400, 404} or (status != 200 and not _is_listed(agent.model, names)):
        raise NotReady(f"agent {agent.name!r}: {_missing(agent.model, where, server, names)}")
    _expect_abilities(agent, facts)


def _expect_list(agent: AgentConfig, server: OllamaServer, status: int) -> None:
    where = shown_url(server.base_url)
    if status in {401, 403}:
        variable = agent.api_key_env or ("OLLAMA_API_KEY" if "Authorization" in server.headers else None)
        fix = f"check the key in {variable}" if variable else "name the variable that holds its key with api_key_env"
        raise NotReady(f"agent {agent.name!r}: {where} refuses the request ({status}); {fix}")
    if status != 200:
        raise NotReady(
            f"agent {agent.name!r}: {where} answers {status} to /api/tags, so it is no Ollama server; "
            "its base_url has no version, as in http://127.0.0.1:11434"
        )


def _expect_abilities(agent: AgentConfig, facts: ModelFacts) -> None:
    """Servers that do not tell what a model can do are given the benefit of the doubt."""
    can = facts.capabilities
    if can and "completion" not in can:
        raise NotReady(
            f"agent {agent.name!r}: {agent.model} is no chat model (it can: {', '.join(can)}); choose another"
        )
    if can and "tools" not in can and agent.protocol == "native" and agent.tools != ():
        raise NotReady(
            f"agent {agent.name!r}: Ollama has no tool calls for {agent.model} (it can: {', '.join(can)}); "
            'set protocol = "json" for this agent'
        )
    if agent.context_tokens and facts.context_tokens and agent.context_tokens > facts.context_tokens:
        raise NotReady(
            f"agent {agent.name!r}: context_tokens is {agent.context_tokens}, but {agent.model} has "
            f"{facts.context_tokens}; set it to that or less"
        )


def _missing(model: str, where: str, server: OllamaServer, names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:NAMED]) + (", …" if len(names) > NAMED else "")
    if server.remote and not is_cloud_model(model):
        return f"{where} does not serve {model!r}; it serves: {shown}"
    return f"{model!r} is not pulled at {where}: run `ollama pull {model}` (pulled: {shown or 'nothing'})"


def _is_listed(model: str, names: tuple[str, ...]) -> bool:
    """Ollama lists a name without a tag as `NAME:latest`."""
    return model in names or f"{model}:latest" in names


def _names(body: bytes) -> tuple[str, ...]:
    try:
        return tuple(str(model["name"]) for model in json_text.decoded(body)["models"])
    except (ValueError, KeyError, TypeError):
        return ()
