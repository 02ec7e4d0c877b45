"""Which settings an agent's model takes at all, as its provider knows it before anything is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from flatfield.vendors.anthropic import models as _anthropic_models
from flatfield.vendors.gemini import models as _gemini_models
from flatfield.vendors.openai import models as _openai_models

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


def _refused(agent: AgentConfig) -> set[str]:
    """The settings of an agent that are not sent, as its provider's own data says."""
    if agent.provider == "openai":
        return set(_openai_models.settings(agent)[1])
    if agent.provider == "anthropic":
        noted = _anthropic_models.settings_of(agent).noted
        return {name for name, value in noted.items() if value == _openai_models.NOT_ACCEPTED}
    if agent.provider == "gemini":
        known = _gemini_models.accepts(agent.model)
        effort = agent.reasoning_effort or USUAL_EFFORT
        refused = set() if known.temperature else {"temperature"}
        return refused if _gemini_models.thinking_config(agent.model, effort) else refused | {"reasoning_effort"}
    return set()
