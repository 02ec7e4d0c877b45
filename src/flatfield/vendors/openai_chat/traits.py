"""`openai-chat`: what the vendor states about itself, where requests go, and what a server says that it serves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct, field

from flatfield import json_text
from flatfield.errors import FlatfieldError
from flatfield.records import Traits
from flatfield.vendors import base

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flatfield.http.services import Services
    from flatfield.records import AgentConfig


TRAITS = Traits(
    name="openai-chat",
    other_names=(
        *("azure", "cerebras", "deepseek", "fireworks", "groq", "huggingface", "litellm", "llama.cpp", "lm-studio"),
        *("mistral", "moonshot", "nvidia", "openai-compatible", "openrouter", "perplexity", "sglang", "together"),
        *("vllm", "xai", "z.ai"),
    ),
    url="https://api.openai.com/v1",
    url_variable="OPENAI_BASE_URL",
    key_variables=("OPENAI_API_KEY",),
    key_headers=("authorization", "api-key"),
    usual_key_variables=("OPENROUTER_API_KEY",),
    price_name="openai",
    finds_protocol="on loopback",
    unsupported=("gpu_layers",),
    recalls=True,
    litellm_name="openai",
    router_path="/chat/completions",
)
"""Whose keys and address are taken where an agent names no server: OpenAI's own tools honour these."""


# `openai-chat`: where an agent's requests go, whose key they bring, and how such servers list their models.


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


# What a model and its server are, as far as an OpenAI-compatible server on the desk says it.


_TELLS = ("/props", "/version", "/get_model_info", "/info", "/api/v0/models")
"""Where servers say what they are: llama.cpp, vLLM, SGLang, TGI, LM Studio."""
_PASSING = frozenset({"created", "default_generation_settings", "is_sleeping", "state", "loaded_context_length"})
"""What is another thing each time, or bears on no call."""


async def identity_of(agent: AgentConfig, services: Services) -> str:
    """What the server tells of itself, and its entry for the model; "" where it tells nothing of itself."""
    address = endpoint_of(agent, services.environ)
    root = address.base_url.removesuffix("/v1")
    for path in _TELLS:
        if told := await _told(f"{root}{path}", address, services):
            break
    else:
        return ""
    known = [*_entries(told), *_entries(await _told(f"{address.base_url}/models", address, services))]
    facts = [_lasting(each) for each in known if isinstance(each, dict) and each.get("id", agent.model) == agent.model]
    return f"{agent.model} {base.digest(msgspec.json.encode(facts, order='deterministic').decode())}"


def _entries(told: dict[str, Any]) -> list[Any]:
    """The models of a list, or what is told itself."""
    return told["data"] if isinstance(told.get("data"), list) else [told]


def _lasting(told: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if name not in _PASSING}


async def _told(url: str, address: base.Address, services: Services) -> dict[str, Any]:
    """The JSON object at an address; empty where there is none."""
    import aiohttp

    try:
        status, body = await base.answered(url, address.headers, services)
        value = json_text.decoded(body) if status == 200 else None
    except (aiohttp.ClientError, TimeoutError, ValueError, FlatfieldError):
        return {}
    return value if isinstance(value, dict) else {}
