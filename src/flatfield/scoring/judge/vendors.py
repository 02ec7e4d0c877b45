"""Who made a model, as far as its name or its API tells: for asking whether a judge favours its own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flatfield.records import AgentConfig

_FAMILIES: Mapping[str, str] = {
    "openai": r"gpt|chatgpt|codex|davinci|o[134]",
    "anthropic": r"claude",
    "google": r"gemini|gemma",
    "meta": r"(?:code)?llama|tinyllama",
    "mistral": r"mistral|mixtral|ministral|magistral|codestral|devstral|pixtral",
    "alibaba": r"qwen|qwq",
    "deepseek": r"deepseek",
    "xai": r"grok",
    "microsoft": r"phi",
    "cohere": r"command|cohere",
    "huggingface": r"smollm",
    "zhipu": r"glm|chatglm",
    "moonshot": r"kimi|moonshot",
    "nvidia": r"nemotron",
    "ibm": r"granite",
    "amazon": r"nova|titan",
}
_PROVIDERS: Mapping[str, str] = {"openai": "openai", "anthropic": "anthropic", "gemini": "google"}
_PATTERNS = {
    vendor: re.compile(rf"(?<![a-z])(?:{family})(?![a-z])", re.IGNORECASE) for vendor, family in _FAMILIES.items()
}


def vendor_of(agent: AgentConfig) -> str | None:
    """The vendor by the model's name (its last path segment first), else by a vendor's own API; None: not known."""
    segments = reversed(re.split(r"[/\\]", agent.model))
    for segment in segments:
        found = [vendor for vendor, pattern in _PATTERNS.items() if pattern.search(segment)]
        if len(found) == 1:
            return found[0]
    return _PROVIDERS.get(agent.provider)
