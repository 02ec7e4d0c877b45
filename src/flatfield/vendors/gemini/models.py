"""What each Gemini model accepts, as data: temperature, thinking, output cap. The API refuses or ignores the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from flatfield.vendors.base import Settings

if TYPE_CHECKING:
    from flatfield.records import AgentConfig


def _levels(*efforts: str) -> dict[str, dict[str, Any]]:
    return {effort: {"thinkingLevel": effort.upper()} for effort in efforts}


_BUDGETS: dict[str, dict[str, Any]] = {
    "minimal": {"thinkingBudget": 1024},
    "low": {"thinkingBudget": 1024},
    "medium": {"thinkingBudget": 8192},
    "high": {"thinkingBudget": 24_576},
}
"""The budgets that the vendor itself uses for these words (ai.google.dev/gemini-api/docs/openai, "Thinking")."""


class Accepts(Struct, frozen=True, kw_only=True):
    """One family of models.

    `thinking` gives the thinkingConfig of each reasoning effort; None: not known, the effort goes out as the level.
    `schema_with_tools`: a response schema and function calling in one request.
    """

    thinking: dict[str, dict[str, Any]] | None = None
    temperature: bool = True
    output_tokens: int | None = 65_536
    schema_with_tools: bool = True


_LOW_TO_HIGH = _levels("low", "medium", "high")
_MINIMAL_TO_HIGH = _levels("minimal", "low", "medium", "high")

# The first prefix that fits counts. Levels and budgets: docs.cloud.google.com/gemini-enterprise-agent-platform/models/
# thinking; temperature (deprecated, and ignored where False): ai.google.dev/gemini-api/docs/generate-content/
# whats-new-gemini-3.6 and its successors.
_FAMILIES: tuple[tuple[str, Accepts], ...] = (
    ("gemini-4", Accepts(thinking=_LOW_TO_HIGH, temperature=False)),
    ("gemini-3.8", Accepts(thinking=_LOW_TO_HIGH, temperature=False)),
    ("gemini-3.7", Accepts(thinking=_LOW_TO_HIGH, temperature=False)),
    ("gemini-3.6", Accepts(thinking=_MINIMAL_TO_HIGH, temperature=False)),
    ("gemini-3.5-flash-lite", Accepts(thinking=_MINIMAL_TO_HIGH, temperature=False)),
    ("gemini-3.5", Accepts(thinking=_MINIMAL_TO_HIGH)),
    ("gemini-3.1-pro", Accepts(thinking=_LOW_TO_HIGH)),
    ("gemini-3.1", Accepts(thinking=_MINIMAL_TO_HIGH)),
    ("gemini-3-pro", Accepts(thinking=_levels("low", "high"))),
    ("gemini-3", Accepts(thinking=_MINIMAL_TO_HIGH)),
    ("gemini-2.5-pro", Accepts(thinking=_BUDGETS, schema_with_tools=False)),
    ("gemini-2.5", Accepts(thinking={"none": {"thinkingBudget": 0}, **_BUDGETS}, schema_with_tools=False)),
    ("gemini-2.0", Accepts(thinking={}, output_tokens=8192, schema_with_tools=False)),
    ("gemini-1.", Accepts(thinking={}, output_tokens=8192, schema_with_tools=False)),
    # Names that move on with the newest models.
    ("gemini-flash-", Accepts(temperature=False)),
    ("gemini-pro-", Accepts(temperature=False)),
)
_UNKNOWN = Accepts(output_tokens=None)


def accepts(model: str) -> Accepts:
    """What is known of a model, by its id with or without `models/`; of an unknown one everything is tried."""
    name = model.removeprefix("models/")
    return next((family for prefix, family in _FAMILIES if name.startswith(prefix)), _UNKNOWN)


def thinking_config(model: str, effort: str) -> dict[str, Any] | None:
    """The thinkingConfig for a reasoning effort; None when the model does not accept that effort."""
    known = accepts(model).thinking
    return {"thinkingLevel": effort.upper()} if known is None else known.get(effort)


def settings_of(agent: AgentConfig) -> Settings:
    """The agent's settings in its model's form."""
    fields: dict[str, Any] = {}
    refused: list[str] = []
    temperature, effort, thinking = agent.temperature, agent.reasoning_effort, None
    if temperature is not None and not accepts(agent.model).temperature:
        temperature = None
        refused.append("temperature")
    if temperature is not None:
        fields["temperature"] = temperature
    if effort is not None and (thinking := thinking_config(agent.model, effort)) is None:
        effort = None
        refused.append("reasoning_effort")
    if thinking is not None:
        fields["thinkingConfig"] = thinking
    return Settings(
        fields=fields,
        temperature=temperature,
        reasoning_effort=effort,
        thinking=thinking,
        not_accepted=tuple(refused),
    )
