"""`openai-chat`: where an agent's requests go, whose key they bring, and how such servers list their models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from flatfield.vendors import base
from flatfield.vendors.openai_chat.traits import TRAITS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flatfield.records import AgentConfig


class Endpoint(Struct, frozen=True, kw_only=True):
    """Where and how one agent's requests go, for those who serve this wire themselves.

    `extra_body` is merged into each request, `first_body` into the first one alone. `context_tokens`, `model_file`,
    `gpu_layers` of `model_layers` and `tools_ignored` are told in records, as `shown_url` is in the place of the
    address (None: the address); `load_seconds` (a local model's loading) is reported with the first turn.
    """

    address: base.Address
    extra_body: dict[str, Any] = field(default_factory=dict)
    first_body: dict[str, Any] = field(default_factory=dict)
    shown_url: str | None = None
    context_tokens: int | None = None
    model_file: str = ""
    gpu_layers: int | None = None
    model_layers: int | None = None
    tools_ignored: bool = False
    load_seconds: float = 0.0


def endpoint_of(agent: AgentConfig, environ: Mapping[str, str]) -> base.Address:
    """Where the agent's requests go, with the headers that all of them bring.

    Raises:
        NotReady: the key that is needed is not set.
    """
    headers = base.own_headers(agent, environ)
    named = agent.api_key_env is not None
    if named or not (agent.base_url or base.brings(headers, *TRAITS.key_headers)):
        headers["Authorization"] = f"Bearer {base.api_key(agent, environ, TRAITS)}"
    return base.Address(base_url=base.base_url(agent, environ, TRAITS), headers=headers)


def catalogue() -> base.Catalogue:
    """How OpenAI-compatible servers list their models.

    Ollama's names have a tag, OpenRouter's may be asked for with a variant, Gemini's list has a folder.
    """
    return base.Catalogue(
        kind="OpenAI-compatible",
        path="/models",
        read=base.listed_ids,
        form="base_url ends in /v1",
        door=lambda _model: "/chat/completions",
        corrected=base.with_version,
        alike=lambda model: frozenset({model, f"{model}:latest", model.partition(":")[0], f"models/{model}"}),
    )
