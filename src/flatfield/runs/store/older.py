"""Reads what older versions kept of a request: one table of all that was sent, by the APIs' own names."""

from __future__ import annotations

from typing import Any

REFUSED = "not accepted"
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
}
"""Which names the fields of `Sent` had; the others had their own."""


def upgraded(request: dict[str, Any], known: frozenset[str]) -> dict[str, Any]:
    """A request as `Sent` has it, whose fields are `known`; what none of them is for is among its parameters."""
    rest = {name: value for name, value in request.items() if value is not None}
    fields: dict[str, Any] = {"parameters": dict(rest.pop("parameters", {}))}
    refused: list[str] = list(rest.pop("not_accepted", ()))
    for name in sorted(known):
        for older in _FIELDS.get(name, (name,)):
            value = rest.pop(older, None)
            if value == REFUSED:
                refused.append(name)
            elif value is not None:
                fields.setdefault(name, value)
    if isinstance(fields.get("tools"), str):
        fields["tools"] = [fields["tools"]]
    return {**fields, "not_accepted": refused, "parameters": {**fields["parameters"], **rest}}
