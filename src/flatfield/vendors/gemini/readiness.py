"""Asks the Gemini API for its models, before anything is spent."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING
from urllib.parse import quote

from msgspec import Struct, field

from flatfield import json_text
from flatfield.errors import NotReady
from flatfield.vendors._asking import ask
from flatfield.vendors.gemini.address import resource
from flatfield.vendors.gemini.traits import TRAITS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flatfield.http.services import Services
    from flatfield.records import AgentConfig
    from flatfield.vendors.base import Address

_SHOWN_MODELS = 8


class _Model(Struct, rename="camel"):
    name: str
    supported_generation_methods: list[str] = field(default_factory=list)


class _Models(Struct):
    models: list[_Model] = field(default_factory=list)


async def check_model(agent: AgentConfig, address: Address, services: Services) -> None:
    """Raise NotReady unless the API answers, takes the key and serves the model.

    A gateway without a list of models is given the benefit of the doubt. A model that is not listed is asked for by
    its name: not every one that may be used is in the list.
    """
    status, body = await ask(agent, f"{address.base_url}/models?pageSize=1000", address.headers, services)
    if status in {401, 403} or (status == 400 and b"API_KEY_INVALID" in body):
        variables = agent.api_key_env or " or ".join(TRAITS.key_variables)
        raise NotReady(
            f"agent {agent.name!r}: {address.base_url} refuses the key ({status}); check the key in {variables}"
        )
    if status != 200:
        return
    listed = {model.name: model for model in _decoded(body)}
    wanted = resource(agent.model)
    model = listed.get(wanted)
    if model is not None and model.supported_generation_methods:
        if "generateContent" not in model.supported_generation_methods:
            raise NotReady(f"agent {agent.name!r}: {agent.model!r} is no model for generateContent; name another")
        return
    if model is None and (await ask(agent, f"{address.base_url}/{quote(wanted)}", address.headers, services))[0] == 404:
        raise NotReady(
            f"agent {agent.name!r}: {address.base_url} does not serve {agent.model!r} (retired, or misspelt); "
            f"it serves: {_closest(agent.model, listed)}"
        )


def _decoded(body: bytes) -> list[_Model]:
    try:
        return list(json_text.decoded(body, _Models).models)
    except ValueError:
        return []


def _closest(model: str, listed: Mapping[str, _Model]) -> str:
    """The names that come closest first, then others, at most a line's worth."""
    names = [name.removeprefix("models/") for name in listed]
    close = difflib.get_close_matches(model.removeprefix("models/"), names, n=_SHOWN_MODELS, cutoff=0.4)
    shown = (close + [name for name in names if name not in close])[:_SHOWN_MODELS]
    return ", ".join(shown) + (", …" if len(names) > len(shown) else "")
