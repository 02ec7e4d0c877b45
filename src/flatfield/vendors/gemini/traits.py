"""`gemini`: what the vendor states about itself, and where an agent's requests go."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from msgspec import Struct, field

from flatfield.records import Traits
from flatfield.vendors import base

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flatfield.records import AgentConfig


TRAITS = Traits(
    name="gemini",
    other_names=("google", "google-genai", "google-ai-studio", "vertex", "vertex-ai", "googleai"),
    url="https://generativelanguage.googleapis.com",
    url_variable="GOOGLE_GEMINI_BASE_URL",
    key_variables=("GOOGLE_API_KEY", "GEMINI_API_KEY"),
    key_headers=("authorization", "x-goog-api-key"),
    price_name="google",
    model_prefix="models/",
    maker="google",
    makes="gemini|gemma",
    known_as=(
        *("gemini", "gemma", "bard", "deepmind", "google", "googleapis"),
        *("谷歌", "双子座", "ジェミニ", "グーグル", "제미나이", "구글", "джемини", "гемини", "гугл"),
        *("джемма", "ジェマ", "젬마", "ディープマインド", "딥마인드", "дипмайнд", "جيميني", "جوجل", "גוגל", "ג'מיני"),
    ),
    unsupported=("context_tokens", "gpu_layers"),
    recalls=True,
    color="purple",
    litellm_name="gemini",
    router_path="/v1beta/models/",
    router_form="gemini",
)


# `gemini`: where an agent's requests go, whose key they bring, and how the API lists its models.


VERSION = "v1beta"  # `v1` lacks the `-latest` names and previews; a base_url may end in it all the same
_VERSIONS = frozenset({"v1", "v1beta", "v1alpha"})
_METHOD = "generateContent"
_METHOD_PATH = re.compile(r"(/v1\w*)?/models/[^/]+:\w+$")


class _Model(Struct, rename="camel"):
    name: str
    supported_generation_methods: list[str] = field(default_factory=list)


def endpoint_of(agent: AgentConfig, environ: Mapping[str, str]) -> base.Address:
    """Where the agent's requests go, with the headers that all of them bring.

    The address ends in the version, which the vendor's tools add; one that is written is kept.

    Raises:
        NotReady: the key that is needed is not set.
    """
    written = base.base_url(agent, environ, TRAITS)
    base_url = written if written.rpartition("/")[2] in _VERSIONS else f"{written}/{VERSION}"
    headers = base.own_headers(agent, environ)
    if agent.api_key_env is not None or not base.brings(headers, *TRAITS.key_headers):
        headers["x-goog-api-key"] = base.api_key(agent, environ, TRAITS)
    return base.Address(base_url=base_url, headers=headers)


def resource(model: str) -> str:
    """A model's path below the version: ids are given with or without `models/`."""
    return model if "/" in model else f"{TRAITS.model_prefix}{model}"


def catalogue() -> base.Catalogue:
    """How the API lists its models; one that is not in the list may be there all the same, and is asked for."""
    return base.Catalogue(
        kind="Gemini",
        path="/models?pageSize=1000",
        read=_read,
        form="base_url has no path, as in https://HOST",
        door=lambda model: f"/{resource(model)}:streamGenerateContent",
        corrected=_corrected,
        alike=lambda model: frozenset({resource(model).removeprefix(TRAITS.model_prefix)}),
        single=lambda model: (f"/{quote(resource(model))}", None),
        is_key_refused=lambda status, body: status == 400 and b"API_KEY_INVALID" in body,
    )


def _corrected(base_url: str) -> str:
    """What somebody may have meant who wrote the address of another door, or of one resource."""
    written = base_url.removesuffix(f"/{VERSION}")
    if asked := _METHOD_PATH.search(written):
        return written[: asked.start()]
    for ending in ("/v1beta/openai", "/openai", "/v1/models", "/v1beta/models", "/models"):
        if written.endswith(ending):
            return written.removesuffix(ending)
    return ""


def _read(body: bytes) -> list[base.Listed]:
    return [
        base.Listed(
            id=model.name.removeprefix(TRAITS.model_prefix),
            unusable=""
            if _METHOD in (model.supported_generation_methods or [_METHOD])
            else f"is no model for {_METHOD}",
        )
        for model in base.entries(body, "models", _Model)
    ]
