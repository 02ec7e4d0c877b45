"""`anthropic`: what the vendor states about itself, and where an agent's requests go."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from msgspec import Struct

from flatfield.records import Traits
from flatfield.vendors import base
from flatfield.vendors.anthropic.models import api_version

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flatfield.records import AgentConfig


TRAITS = Traits(
    name="anthropic",
    other_names=("claude",),
    url="https://api.anthropic.com",
    url_variable="ANTHROPIC_BASE_URL",
    key_variables=("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"),
    key_headers=("authorization", "x-api-key"),
    price_name="anthropic",
    maker="anthropic",
    makes="claude",
    known_as=(
        "claude",
        "anthropic",
        "克劳德",
        "クロード",
        "클로드",
        "клод",
        "антропик",
        "アンソロピック",
        "앤트로픽",
        "앤스로픽",
        "כלוד",
        "كلود",
        "أنثروبيك",
    ),
    unsupported=("context_tokens", "gpu_layers"),
    recalls=True,
    color="orange",
    litellm_name="anthropic",
    router_path="/v1/messages",
    router_form="Anthropic",
)


# `anthropic`: where an agent's requests go, whose key they bring, and how the API lists its models.


_LISTED = 1000  # the most that one page may hold; the vendor has some dozens


class _Model(Struct):
    id: str = ""
    lifecycle: str | None = None
    retires_at: str | None = None


def endpoint_of(agent: AgentConfig, environ: Mapping[str, str]) -> base.Address:
    """Where the agent's requests go, with the headers that all of them bring; the agent's own headers win.

    Raises:
        NotReady: the key that is needed is not set.
    """
    base_url = base.base_url(agent, environ, TRAITS)
    own = {name.lower(): value for name, value in base.own_headers(agent, environ).items()}
    headers = {
        "content-type": "application/json",
        "accept": "text/event-stream",
        "anthropic-version": api_version(agent),
    }
    if not own.keys() & set(TRAITS.key_headers):
        headers |= _credentials(agent, environ, base_url)
    return base.Address(base_url=base_url, headers=headers | own)


def _credentials(agent: AgentConfig, environ: Mapping[str, str], base_url: str) -> dict[str, str]:
    """The header with the key. The vendor's variables are for the vendor, and for where its own variable points.

    A server that the agent names gets a key through `api_key_env` only, and needs none without it.
    """
    vendors = base.is_own(base_url, TRAITS)
    if agent.api_key_env:
        return {"x-api-key": base.api_key(agent, environ, TRAITS)}
    if agent.base_url and not vendors:
        return {}
    key, token = (environ.get(variable, "").strip() for variable in TRAITS.key_variables)
    if key:
        return {"x-api-key": key}
    if token:
        return {"authorization": f"Bearer {token}"}
    if vendors:
        base.api_key(agent, environ, TRAITS)  # says which variables are missing
    return {}


def catalogue() -> base.Catalogue:
    """How the API lists its models: by full ids only, so that an alias is asked for by itself."""
    return base.Catalogue(
        kind="Anthropic",
        path=f"/v1/models?limit={_LISTED}",
        read=lambda body: [_listed(model) for model in base.entries(body, "data", _Model)],
        form="base_url has no version",
        door=lambda _model: "/v1/messages",
        corrected=base.without_version,
        single=lambda model: (f"/v1/models/{quote(model, safe='')}", None),
        read_single=_single,
    )


def _listed(model: _Model) -> base.Listed:
    if model.lifecycle != "retired":
        return base.Listed(id=model.id)
    since = f" on {model.retires_at[:10]}" if model.retires_at else ""
    return base.Listed(id=model.id, unusable=f"was retired{since}")


def _single(body: bytes) -> base.Listed | None:
    model = base.entry(body, _Model)
    return None if model is None else _listed(model)
