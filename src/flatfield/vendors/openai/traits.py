"""`openai`: what the vendor states about itself, and where an agent's requests go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from flatfield.records import Traits
from flatfield.vendors import base

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from flatfield.records import AgentConfig


TRAITS = Traits(
    name="openai",
    other_names=("open-ai", "openai-responses", "chatgpt"),
    url="https://api.openai.com/v1",
    url_variable="OPENAI_BASE_URL",
    key_variables=("OPENAI_API_KEY",),
    key_headers=("authorization", "api-key"),
    price_name="openai",
    maker="openai",
    makes="gpt|chatgpt|codex|davinci|o[134]",
    known_as=(
        "gpt",
        "chatgpt",
        "openai",
        "davinci",
        "codex",
        "чатгпт",
        "챗지피티",
        "гпт",
        "опенаи",
        "オープンai",
        "オープンエーアイ",
        "오픈에이아이",
    ),
    unsupported=("context_tokens", "gpu_layers"),
    recalls=True,
    color="green",
    litellm_name="openai",
    router_path="/chat/completions",
)


# `openai`: where an agent's requests go, whose key they bring, and how its servers list their models.


FORM = "base_url ends in /v1"


class _Model(Struct):
    id: str = ""
    owned_by: str | None = ""
    shutdown_date: str | None = None


def endpoint_of(agent: AgentConfig, environ: Mapping[str, str]) -> base.Address:
    """Where the agent's requests go, with the headers that all of them bring.

    Raises:
        NotReady: the key that is needed is not set.
    """
    base_url = base.base_url(agent, environ, TRAITS)
    headers = base.own_headers(agent, environ)
    if base.brings(headers, *TRAITS.key_headers):
        return base.Address(base_url=base_url, headers=headers)
    if key := _key(agent, base_url, environ):
        headers["Authorization"] = f"Bearer {key}"
    return base.Address(base_url=base_url, headers=headers)


def catalogue(today: date) -> base.Catalogue:
    """How OpenAI, and servers that speak its Responses API, list their models; `today` tells those that are retired."""

    def read(body: bytes) -> list[base.Listed]:
        models = base.entries(body, "data", _Model)
        return [base.Listed(id=model.id, unusable=_ended(model.shutdown_date, today)) for model in models]

    return base.Catalogue(
        kind="OpenAI-compatible",
        path="/models",
        read=read,
        form=FORM,
        door=lambda _model: "/responses",
        corrected=base.with_version,
    )


def is_llama_list(body: bytes) -> bool:
    """Whether a list of models is llama.cpp's."""
    try:
        return any(model.owned_by == "llamacpp" for model in base.entries(body, "data", _Model))
    except ValueError:
        return False


def _key(agent: AgentConfig, base_url: str, environ: Mapping[str, str]) -> str:
    """The vendor's key goes to the vendor and to `OPENAI_BASE_URL`; an address of the agent's names its own."""
    if agent.api_key_env or base.is_own(base_url, TRAITS):
        return base.api_key(agent, environ, TRAITS)
    return "" if agent.base_url else environ.get(TRAITS.key_variables[0], "").strip()


def _ended(shutdown_date: str | None, today: date) -> str:
    day = (shutdown_date or "")[:10]
    return f"was retired on {day}" if day and day < today.isoformat() else ""
