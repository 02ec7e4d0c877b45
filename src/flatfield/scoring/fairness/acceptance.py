"""Which settings an agent's model takes at all, as its vendor knows it before anything is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from flatfield import plugins

if TYPE_CHECKING:
    from flatfield.records import AgentConfig

ANY_TEMPERATURE = 0.5
USUAL_EFFORT = "low"
"""An effort that every model with efforts takes."""


def accepts_temperature(agent: AgentConfig) -> bool:
    """Whether a temperature would be sent; of vendors that do not say what they refuse: yes."""
    return "temperature" not in _refused(replace(agent, temperature=agent.temperature or ANY_TEMPERATURE))


def accepts_effort(agent: AgentConfig) -> bool:
    """Whether a reasoning effort would be sent; of vendors that do not say what they refuse: yes."""
    return "reasoning_effort" not in _refused(replace(agent, reasoning_effort=agent.reasoning_effort or USUAL_EFFORT))


def _refused(agent: AgentConfig) -> frozenset[str]:
    """The settings of an agent that are not sent, as its vendor's function `refused` says, and its traits."""
    refused = getattr(plugins.vendor_if_there(agent.provider), "refused", None)
    told: frozenset[str] = refused(agent) if refused is not None else frozenset()
    return told.union(plugins.traits_or_usual(agent.provider).unsupported)
