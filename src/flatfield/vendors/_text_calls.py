"""Reads tool calls that a model wrote as text into calls of the tools that it was offered.

A call is read only where its name is that of an offered tool and its arguments fit that tool's schema: JSON that is an
answer stays one. What stands between a model's own marks is read, and beside it JSON with a name and arguments, bare or
fenced, and Python that is nothing but calls.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from flatfield import json_text
from flatfield.records import ToolCall
from flatfield.signatures import signature
from flatfield.vendors._call_forms import MADE_UP, OPENS_CALL, Written, calls_of, json_at, marked_calls, python_calls

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from flatfield.records import ToolSpec
    from flatfield.vendors._call_forms import Marked

MOST_CHARACTERS = 256 * 1024
"""Of a longer text nothing is read: no model writes so long a call."""
MOST_STARTS = 256
"""In so many places of a text it is tried to read JSON: a text of nothing but brackets must not take long."""
_SCHEMAS_OWN = frozenset({"type", "properties", "required", "additionalProperties"})
"""Small models copy these from a tool's schema to among the arguments, with what the schema says of them."""
_JSON_START = re.compile(r'\{\s*["}]|\[\s*\{\s*"')
_CALL_START = re.compile(r'\{\s*"(?:name|tool|tool_name|function|type|tool_calls)"')
_PYTHON = re.compile(
    r"```(?:tool_code|python|py)?\s*\n(?P<fenced>[^`]+)```"
    r"|\A\s*(?P<whole>\[?\s*(?:default_api\.|functions\.)?[A-Za-z_]\w*\(.*\)\s*\]?)\s*\Z",
    re.DOTALL,
)
_PYTHON_WHOLE = re.compile(r"\s*(?:```\w*\s)?\s*\[?\s*(\w+)\(.*\)\s*\]?\s*(?:```\s*)?\Z", re.DOTALL)
_IN_PROSE = re.compile(r"\S.*(?<!`)`\Z", re.DOTALL)
"""What stands before JSON or a mark that a text only names, `like this`, in a sentence."""
_IN_CODE = re.compile(r"""(?:(?<!=)[=(]|["']\s*:|\breturn)\s*\Z""")
"""What stands before JSON that is a value in a program or in other JSON."""
_ALONE = re.compile(r"\s*(?:```\w*\s*)?(\{.*\})\s*(?:```\s*)?", re.DOTALL)
_LOOKED_BACK = 200
_HALF = re.compile("[\ud800-\udfff]")
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
    offered = {tool.name: tool for tool in tools}
    calls: list[ToolCall] = []
    for written in _written(text):
        tool = offered.get(written.name)
        arguments = None if tool is None else _arguments(written, tool)
        if arguments is not None:
            calls.append(ToolCall(id=f"text{turn:02d}{len(calls) + 1:03d}", name=written.name, arguments=arguments))
    return tuple(calls)


def looks_like_call(text: str, names: Collection[str]) -> bool:
    """Whether a text has a call's marks, a call of a tool that was offered, or is nothing but a call of any tool."""
    named = _BARE.search(text) or _PYTHON_WHOLE.match(text)
    if OPENS_CALL.search(text) or (named is not None and named[1] in names):
        return True
    return any(written.name in names for written in _written(text)) or _is_call_alone(text)


def _is_call_alone(text: str) -> bool:
    """Whether a text is one JSON object, in a fence or not, with a name and arguments and no more."""
    inner = _ALONE.fullmatch(text)
    if inner is None or len(text) > MOST_CHARACTERS:
        return False
    try:
        value = json_text.decoded(inner[1])
    except ValueError:
        return False
    if not isinstance(value, dict) or len(value) != 2 or not isinstance(value.get("name"), str):
        return False
    return isinstance(value.get("arguments", value.get("parameters")), dict)


def _written(text: str) -> Iterator[Written]:
    """All that has the form of a call, in the text's order; what lies within another one is part of it."""
    if len(text) > MOST_CHARACTERS:
        return
    taken = 0
    marked = tuple(marked_calls(text))
    made = (_Found(*each) for each in marked if not _is_named_only(text, each.start))
    found = [*made, *_python(text), *_plain(text, marked)]
    for each in sorted(found, key=lambda one: one.start):
        if each.start < taken:
            continue
        if MADE_UP.search(text, taken, each.start):
            return
        taken = each.end
        yield from each.calls


def _plain(text: str, marked: Sequence[Marked]) -> Iterator[_Found]:
    """JSON with a name and arguments, wherever it stands; a call that cannot be read covers what follows: its part."""
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
                next_marked = (each.start for each in marked if each.start > start.start())
                yield _Found(start.start(), next(next_marked, len(text)), ())
                return
            position = start.start() + 1
            continue
        value, position = read
        calls = tuple(call for call in calls_of(value) if call.values is not None)
        if calls and not _is_named_only(text, start.start()):
            yield _Found(start.start(), position, calls)


def _is_named_only(text: str, start: int) -> bool:
    """Whether a text speaks of what begins there, or programs with it, and does not call it."""
    before = text[max(0, start - _LOOKED_BACK) : start]
    return bool(_IN_CODE.search(before) or _IN_PROSE.search(before))


def _python(text: str) -> Iterator[_Found]:
    for found in _PYTHON.finditer(text):
        calls = python_calls(next(group for group in found.groups() if group))
        if calls:
            yield _Found(*found.span(), calls)


def _arguments(written: Written, tool: ToolSpec) -> str | None:
    """The arguments of a call as JSON; None where they are not what the tool takes."""
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
    echoed = _SCHEMAS_OWN & values.keys() - asked.types.keys()
    values = {name: value for name, value in values.items() if name not in echoed or value != tool.parameters.get(name)}
    text = _as_json(values)
    return text if text is not None and asked.fits(json.loads(text)) else None


def _as_json(values: Mapping[str, Any]) -> str | None:
    """Half a character stays an escape, which the tool refuses as in a native call; None: JSON has no such value."""
    try:
        text = json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return json.dumps(values) if _HALF.search(text) else text
    except (TypeError, ValueError, RecursionError):
        return None


def _json_or_text(value: str) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return json_text.decoded(value)
    except ValueError:
        return value
