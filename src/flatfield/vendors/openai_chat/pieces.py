"""The parts of a chat reply whose form differs between servers: content, reasoning details, usage, errors."""

from __future__ import annotations

from typing import Any

from flatfield.errors import ProviderError
from flatfield.http.replies import RETRIED, Passing
from flatfield.records import DeviceWork, Usage
from flatfield.vendors._counts import tokens

_FINAL_KINDS = ("invalid_request", "context_length", "exceed_context", "authentication", "permission", "not_found")
"""Beginnings of error types and codes that trying again does not change."""


def content_parts(content: Any) -> tuple[str, str]:  # noqa: ANN401 - a string, a list of parts, or nothing
    """Text and reasoning of a message's `content`, which is a string or a list of typed parts."""
    if isinstance(content, str):
        return content, ""
    text: list[str] = []
    thinking: list[str] = []
    for part in content if isinstance(content, list) else ():
        if isinstance(part, str):
            text.append(part)
        elif isinstance(part, dict) and isinstance(part.get("text"), str):
            text.append(part["text"])
        elif isinstance(part, dict) and "thinking" in part:
            thinking.append(content_parts(part["thinking"])[0])
    return "".join(text), "".join(thinking)


def merged_details(details: list[Any]) -> list[Any]:
    """Reasoning details as they must go back: pieces of one item, which share type and index, joined to that item."""
    whole: list[Any] = []
    for piece in details:
        last = whole[-1] if whole else None
        if not (isinstance(piece, dict) and isinstance(last, dict) and _of_one_item(last, piece)):
            whole.append(dict(piece) if isinstance(piece, dict) else piece)
            continue
        for name, value in piece.items():
            if name in {"text", "summary", "data"} and isinstance(value, str):
                last[name] = (last.get(name) or "") + value
            elif value is not None:
                last[name] = value
    return whole


def _of_one_item(last: dict[str, Any], piece: dict[str, Any]) -> bool:
    return all(last.get(name) == piece.get(name) for name in ("type", "index"))


def cost_of(usage: Any) -> float | None:  # noqa: ANN401 - what a server reports
    """What the server itself says a reply cost, in USD; None when it says nothing.

    OpenRouter's usage accounting: `cost` is what its account is charged, in credits of one dollar; with a key of the
    user's own (`is_byok`) that is its fee alone, and the vendor's bill stands in `cost_details`.
    """
    fields = usage if isinstance(usage, dict) else {}
    details = fields.get("cost_details")
    cost = _amount(fields.get("cost"))
    upstream = _amount(details.get("upstream_inference_cost")) if isinstance(details, dict) else None
    if fields.get("is_byok") is not True:
        return cost
    return None if cost is None or upstream is None else cost + upstream


def _amount(value: Any) -> float | None:  # noqa: ANN401 - what a server reports
    is_amount = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")
    return float(value) if is_amount else None


def timed_usage(timings: dict[str, Any]) -> Usage | None:
    """The tokens of a reply as far as it has come, by llama.cpp's `timings`, which stand in each piece of a stream."""
    read, written = tokens(timings, "prompt_n"), tokens(timings, "predicted_n")
    if read is None or written is None:
        return None
    cached = tokens(timings, "cache_n") or 0
    return Usage(input_tokens=cached + read, cache_read_tokens=cached, output_tokens=written)


def device_work(timings: dict[str, Any]) -> DeviceWork | None:
    """What a reply took on its device by the same `timings`; None where they are not there."""
    read_ms, written_ms = _amount(timings.get("prompt_ms")), _amount(timings.get("predicted_ms"))
    if read_ms is None or written_ms is None:
        return None
    return DeviceWork(
        read_tokens=tokens(timings, "prompt_n") or 0,
        read_seconds=read_ms / 1000,
        written_tokens=tokens(timings, "predicted_n") or 0,
        written_seconds=written_ms / 1000,
    )


def error_of(error: Any) -> Exception:  # noqa: ANN401 - servers put an object or a string here
    """An error inside a reply that began with 200: final when its code or its type is one that is final anywhere."""
    fields = error if isinstance(error, dict) else {}
    code = fields.get("code")
    status = int(code) if isinstance(code, int) or (isinstance(code, str) and code.isdecimal()) else None
    kinds = [str(fields.get(name) or "") for name in ("type", "code")]
    named = ", ".join(kind for kind in kinds if kind)
    said = f"{fields['message']} ({named})" if fields.get("message") and named else fields.get("message") or error
    text = f"the server reported an error in its reply: {said}"
    if status is None and any(kind.startswith(_FINAL_KINDS) for kind in kinds):
        status = 400
    if status is not None and 400 <= status < 500 and status not in RETRIED:
        return ProviderError(text, status=status)
    return Passing(text, status=status)
