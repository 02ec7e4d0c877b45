"""Parts a reply's text into reasoning and answer, where a server leaves a model's own marks of reasoning in it."""

from __future__ import annotations

import re

REASONING_TAGS = "think|thinking|thought|reasoning|seed:think"
"""What models put around their reasoning as tags, as a part of a regular expression."""
_OPENED = re.compile(rf"\s*(?:<({REASONING_TAGS})>|(\[THINK\])|(<\|START_THINKING\|>))")
_CLOSED_ONLY = re.compile(r"</(?:think|thinking|seed:think)>")
_CHANNEL = re.compile(
    r"(?:<\|start\|>assistant(?P<first>[^<]*))?<\|channel\|>\s*(?P<channel>\w+)(?P<to>[^<]*)(?:<\|constrain\|>[^<]*)?<\|message\|>"
    r"(?P<text>.*?)(?P<end><\|end\|>|<\|return\|>|<\|call\|>|(?=<\|start\|>)|(?=<\|channel\|>)|\Z)",
    re.DOTALL,
)


def parted(text: str, told: str = "") -> tuple[str, str]:
    """The reasoning in a reply and what is left of its text, the answer; `told` is what its server told apart itself.

    Only what a reply begins with is reasoning: `<think>…</think>` and its like, to the end of the text where it is not
    closed; all before a `</think>` that nothing opens, as some templates open it in the prompt; and of Harmony's
    channels all but `final`. A channel that is addressed to somebody is a call, and stays in the text as it is.
    """
    reasoning, answer = _parted(text)
    return "\n\n".join(filter(None, (told, reasoning))), answer


def _parted(text: str) -> tuple[str, str]:
    if "<|channel|>" in text:
        return _by_channels(text)
    if opened := _OPENED.match(text):
        close = f"</{opened[1]}>" if opened[1] else "[/THINK]" if opened[2] else "<|END_THINKING|>"
        reasoning, _, answer = text[opened.end() :].partition(close)
        return reasoning.strip(), answer.lstrip()
    if "</" in text and (closed := _CLOSED_ONLY.search(text)) and f"<{closed[0][2:]}" not in text[: closed.start()]:
        return text[: closed.start()].strip(), text[closed.end() :].lstrip()
    return "", text


def _by_channels(text: str) -> tuple[str, str]:
    reasoning: list[str] = []
    kept: list[str] = []
    last = 0
    for found in _CHANNEL.finditer(text):
        kept.append(text[last : found.start()])
        last = found.end()
        if "to=" in (found["first"] or "") or "to=" in found["to"]:
            kept.append(found[0])
        elif found["channel"] == "final":
            kept.append(found["text"])
        else:
            reasoning.append(found["text"].strip())
    kept.append(text[last:])
    return "\n\n".join(filter(None, reasoning)), "".join(kept).strip()
