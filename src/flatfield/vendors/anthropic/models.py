"""What Anthropic's models accept, as data, and an agent's settings in the form that its model wants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

from flatfield.vendors import base

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flatfield.records import AgentConfig

VERSION = "2026-10-21"
SAMPLING_VERSION = "2023-06-01"
"""The newest API version has no temperature; requests that set one are sent with the version that has it."""

BUDGETS: Mapping[str, int] = {"low": 1024, "medium": 4096, "high": 8192}
"""Thinking tokens for models whose thinking is set by a number. Ours: the vendor documents no levels for these."""
SMALLEST_BUDGET_TOKENS = 1024

_THREE = ("low", "medium", "high")
_FOUR = (*_THREE, "max")
_ALL = (*_THREE, "xhigh", "max")


class Accepts(Struct, frozen=True, kw_only=True):
    """What a generation of models accepts; `name` is a part of its models' ids.

    `thinking`: how it is turned on (with an effort, with a number of tokens, not at all); `off`: the word that turns
    it off, "" where nothing does; `efforts`: the levels of `output_config.effort`.
    """

    name: str
    max_output_tokens: int | None
    thinking: Literal["adaptive", "budget", "none"] = "adaptive"
    efforts: tuple[str, ...] = _ALL
    off: Literal["disabled", "between_tools", ""] = "disabled"
    temperature: bool = False
    structured: bool = True


MODELS = (
    Accepts(name="claude-fable", max_output_tokens=128_000, off=""),
    Accepts(name="claude-mythos", max_output_tokens=128_000, off=""),
    Accepts(name="claude-opus-5-5", max_output_tokens=128_000, off=""),
    Accepts(name="claude-sonnet-5-5", max_output_tokens=128_000, off="between_tools"),
    Accepts(name="claude-opus-5", max_output_tokens=128_000),
    Accepts(name="claude-sonnet-5", max_output_tokens=128_000),
    Accepts(name="claude-haiku-5", max_output_tokens=128_000),
    Accepts(name="claude-opus-4-8", max_output_tokens=128_000),
    Accepts(name="claude-opus-4-7", max_output_tokens=128_000),
    Accepts(name="claude-opus-4-6", max_output_tokens=128_000, efforts=_FOUR, temperature=True),
    Accepts(name="claude-sonnet-4-6", max_output_tokens=128_000, efforts=_FOUR, temperature=True),
    Accepts(name="claude-opus-4-5", max_output_tokens=64_000, thinking="budget", efforts=_THREE, temperature=True),
    Accepts(name="claude-sonnet-4-5", max_output_tokens=64_000, thinking="budget", efforts=(), temperature=True),
    Accepts(name="claude-haiku-4-5", max_output_tokens=64_000, thinking="budget", efforts=(), temperature=True),
    Accepts(
        name="claude-opus-4",
        max_output_tokens=32_000,
        thinking="budget",
        efforts=(),
        temperature=True,
        structured=False,
    ),
    Accepts(
        name="claude-sonnet-4",
        max_output_tokens=64_000,
        thinking="budget",
        efforts=(),
        temperature=True,
        structured=False,
    ),
    Accepts(
        name="claude-3-7-sonnet",
        max_output_tokens=64_000,
        thinking="budget",
        efforts=(),
        temperature=True,
        structured=False,
    ),
    Accepts(name="claude-3-5", max_output_tokens=8192, thinking="none", efforts=(), temperature=True, structured=False),
    Accepts(name="claude-3-", max_output_tokens=4096, thinking="none", efforts=(), temperature=True, structured=False),
    Accepts(name="claude", max_output_tokens=None),
    # Anybody's model behind a server that speaks this API: nothing is known of it but what such servers understand.
    Accepts(name="", max_output_tokens=None, thinking="budget", efforts=(), temperature=True, structured=False),
)
"""First match wins. From the vendor's pages on models, effort and thinking, as of November 2026; a name that is not
listed is taken for a newer model of the vendor's, or for another's."""


def accepts_of(model: str) -> Accepts:
    """What is known of a model by its id, also as other platforms write it (`anthropic/claude-opus-4.6`)."""
    name = model.lower().replace(".", "-")
    return next(accepts for accepts in MODELS if accepts.name in name)


def settings_of(agent: AgentConfig) -> base.Settings:
    """The agent's settings in its model's form; a thinking budget, which depends on the output cap, is left out."""
    accepts = accepts_of(agent.model)
    effort, budget_tokens = agent.reasoning_effort, thinking_budget(agent)
    fields = _effort(effort, accepts)
    refused: list[str] = []
    if effort is not None and not fields and not budget_tokens:
        effort = None
        refused.append("reasoning_effort")
    temperature = agent.temperature
    thinks = budget_tokens or fields.get("thinking", {}).get("type") == "adaptive"
    if temperature is not None and (thinks or not accepts.temperature):
        temperature = None
        refused.append("temperature")
    if temperature is not None:
        fields["temperature"] = temperature
    return base.Settings(
        fields=fields,
        temperature=temperature,
        reasoning_effort=effort,
        thinking=fields.get("thinking"),
        not_accepted=tuple(refused),
    )


def api_version(agent: AgentConfig) -> str:
    """The API version that takes the agent's settings."""
    return VERSION if settings_of(agent).temperature is None else SAMPLING_VERSION


def thinking_budget(agent: AgentConfig) -> int:
    """Thinking as a number of tokens, for models whose thinking is set so; 0 for none."""
    return BUDGETS.get(agent.reasoning_effort or "", 0) if accepts_of(agent.model).thinking == "budget" else 0


def _effort(effort: str | None, accepts: Accepts) -> dict[str, Any]:
    """A reasoning effort as fields of the request; "none" asks for no thinking."""
    if effort is None:
        return {}
    if effort == "none" and accepts.off:
        return {"thinking": {"type": accepts.off}}
    level = {"output_config": {"effort": effort}} if effort in accepts.efforts else {}
    if accepts.thinking == "adaptive" and level:
        return {"thinking": {"type": "adaptive"}, **level}
    return level if accepts.thinking == "budget" and effort in BUDGETS else {}


def thinking_tokens(budget_tokens: int, cap_tokens: int) -> int:
    """The thinking budget of one request: it must be smaller than the output cap, and 1024 or more; 0 for none."""
    if budget_tokens < cap_tokens:
        return budget_tokens
    half = cap_tokens // 2
    return half if half >= SMALLEST_BUDGET_TOKENS else 0
