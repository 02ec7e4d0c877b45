"""The `json` tool protocol: tools for models without native tool calling, as one constrained JSON object a turn."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from flatfield import json_text
from flatfield.records import ToolCall
from flatfield.signatures import signature

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.records import ToolResult, ToolSpec

GO_ON = (
    "Now do the next step of the task. If there is none left, reply with "
    '{"answer": "<the answer that the task asks for>"}.'
)
_FENCE = re.compile(r"```[A-Za-z]*\s*\n(.*?)\n?```", re.DOTALL)


def instructions(tools: Sequence[ToolSpec]) -> str:
    """What the system prompt says of the protocol: each tool with its arguments, and the two forms of a reply.

    There is no example of a call, as small models do the example again instead of their task: what is to be put in
    stands in angle brackets.
    """
    lines = [
        "The tools:",
        *(f"- {signature(tool).typed}: {tool.description}" for tool in tools),
        "",
        "Each of your replies is one JSON object and nothing else. It either calls one tool:",
        '{"tool": "<name of the tool>", "arguments": {"<name of the argument>": "<value>"}}',
        "or it is your final answer:",
        '{"answer": "<your answer>"}',
    ]
    return "\n".join(lines)


def schema(tools: Sequence[ToolSpec]) -> dict[str, Any]:
    """The JSON Schema that a reply is constrained to: one call of one tool, or the answer."""
    calls = [
        {
            "type": "object",
            "properties": {"tool": {"const": tool.name}, "arguments": tool.parameters},
            "required": ["tool", "arguments"],
            "additionalProperties": False,
        }
        for tool in tools
    ]
    answer = {
        "type": "object",
        "properties": {"answer": {"type": "string"}},
        "required": ["answer"],
        "additionalProperties": False,
    }
    return {"anyOf": [*calls, answer]}


def parse(text: str, turn: int) -> tuple[str, tuple[ToolCall, ...]]:
    """A reply's answer and calls.

    An answer that is no text counts as its JSON. A reply in neither form counts as a call of no tool, so that the model
    is told the right form and goes on.
    """
    try:
        step = json_text.decoded(_without_fence(text.strip()))
    except ValueError:
        step = None
    if isinstance(step, dict) and "answer" in step:
        return step["answer"] if isinstance(step["answer"], str) else _dump(step["answer"]), ()
    if isinstance(step, dict) and isinstance(step.get("tool"), str):
        arguments = _dump(step.get("arguments", {}))
        return "", (ToolCall(id=f"step_{turn}", name=step["tool"], arguments=arguments),)
    return "", (ToolCall(id=f"step_{turn}", name="", arguments=_dump(text)),)


def _without_fence(text: str) -> str:
    """The JSON in a Markdown code fence, which models put around it where no server holds them to a schema."""
    found = _FENCE.fullmatch(text)
    return found[1] if found else text


def results_text(results: Sequence[ToolResult]) -> str:
    """What the model reads after its call: the result and how to go on, or how to reply when it was not a call."""
    parts = []
    for result in results:
        if result.name:
            parts.append(f"{result.name} returned:\n{result.text}\n\n{GO_ON}")
        else:
            parts.append('Reply with {"tool": …, "arguments": {…}} or {"answer": "…"} only.')
    return "\n\n".join(parts)


def _dump(value: object) -> str:
    return msgspec.json.encode(value).decode()
