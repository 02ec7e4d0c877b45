"""Asks a server one short question before anything is spent, such as which models it serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp

from flatfield.errors import NotReady
from flatfield.http.proxies import proxy_for
from flatfield.http.secrecy import shown_url
from flatfield.http.tls import distrust

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flatfield.http.services import Services
    from flatfield.records import AgentConfig

ASK_SECONDS = 10.0


async def answered(url: str, headers: Mapping[str, str], services: Services) -> tuple[int, bytes]:
    """Status and body of a GET; no redirect is followed.

    Raises:
        aiohttp.ClientError, TimeoutError: no answer.
        ValueError: a header cannot be sent.
    """
    services.secrets.add_headers(headers)
    async with services.session.get(
        url,
        headers=headers,
        timeout=aiohttp.ClientTimeout(total=ASK_SECONDS),
        allow_redirects=False,
        proxy=proxy_for(url, services.environ),
    ) as response:
        return response.status, await response.read()


async def ask(agent: AgentConfig, url: str, headers: Mapping[str, str], services: Services) -> tuple[int, bytes]:
    """Status and body of a GET to the agent's server.

    Raises:
        NotReady: no answer, with what to do about it; headers are shown in none.
    """
    whose, where = f"agent {agent.name!r}", shown_url(url)
    try:
        return await answered(url, headers, services)
    except aiohttp.ClientConnectorCertificateError as error:
        raise NotReady(f"{whose}: {distrust(error, where)}") from None
    except (aiohttp.ClientError, TimeoutError) as error:
        fix = _fix(agent, proxied=proxy_for(url, services.environ) is not None)
        raise NotReady(f"{whose}: no server answers at {where} ({type(error).__name__}); {fix}") from None
    except ValueError:
        fix = "correct the key or the agent's headers: one holds what no header may"
        raise NotReady(f"{whose}: no request can be made to {where}; {fix}") from None


def _fix(agent: AgentConfig, *, proxied: bool) -> str:
    if proxied:
        return "check the proxy that the environment names"
    return (
        "start it, or correct base_url" if agent.base_url else "check the network, or the address if a variable sets it"
    )
