"""The models that flatfield brings along as agents, with what is known of each: data of roster.toml."""

from __future__ import annotations

import tomllib
from datetime import date  # noqa: TC003 - msgspec
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from flatfield import plugins
from flatfield.records import SHIPPED, AgentConfig

SOON_DAYS = 60
"""How long before its day a model's retirement is said to those who use it."""


class RosterModel(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model by the name of its agent; None: not known. `retires` is the first day on which it is not served.

    `successor` is the model that its vendor recommends then, "" while none is known.
    """

    name: str
    provider: str
    model: str
    context_tokens: int | None = None
    released: date | None = None
    retires: date | None = None
    successor: str = ""

    def is_retired(self, today: date) -> bool:
        """Whether its vendor no longer serves it."""
        return self.retires is not None and self.retires <= today


@cache
def known_models() -> tuple[RosterModel, ...]:
    """All models that are known by name, vendor by vendor, older ones first."""
    tables: dict[str, dict[str, Any]] = tomllib.loads((Path(__file__).parent / "roster.toml").read_text("utf-8"))
    return tuple(msgspec.convert({"name": name, **table}, RosterModel) for name, table in tables.items())


def as_agent(known: RosterModel) -> AgentConfig:
    """The agent that asks for this model as its vendor serves it; nothing else is set."""
    return AgentConfig(name=known.name, provider=known.provider, model=known.model, source=SHIPPED)


def remark(agent: AgentConfig, today: date) -> str:
    """What is to be said of the model of an agent that is not ready: that it is retired, or not known here; or "".

    Nothing is known of models at other addresses than their vendors', nor of those on a server of the user's own.
    """
    return "" if agent.base_url else retirement(agent, today) or _unknown(agent)


def retirement(agent: AgentConfig, today: date) -> str:
    """What is to be said of an agent whose model is retired; "" when it is not, or not known."""
    found = _known(agent)
    if found is None or found.retires is None or not found.is_retired(today):
        return ""
    return f"{agent.model} was retired by its vendor on {found.retires.isoformat()}{_instead(found)}"


def notice(agent: AgentConfig, today: date) -> str:
    """What is to be said of an agent's model that is retired, or that will be within 60 days; else ""."""
    found = _known(agent)
    if agent.base_url or found is None or found.retires is None or (found.retires - today).days > SOON_DAYS:
        return ""
    return retirement(agent, today) or f"{agent.model} retires on {found.retires.isoformat()}{_instead(found)}"


def context_tokens(agent: AgentConfig) -> int | None:
    """How many tokens fit into its model's context: as configured, else as its vendor says; None: not known."""
    if agent.context_tokens is not None:
        return agent.context_tokens
    found = None if agent.base_url else _known(agent)
    return found.context_tokens if found else None


def _known(agent: AgentConfig) -> RosterModel | None:
    return next((k for k in known_models() if (k.provider, k.model) == (agent.provider, agent.model)), None)


def _instead(known: RosterModel) -> str:
    return f"; the one to use instead is {known.successor}" if known.successor else ""


def _unknown(agent: AgentConfig) -> str:
    names = [known.model for known in known_models() if known.provider == agent.provider]
    if plugins.traits_or_usual(agent.provider).own_server or not names or agent.model in names:
        return ""
    close = get_close_matches(agent.model, names, n=3, cutoff=0.6)
    return f"{agent.model!r} is not a model that flatfield knows{_come_close(close)}"


def _come_close(names: list[str]) -> str:
    return f"; names that come close: {', '.join(names)}" if names else "; see: flatfield models list"
