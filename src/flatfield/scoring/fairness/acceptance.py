"""Which settings an agent's model takes at all, as its provider knows it before anything is asked."""

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
    """Whether a temperature would be sent; of providers that keep no such list: yes."""
    return "temperature" not in _refused(replace(agent, temperature=agent.temperature or ANY_TEMPERATURE))


def accepts_effort(agent: AgentConfig) -> bool:
    """Whether a reasoning effort would be sent."""
    return "reasoning_effort" not in _refused(replace(agent, reasoning_effort=agent.reasoning_effort or USUAL_EFFORT))


def _refused(agent: AgentConfig) -> frozenset[str]:
    """The settings of an agent that are not sent, as its vendor's own data says."""
    refused = getattr(plugins.load("provider", agent.provider), "refused", None)
    return frozenset() if refused is None else refused(agent)
