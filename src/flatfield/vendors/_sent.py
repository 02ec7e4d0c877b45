"""What every request of a conversation says, as records and the fairness manifest show it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct, field

from flatfield.http.secrecy import shown_url
from flatfield.records import Sent
from flatfield.vendors._tool_protocols import told_system

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flatfield.records import Traits
    from flatfield.vendors.base import Opening


class Settings(Struct, frozen=True, kw_only=True):
    """What an agent's settings become in its model's form; None: nothing was set, or nothing is sent.

    `fields` of the request as the API calls them. `temperature`, `reasoning_effort`, `thinking` and `context_tokens` as
    records show what was sent; `not_accepted`: settings that were left out because the model does not take them.
    """

    fields: dict[str, Any] = field(default_factory=dict)
    temperature: float | None = None
    reasoning_effort: str | None = None
    thinking: Any = None
    context_tokens: int | None = None
    not_accepted: tuple[str, ...] = ()


def sent_by(
    opening: Opening, vendor: Traits, settings: Settings, *, api: str, url: str, parameters: Mapping[str, Any]
) -> Sent:
    """What every request of a conversation says, as records and the manifest show it: without its output cap.

    `parameters` are what else is sent with each, as the API calls it; long texts as digests.
    """
    agent = opening.agent
    unsupported = [name for name in vendor.unsupported if getattr(agent, name) is not None]
    return Sent(
        api=api,
        base_url=shown_url(url),
        model=agent.model,
        stream=True,
        protocol="native" if agent.protocol in {None, "auto"} else agent.protocol,
        system=digest(told_system(opening)),
        tools=tuple(tool.name for tool in opening.tools),
        tools_digest=digest(msgspec.json.encode(opening.tools).decode()),
        temperature=settings.temperature,
        reasoning_effort=settings.reasoning_effort,
        thinking=settings.thinking,
        context_tokens=settings.context_tokens,
        not_accepted=tuple(dict.fromkeys((*settings.not_accepted, *unsupported))),
        parameters=dict(parameters),
    )


def digest(text: str) -> str:
    """The first 12 hex digits of SHA-256: enough to tell texts of one run apart."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]
