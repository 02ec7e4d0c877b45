"""Asks a server of the Messages API for its models, before anything is spent."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from msgspec import Struct, field

from flatfield import json_text
from flatfield.errors import NotReady
from flatfield.http.secrecy import shown_url
from flatfield.vendors._asking import ask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.http.services import Services
    from flatfield.records import AgentConfig
    from flatfield.vendors.base import Address

_LISTED = 1000  # the most that one page may hold; the vendor has some dozens
_SHOWN = 8


class _Model(Struct):
    id: str = ""
    lifecycle: str | None = None
    retires_at: str | None = None


class _Models(Struct):
    data: list[_Model] = field(default_factory=list)


async def check_server(agent: AgentConfig, endpoint: Address, services: Services) -> None:
    """Raise NotReady unless the server answers, takes the key and serves the model.

    A server without a list of models (404 and the like) is given the benefit of the doubt. The vendor's list has full
    ids only: a name that is not in it may be an alias, which the vendor resolves when asked for that one model.
    """
    url, shown = f"{endpoint.base_url}/v1/models", shown_url(endpoint.base_url)
    status, body = await ask(agent, f"{url}?limit={_LISTED}", endpoint.headers, services)
    if status in {401, 403}:
        raise NotReady(f"agent {agent.name!r}: {shown} refuses the request ({status}); {_key_fix(agent)}")
    listed = _read(body, _Models).data if status == 200 else []
    if not listed or not agent.model:
        return
    found = next((model for model in listed if model.id == agent.model), None)
    if found is None:
        status, body = await ask(agent, f"{url}/{quote(agent.model, safe='')}", endpoint.headers, services)
        if status != 200:
            raise NotReady(
                f"agent {agent.name!r}: {shown} does not serve {agent.model!r}, which is unknown there "
                f"or retired; it serves: {_closest(agent.model, listed)}"
            )
        found = _read(body, _Model)
    if found.lifecycle == "retired":
        since = f" on {found.retires_at[:10]}" if found.retires_at else ""
        raise NotReady(
            f"agent {agent.name!r}: {agent.model!r} was retired{since}; choose another: {_closest(agent.model, listed)}"
        )


def _key_fix(agent: AgentConfig) -> str:
    if agent.api_key_env:
        return f"check the key in {agent.api_key_env}"
    if agent.base_url:
        return "name the variable that holds its key with api_key_env"
    return "check the key in ANTHROPIC_API_KEY or ANTHROPIC_AUTH_TOKEN"


def _closest(name: str, listed: Sequence[_Model]) -> str:
    """The models that can be used, those with a similar name first."""
    names = [model.id for model in listed if model.lifecycle != "retired"]
    close = difflib.get_close_matches(name, names, n=3)
    ordered = [*close, *(other for other in names if other not in close)]
    return ", ".join(ordered[:_SHOWN]) + (", …" if len(ordered) > _SHOWN else "")


def _read(body: bytes, kind: Any) -> Any:  # noqa: ANN401 - a struct's type, and one of its kind
    try:
        return json_text.decoded(body, kind)
    except ValueError:
        return kind()
