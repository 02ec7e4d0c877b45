"""Reads what servers count and how they name calls, whatever types they use: numbers as texts, fractions, nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flatfield.records import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping


# The service tier that a reply's usage names, or what it names in its place that makes the reply dearer.


def tier_of(usage: Mapping[str, Any]) -> str:
    """As Anthropic's API names them, and doors to its models: a region and a speed other than the usual cost more."""
    speed, geo = str(usage.get("speed") or ""), str(usage.get("inference_geo") or "")
    dearer = [speed] if speed not in {"", "standard"} else []
    dearer += [f"inference_geo {geo}"] if geo not in {"", "global", "not_available"} else []
    return ", ".join(dearer) or str(usage.get("service_tier") or "")


MOST_TOKENS = 2**53


def tokens(fields: Any, name: str) -> int | None:  # noqa: ANN401 - what a server reports
    """A count by its name; None where it is missing, or is none."""
    value = fields.get(name) if isinstance(fields, dict) else None
    if value is None or (type(value) is int and 0 <= value < MOST_TOKENS):  # as nearly all are
        return value
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value)
    known = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < MOST_TOKENS
    return int(value) if known else None  # type: ignore[arg-type]


def first(fields: Any, *names: str) -> int | None:  # noqa: ANN401 - what a server reports
    """The first of some counts that is there."""
    return next((count for name in names if (count := tokens(fields, name)) is not None), None)


def plain(value: object) -> str:
    """An id or a word as text: 7 is "7"; "" for what can be neither."""
    return value if isinstance(value, str) else str(value) if type(value) in {int, float} else ""


def openai_usage(usage: Any) -> Usage | None:  # noqa: ANN401 - what a server reports
    """The tokens of a reply in the form of OpenAI's APIs; None when the server does not say how many went in and out.

    Servers count reasoning inside the completion (OpenAI) or beside it (xAI; Gemini behind such doors, which may
    name it nowhere). The total tells; where there is none, that a part cannot be more than the whole.
    """
    out, prompt = first(usage, "completion_tokens", "output_tokens"), first(usage, "prompt_tokens", "input_tokens")
    if out is None or prompt is None:
        return None
    total = tokens(usage, "total_tokens") or 0
    inward = usage.get("prompt_tokens_details") or usage.get("input_tokens_details")
    outward = usage.get("completion_tokens_details") or usage.get("output_tokens_details")
    reasoning = tokens(outward, "reasoning_tokens") or 0
    beside = max(0, total - prompt - out) if total else reasoning if reasoning > out else 0
    read, written = tokens(inward, "cached_tokens"), _written(usage, inward)
    return Usage(
        input_tokens=prompt,
        cache_read_tokens=read if read is not None else tokens(usage, "prompt_cache_hit_tokens") or 0,
        cache_write_tokens=written,
        cache_write_1h_tokens=min(written, _kept_for_an_hour(usage, inward)),
        output_tokens=out + beside,
        reasoning_tokens=max(reasoning, beside),
    )


def _written(usage: Any, details: Any) -> int:  # noqa: ANN401 - what a server reports
    """Tokens written to the cache: as OpenRouter, LiteLLM and doors to Anthropic's models call them."""
    named = (
        tokens(details, "cache_write_tokens"),
        tokens(details, "cache_creation_tokens"),
        tokens(usage, "cache_creation_input_tokens"),
    )
    return next((count for count in named if count), 0)


def _kept_for_an_hour(usage: Any, details: Any) -> int:  # noqa: ANN401 - what a server reports
    """Those of them that are kept for an hour, where the server tells them apart as Anthropic does."""
    apart = details.get("cache_creation_token_details") if isinstance(details, dict) else None
    return tokens(apart or usage.get("cache_creation"), "ephemeral_1h_input_tokens") or 0
