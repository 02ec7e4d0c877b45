"""Reads what older versions kept of a request: one table of all that was sent, by the APIs' own names."""

from __future__ import annotations

from typing import Any, Final

from flatfield.records import Sent

REFUSED: Final = "not accepted"
MARK: Final = '"tool_names":'
"""Every such request of a vendor's has this key, and no newer one: within a text its quotes would be escaped."""
_FIELDS: dict[str, tuple[str, ...]] = {
    "base_url": ("base_url", "host"),
    "api_version": ("anthropic_version",),
    "answered_by": ("model_version",),
    "price_vendor": ("vendor",),
    "system": ("system_digest",),
    "system_words": ("system_prompt",),
    "tools": ("tool_names",),
    "output_cap_tokens": (
        "max_tokens",
        "max_output_tokens",
        "max_completion_tokens",
        "maxOutputTokens",
        "num_predict",
    ),
    "context_tokens": ("context_tokens", "num_ctx"),
    "reasoning_effort": ("reasoning_effort", "effort"),
    "thinking": ("thinking", "thinkingConfig", "think"),
    "parameters": (),
    "not_accepted": (),
}
"""Which names the fields of `Sent` had; the others had their own."""


def upgrade(record: Any) -> None:  # noqa: ANN401 - any JSON value
    """Put the requests of a trial's record into the form of `Sent`, in place; what is no such record is left alone."""
    turns = record.get("turns") if isinstance(record, dict) else None
    for turn in turns if isinstance(turns, list) else ():
        reply = turn.get("reply") if isinstance(turn, dict) else None
        request = reply.get("request") if isinstance(reply, dict) else None
        if isinstance(reply, dict) and isinstance(request, dict):
            reply["request"] = upgraded(request)


def upgraded(request: dict[str, Any]) -> dict[str, Any]:
    """A request as `Sent` has it; what none of its fields is for is among its parameters."""
    rest = {name: value for name, value in request.items() if value is not None}
    fields: dict[str, Any] = {}
    refused: list[str] = []
    for name in Sent.__struct_fields__:
        for older in _FIELDS.get(name, (name,)):
            value = rest.pop(older, None)
            if value == REFUSED:
                refused.append(name)
            elif value is not None:
                fields.setdefault(name, value)
    if isinstance(fields.get("tools"), str):
        fields["tools"] = [fields["tools"]]
    return {**fields, "not_accepted": refused, "parameters": rest}
