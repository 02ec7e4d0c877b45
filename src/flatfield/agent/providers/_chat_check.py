"""Asks an OpenAI-compatible server for its models, before anything is spent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
import msgspec

from flatfield.agent.proxies import proxy_for
from flatfield.errors import NotReady

if TYPE_CHECKING:
    from flatfield.agent.protocols import Services
    from flatfield.agent.providers.openai_chat import Endpoint
    from flatfield.records import AgentConfig

_CHECK_SECONDS = 10.0


async def check_server(agent: AgentConfig, endpoint: Endpoint, services: Services) -> None:
    """Raise NotReady unless the server answers, takes the key and serves the model.

    A server without a list of models (404 and the like) is given the benefit of the doubt.
    """
    url = f"{endpoint.base_url}/models"
    try:
        async with services.session.get(
            url,
            headers=endpoint.headers,
            timeout=aiohttp.ClientTimeout(total=_CHECK_SECONDS),
            allow_redirects=False,
            proxy=proxy_for(url, services.environ),
        ) as response:
            status, body = response.status, await response.read()
    except (aiohttp.ClientError, TimeoutError) as error:
        raise NotReady(
            f"agent {agent.name!r}: no server answers at {endpoint.base_url} ({type(error).__name__}); "
            "start it, or correct base_url"
        ) from None
    if status in {401, 403}:
        variable = agent.api_key_env or ("OPENAI_API_KEY" if not agent.base_url else None)
        fix = f"check the key in {variable}" if variable else "name the variable that holds its key with api_key_env"
        raise NotReady(f"agent {agent.name!r}: {endpoint.base_url} refuses the request ({status}); {fix}")
    served = _model_ids(body) if status == 200 else ()
    if served and agent.model and agent.model not in served:
        shown = ", ".join(served[:8]) + (", …" if len(served) > 8 else "")
        raise NotReady(f"agent {agent.name!r}: {endpoint.base_url} does not serve {agent.model!r}; it serves: {shown}")


def _model_ids(body: bytes) -> tuple[str, ...]:
    try:
        listed = msgspec.json.decode(body)
        return tuple(str(model["id"]) for model in listed["data"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return ()
