"""Parts a reply's text into reasoning and answer, where a server leaves a model's own marks of reasoning in it."""

from __future__ import annotations

import re

REASONING_TAGS = "think|thinking|thought|reasoning|seed:think"
"""What models put around their reasoning as tags, as a part of a regular expression."""
_OPENED = re.compile(
    r"\s*(?:<(think|seed:think)>|<(thinking|thought)>(?=.*</\2>)"
    r"|(\[THINK\])|(<\|START_THINKING\|>)|(<\|channel>thought\n))",
    re.DOTALL,
)
"""`<thinking>` and `<thought>` are words that an answer may begin with too: only what is closed counts."""
_CLOSES = {3: "[/THINK]", 4: "<|END_THINKING|>", 5: "<channel|>"}
"""What closes the marks that are no tags, by their group."""
_CLOSED_ONLY = re.compile(r"</(?:think|thinking|seed:think)>")
_NAMED_AFTER, _NAMED_BEFORE = re.compile(r"[ \t`'\")\].,;:!?]|\Z"), re.compile(r"[ \t`'\"(\[]\Z")
"""A tag between two of these is one that a text speaks of: `</think>`, or the end of a sentence."""
_BY_CHANNELS = re.compile(r"\s*(?:<\|start\|>assistant[^<]*)?<\|channel\|>")
_CHANNEL = re.compile(
    r"(?:<\|start\|>assistant(?P<first>[^<]*))?<\|channel\|>\s*(?P<channel>\w+)(?P<to>[^<]*)(?:<\|constrain\|>[^<]*)?<\|message\|>"
    r"(?P<text>.*?)(?P<end><\|end\|>|<\|return\|>|<\|call\|>|(?=<\|start\|>)|(?=<\|channel\|>)|\Z)",
    re.DOTALL,
)


def parted(text: str, told: str = "") -> tuple[str, str]:
    """The reasoning in a reply and what is left of its text, the answer; `told` is what its server told apart itself.

    Only what a reply begins with is reasoning: `<think>…</think>` and its like, to the end of the text where it is not
    closed; all before a `</think>` that nothing opens, as some templates open it in the prompt; and of a reply in
    Harmony's channels all but `final`. A channel that is addressed to somebody is a call, and stays in the text as it
    is. Marks that a text speaks of, or has elsewhere, are a part of it.
    """
    reasoning, answer = _parted(text)
    return "\n\n".join(filter(None, (told, reasoning))), answer


def _parted(text: str) -> tuple[str, str]:
    if _BY_CHANNELS.match(text):
        return _by_channels(text)
    if opened := _OPENED.match(text):
        close = _CLOSES.get(opened.lastindex or 0) or f"</{opened[opened.lastindex or 0]}>"
        reasoning, _, answer = text[opened.end() :].partition(close)
        return reasoning.strip(), answer.lstrip()
    closed = next((each for each in _CLOSED_ONLY.finditer(text) if not _is_named_only(text, each)), None)
    if closed and f"<{closed[0][2:]}" not in text[: closed.start()]:
        return text[: closed.start()].strip(), text[closed.end() :].lstrip()
    return "", text


def _is_named_only(text: str, tag: re.Match[str]) -> bool:
    return bool(_NAMED_BEFORE.search(text[: tag.start()][-1:]) and _NAMED_AFTER.match(text, tag.end()))


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
