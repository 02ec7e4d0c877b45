"""Who made a model, as far as its name or its API tells: for asking whether a judge favours its own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from flatfield import plugins

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flatfield.records import AgentConfig

_OTHERS: Mapping[str, str] = {
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
"""Makers that no vendor states: their models are served by others."""


def maker_of(agent: AgentConfig) -> str | None:
    """The maker by the model's name (its last path segment first), else by a vendor's own API; None: not known."""
    known = tuple(_makes())
    for segment in reversed(re.split(r"[/\\]", agent.model)):
        found = {
            maker for maker, words in known if re.search(rf"(?<![a-z])(?:{words})(?![a-z])", segment, re.IGNORECASE)
        }
        if len(found) == 1:
            return found.pop()
    return plugins.traits_or_usual(agent.provider).maker or None


def _makes() -> Iterator[tuple[str, str]]:
    """Each maker, with a regular expression for the words in models' names that are its own."""
    yield from ((vendor.maker, vendor.makes) for vendor in plugins.all_traits() if vendor.maker and vendor.makes)
    yield from _OTHERS.items()
