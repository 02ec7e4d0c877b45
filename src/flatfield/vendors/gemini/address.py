"""`gemini`: where an agent's requests go, and whose key they bring."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.vendors import base
from flatfield.vendors.gemini.traits import TRAITS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flatfield.records import AgentConfig

VERSION = "v1beta"  # `v1` lacks the `-latest` names and previews; a base_url may end in it all the same
_VERSIONS = frozenset({"v1", "v1beta", "v1alpha"})


def endpoint_of(agent: AgentConfig, environ: Mapping[str, str]) -> base.Address:
    """Where the agent's requests go, with the headers that all of them bring.

    The address ends in the version, which the vendor's tools add; one that is written is kept.

    Raises:
        NotReady: the key that is needed is not set.
    """
    written = base.base_url(agent, environ, TRAITS)
    base_url = written if written.rpartition("/")[2] in _VERSIONS else f"{written}/{VERSION}"
    headers = base.own_headers(agent, environ)
    if agent.api_key_env is not None or not base.brings(headers, "authorization", "x-goog-api-key"):
        headers["x-goog-api-key"] = base.api_key(agent, environ, TRAITS)
    return base.Address(base_url=base_url, headers=headers)


def resource(model: str) -> str:
    """A model's path below the version: ids are given with or without `models/`."""
    return model if "/" in model else f"models/{model}"
