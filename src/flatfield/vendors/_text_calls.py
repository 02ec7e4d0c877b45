"""Reads tool calls that a model wrote as text into calls of the tools that it was offered.

A call is read only where its name is that of an offered tool and its arguments fit that tool's schema: JSON that is an
answer stays one. What stands between a model's own marks is read, and beside it JSON with a name and arguments, bare or
fenced, and Python that is nothing but calls.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from flatfield import json_text
from flatfield.records import ToolCall
from flatfield.signatures import signature
from flatfield.vendors._call_forms import OPENS_CALL, Written, calls_of, json_at, marked_calls, python_calls

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from flatfield.records import ToolSpec
    from flatfield.vendors._call_forms import Marked

MOST_CHARACTERS = 256 * 1024
"""Of a longer text nothing is read: no model writes so long a call."""
MOST_STARTS = 256
"""In so many places of a text it is tried to read JSON: a text of nothing but brackets must not take long."""
_MADE_UP = re.compile(r"<tool_response>|<\|im_start\|>|<\|start_header_id\|>|<\|tool_response>|\[TOOL_RESULTS\]")
"""From here on a model writes the harness's part: what it calls after that rests on a result that it made up."""
_SCHEMAS_OWN = frozenset({"type", "properties", "required", "additionalProperties"})
"""Small models copy these from a tool's schema to among the arguments, with what the schema says of them."""
_JSON_START = re.compile(r'\{\s*["}]|\[\s*\{\s*"')
_CALL_START = re.compile(r'\{\s*"(?:name|tool|tool_name|function|type|tool_calls)"')
_PYTHON = re.compile(
    r"```(?:tool_code|python|py)?\s*\n(?P<fenced>[^`]+)```"
    r"|\A\s*(?P<whole>\[?\s*(?:default_api\.|functions\.)?[A-Za-z_]\w*\(.*\)\s*\]?)\s*\Z",
    re.DOTALL,
)
_PYTHON_WHOLE = re.compile(r"\s*\[?\s*(\w+)\(.*\)\s*\]?\s*\Z", re.DOTALL)
_BARE = re.compile(
    r"""["'](?:name|tool|tool_name|function)["']\s*:\s*["'](?:functions\.)?(\w+)["'][^{}]{0,200}"""
    r"""["'](?:arguments|parameters|args|input|tool_input)["']\s*:\s*["']?\{"""
)


class _Found(NamedTuple):
    """Calls as they stand in a text, from `start` to `end`."""

    start: int
    end: int
    calls: tuple[Written, ...]


def read_calls(text: str, tools: Sequence[ToolSpec], turn: int) -> tuple[ToolCall, ...]:
    """The calls of offered tools in a text whose arguments fit, in its order; `turn` makes their ids differ."""
    if len(text) > MOST_CHARACTERS:
        return ()
    made_up = _MADE_UP.search(text)
    whole = text[: made_up.start()] if made_up else text
    offered = {tool.name: tool for tool in tools}
    calls: list[ToolCall] = []
    for written in _written(whole):
        tool = offered.get(written.name)
        arguments = None if tool is None else _arguments(written, tool)
        if arguments is not None:
            text_of = msgspec.json.encode(arguments).decode()
            calls.append(ToolCall(id=f"text{turn:02d}{len(calls) + 1:03d}", name=written.name, arguments=text_of))
    return tuple(calls)


def looks_like_call(text: str, names: Collection[str]) -> bool:
    """Whether a text has the marks of a call, or JSON that names one of the tools that were offered."""
    named = _BARE.search(text) or _PYTHON_WHOLE.match(text)
    return bool(OPENS_CALL.search(text)) or (named is not None and named[1] in names)


def _written(text: str) -> Iterator[Written]:
    """All that has the form of a call, in the text's order; what lies within another one is part of it."""
    taken = 0
    marked = tuple(marked_calls(text))
    found = [*(_Found(*each) for each in marked), *_python(text), *_plain(text, marked)]
    for each in sorted(found, key=lambda one: one.start):
        if each.start >= taken:
            taken = each.end
            yield from each.calls


def _plain(text: str, marked: Sequence[Marked]) -> Iterator[_Found]:
    """JSON with a name and arguments, wherever it stands; JSON that cannot be read ends it: what follows lies in it."""
    position = 0
    for _ in range(MOST_STARTS):
        start = _JSON_START.search(text, position)
        if start is None:
            return
        covering = next((each.end for each in marked if each.start <= start.start() < each.end), None)
        if covering is not None:
            position = covering
            continue
        read = json_at(text, start.start())
        if read is None:
            if _CALL_START.match(text, start.start()):
                return
            position = start.start() + 1
            continue
        value, position = read
        calls = tuple(call for call in calls_of(value) if call.values is not None)
        if calls:
            yield _Found(start.start(), position, calls)


def _python(text: str) -> Iterator[_Found]:
    for found in _PYTHON.finditer(text):
        calls = python_calls(next(group for group in found.groups() if group))
        if calls:
            yield _Found(*found.span(), calls)


def _arguments(written: Written, tool: ToolSpec) -> Mapping[str, Any] | None:
    """The arguments of a call, by name; None where they are not what the tool takes."""
    asked = signature(tool)
    order = list(asked.types)
    if len(written.positional) > len(order):
        return None
    values = {**dict(zip(order, written.positional, strict=False)), **(written.values or {})}
    if written.are_texts:
        values = {
            name: value if asked.types.get(name, "string") in {"string", ""} else _json_or_text(value)
            for name, value in values.items()
        }
    echoed = {
        name for name in _SCHEMAS_OWN & values.keys() - asked.types.keys() if values[name] == tool.parameters.get(name)
    }
    values = {name: value for name, value in values.items() if name not in echoed}
    return values if asked.fits(values) else None


def _json_or_text(value: str) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return json_text.decoded(value)
    except ValueError:
        return value
