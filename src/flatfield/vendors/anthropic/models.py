"""What Anthropic's models accept, as data, and an agent's settings in the form that its model wants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flatfield.records import AgentConfig

NOT_ACCEPTED = "not accepted"
VERSION = "2026-10-21"
SAMPLING_VERSION = "2023-06-01"
"""The newest API version has no temperature; requests that set one are sent with the version that has it."""

BUDGETS: Mapping[str, int] = {"low": 1024, "medium": 4096, "high": 8192}
"""Thinking tokens for models whose thinking is set by a number. Ours: the vendor documents no levels for these."""
SMALLEST_BUDGET_TOKENS = 1024

_THREE = ("low", "medium", "high")
_FOUR = (*_THREE, "max")
_ALL = (*_THREE, "xhigh", "max")


class Traits(Struct, frozen=True, kw_only=True):
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


TRAITS = (
    Traits(name="claude-fable", max_output_tokens=128_000, off=""),
    Traits(name="claude-mythos", max_output_tokens=128_000, off=""),
    Traits(name="claude-opus-5-5", max_output_tokens=128_000, off=""),
    Traits(name="claude-sonnet-5-5", max_output_tokens=128_000, off="between_tools"),
    Traits(name="claude-opus-5", max_output_tokens=128_000),
    Traits(name="claude-sonnet-5", max_output_tokens=128_000),
    Traits(name="claude-haiku-5", max_output_tokens=128_000),
    Traits(name="claude-opus-4-8", max_output_tokens=128_000),
    Traits(name="claude-opus-4-7", max_output_tokens=128_000),
    Traits(name="claude-opus-4-6", max_output_tokens=128_000, efforts=_FOUR, temperature=True),
    Traits(name="claude-sonnet-4-6", max_output_tokens=128_000, efforts=_FOUR, temperature=True),
    Traits(name="claude-opus-4-5", max_output_tokens=64_000, thinking="budget", efforts=_THREE, temperature=True),
    Traits(name="claude-sonnet-4-5", max_output_tokens=64_000, thinking="budget", efforts=(), temperature=True),
    Traits(name="claude-haiku-4-5", max_output_tokens=64_000, thinking="budget", efforts=(), temperature=True),
    Traits(
        name="claude-opus-4",
        max_output_tokens=32_000,
        thinking="budget",
        efforts=(),
        temperature=True,
        structured=False,
    ),
    Traits(
        name="claude-sonnet-4",
        max_output_tokens=64_000,
        thinking="budget",
        efforts=(),
        temperature=True,
        structured=False,
    ),
    Traits(
        name="claude-3-7-sonnet",
        max_output_tokens=64_000,
        thinking="budget",
        efforts=(),
        temperature=True,
        structured=False,
    ),
    Traits(name="claude-3-5", max_output_tokens=8192, thinking="none", efforts=(), temperature=True, structured=False),
    Traits(name="claude-3-", max_output_tokens=4096, thinking="none", efforts=(), temperature=True, structured=False),
    Traits(name="claude", max_output_tokens=None),
    # Anybody's model behind a server that speaks this API: nothing is known of it but what such servers understand.
    Traits(name="", max_output_tokens=None, thinking="budget", efforts=(), temperature=True, structured=False),
)
"""First match wins. From the vendor's pages on models, effort and thinking, as of November 2026; a name that is not
listed is taken for a newer model of the vendor's, or for another's."""


class Settings(Struct, frozen=True, kw_only=True):
    """What an agent's settings become: `sent` with every request, and `noted` in the record instead of being sent.

    `budget_tokens`: thinking as a number of tokens, 0 for none; `cap_tokens`: the agent's and the model's output cap.
    """

    version: str
    sent: dict[str, Any]
    noted: dict[str, Any]
    budget_tokens: int
    cap_tokens: int | None


def traits_of(model: str) -> Traits:
    """The traits of a model by its id, also as other platforms write it (`anthropic/claude-opus-4.6`)."""
    name = model.lower().replace(".", "-")
    return next(traits for traits in TRAITS if traits.name in name)


def settings_of(agent: AgentConfig) -> Settings:
    """The agent's settings in its model's form; what the model does not take is noted as "not accepted"."""
    traits = traits_of(agent.model)
    sent, noted, budget_tokens = _effort(agent.reasoning_effort, traits)
    version = VERSION
    if agent.temperature is not None:
        thinks = budget_tokens or sent.get("thinking", {}).get("type") == "adaptive"
        if traits.temperature and not thinks:
            sent["temperature"] = agent.temperature
            version = SAMPLING_VERSION
        else:
            noted["temperature"] = NOT_ACCEPTED
    if agent.context_tokens is not None:
        noted["context_tokens"] = NOT_ACCEPTED
    caps = [cap for cap in (agent.max_output_tokens, traits.max_output_tokens) if cap is not None]
    return Settings(
        version=version,
        sent=sent,
        noted=noted,
        budget_tokens=budget_tokens,
        cap_tokens=min(caps) if caps else None,
    )


def _effort(effort: str | None, traits: Traits) -> tuple[dict[str, Any], dict[str, Any], int]:
    """A reasoning effort as (parameters, notes, thinking budget); "none" asks for no thinking."""
    if effort is None:
        return {}, {}, 0
    noted = {"reasoning_effort": effort}
    if effort == "none" and traits.off:
        return {"thinking": {"type": traits.off}}, noted, 0
    level = {"output_config": {"effort": effort}} if effort in traits.efforts else {}
    if traits.thinking == "adaptive" and level:
        return {"thinking": {"type": "adaptive"}, **level}, noted, 0
    if traits.thinking == "budget" and effort in BUDGETS:
        return level, noted, BUDGETS[effort]
    return {}, {"reasoning_effort": NOT_ACCEPTED}, 0


def thinking_tokens(budget_tokens: int, cap_tokens: int) -> int:
    """The thinking budget of one request: it must be smaller than the output cap, and 1024 or more; 0 for none."""
    if budget_tokens < cap_tokens:
        return budget_tokens
    half = cap_tokens // 2
    return half if half >= SMALLEST_BUDGET_TOKENS else 0
