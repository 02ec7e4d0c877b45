"""Reads tool calls that a model wrote as text, in the forms that open models are trained on.

A call is read only where its name is that of an offered tool and its arguments fit that tool's schema: JSON that is an
answer stays one. The forms: JSON with a name and arguments, bare, fenced or between a model's own marks (Hermes, Qwen,
Llama, older Mistral, Granite, Phi); a name in front of JSON (Harmony of gpt-oss, newer Mistral, DeepSeek, Kimi,
Llama's `<function=…>`); parameters as tags (Qwen3-Coder, MiniMax, GLM); calls as Python writes them (Llama 4, Gemma).
"""

from __future__ import annotations

import ast
import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from flatfield import json_text
from flatfield.records import ToolCall
from flatfield.signatures import signature

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from flatfield.records import ToolSpec

MOST_CHARACTERS = 256 * 1024
"""Of a longer text nothing is read: no model writes so long a call."""
MOST_STARTS = 256
"""In so many places of a text it is tried to read JSON: a text of nothing but brackets must not take long."""
_NAMES = ("name", "tool", "tool_name", "function")
_ARGUMENTS = ("arguments", "parameters", "args", "input", "tool_input")
_MADE_UP = re.compile(r"<tool_response>|<\|im_start\|>|<\|start_header_id\|>|<\|tool_response>|\[TOOL_RESULTS\]")
"""From here on a model writes the harness's part: what it calls after that rests on a result that it made up."""
_JSON_START = re.compile(r'\{\s*["}]|\[\s*\{\s*"')
_CALL_START = re.compile(r'\{\s*"(?:name|tool|tool_name|function|type|tool_calls)"')
_NAMED = re.compile(
    r"(?:to=(?:functions\.)?(?P<harmony>[\w.-]+)[^\n{}]{0,200}?<\|message\|>"
    r"|\[TOOL_CALLS\]\s*(?P<mistral>[\w.-]+)\s*(?:\[CALL_ID\]\w+)?\[ARGS\]"
    r"|<function=(?P<llama>[\w.-]+)>"
    r"|function<\uff5ctool\u2581sep\uff5c>(?P<deepseek>[\w.-]+)\s*```(?:json)?"
    r"|<\uff5ctool\u2581call\u2581begin\uff5c>(?P<newer>[\w.-]+)<\uff5ctool\u2581sep\uff5c>"
    r"|(?:functions\.)?(?P<kimi>[\w-]+):\d+\s*<\|tool_call_argument_begin\|>)\s*(?=\{)"
)
_TAGGED = (
    (re.compile(r"<function=([\w.-]+)>\s*(?!\s*\{)"), "</function>"),
    (re.compile(r'<invoke name="([\w.-]+)">'), "</invoke>"),
    (re.compile(r"<tool_call>\s*([\w.-]+)\s*(?=<arg_key>|</tool_call>)"), "</tool_call>"),
)
"""How a call begins whose arguments are tags, and how it ends: Qwen3-Coder, MiniMax, GLM."""
_PARAMETERS = (
    (re.compile(r"<parameter=([\w.-]+)>"), "</parameter>"),
    (re.compile(r'<parameter name="([\w.-]+)">'), "</parameter>"),
    (re.compile(r"<arg_key>([\w.-]+)</arg_key>\s*<arg_value>"), "</arg_value>"),
)
_PYTHON = re.compile(
    r"```(?:tool_code|python|py)?\s*\n(?P<fenced>[^`]+)```"
    r"|<\|python_tag\|>(?P<tagged>[A-Za-z_][^<]*)"
    r"|<\|tool_call_start\|>(?P<marked>(?:(?!<\|tool_call_end\|>).)*)"
    r"|\A\s*(?P<whole>\[?\s*(?:default_api\.|functions\.)?[A-Za-z_]\w*\(.*\)\s*\]?)\s*\Z",
    re.DOTALL,
)
_MARKS = re.compile(
    r"<tool_call>|<function[=_]|<\|tool_calls?|\[TOOL_CALLS\]|<\|python_tag\|>|<\|tool_call_start\|>|<invoke name="
    r"|<\|channel\|>\s*commentary\s+to=|to=functions\.|<[|\uff5c]tool[_\u2581]call|```tool_code"
)
_PYTHON_WHOLE = re.compile(r"\s*\[?\s*(\w+)\(.*\)\s*\]?\s*\Z", re.DOTALL)
_BARE = re.compile(
    r"""["'](?:name|tool|tool_name|function)["']\s*:\s*["'](?:functions\.)?(\w+)["'][^{}]{0,200}"""
    r"""["'](?:arguments|parameters|args|input|tool_input)["']\s*:\s*["']?\{"""
)


class _Found(NamedTuple):
    """A call as it stands in a text, from `start` to `end`; `arguments` as they were written, read from JSON."""

    start: int
    end: int
    name: str
    arguments: Any


def read_calls(text: str, tools: Sequence[ToolSpec], turn: int) -> tuple[ToolCall, ...]:
    """The calls of offered tools in a text whose arguments fit, in its order; `turn` makes their ids differ."""
    if len(text) > MOST_CHARACTERS:
        return ()
    made_up = _MADE_UP.search(text)
    whole = text[: made_up.start()] if made_up else text
    offered = {tool.name: tool for tool in tools}
    calls: list[ToolCall] = []
    for found in _found(whole, offered):
        tool = offered.get(found.name)
        arguments = _as_object(found.arguments)
        if tool is not None and arguments is not None and signature(tool).fits(arguments):
            written = msgspec.json.encode(arguments).decode()
            calls.append(ToolCall(id=f"text{turn:02d}{len(calls) + 1:03d}", name=tool.name, arguments=written))
    return tuple(calls)


def looks_like_call(text: str, names: Collection[str]) -> bool:
    """Whether a text has the marks of a call, or JSON that names one of the tools that were offered."""
    named = _BARE.search(text) or _PYTHON_WHOLE.match(text)
    return bool(_MARKS.search(text)) or (named is not None and named[1] in names)


def _found(text: str, offered: dict[str, ToolSpec]) -> Iterator[_Found]:
    """All that has the form of a call, in the text's order; what lies within another one is part of it."""
    taken = 0
    special = [*_named(text), *_tagged(text, offered), *_python(text, offered)]
    for each in sorted([*special, *_plain(text, special)], key=lambda call: call.start):
        if each.start >= taken:
            taken = each.end
            yield each


def _plain(text: str, special: Sequence[_Found]) -> Iterator[_Found]:
    """JSON with a name and arguments, wherever it stands; JSON that cannot be read ends it: what follows lies in it."""
    position = 0
    inside = [(each.start, each.end) for each in special]
    for _ in range(MOST_STARTS):
        start = _JSON_START.search(text, position)
        if start is None:
            return
        covering = next((end for begin, end in inside if begin <= start.start() < end), None)
        if covering is not None:
            position = covering
            continue
        value, end = _json_at(text, start.start())
        if end is None:
            if _CALL_START.match(text, start.start()):
                return
            position = start.start() + 1
            continue
        position = end
        for number, (name, arguments) in enumerate(_calls_in(value)):
            yield _Found(end if number else start.start(), end, name, arguments)


def _json_at(text: str, start: int) -> tuple[Any, int | None]:
    """The JSON value that begins there, and where it ends; None: there is none. Strings may hold raw line breaks."""
    try:
        value, end = json.JSONDecoder(strict=False).raw_decode(text, start)
    except (ValueError, RecursionError):
        return None, None
    return (None, None) if json_text.is_deeper(text[start:end]) else (value, end)


def _calls_in(value: object) -> Iterator[tuple[str, Any]]:
    """The calls that a JSON value is: one, a list of them, or what APIs wrap around."""
    if isinstance(value, list):
        for item in value:
            yield from _calls_in(item) if isinstance(item, dict) else ()
        return
    if not isinstance(value, dict):
        return
    if isinstance(value.get("tool_calls"), list):
        yield from _calls_in(value["tool_calls"])
    elif isinstance(inner := value.get("function"), dict):
        yield from _calls_in(inner)
    else:
        name = next((value[key] for key in _NAMES if isinstance(value.get(key), str)), None)
        arguments = next((value[key] for key in _ARGUMENTS if key in value), None)
        if name is not None and arguments is not None:
            yield name.removeprefix("functions."), arguments


def _named(text: str) -> Iterator[_Found]:
    """A name, and JSON behind it that is its arguments."""
    for found in _NAMED.finditer(text):
        value, end = _json_at(text, found.end())
        if end is not None:
            name = next(group for group in found.groups() if group)
            yield _Found(found.start(), end, name.removeprefix("functions."), value)


def _tagged(text: str, offered: dict[str, ToolSpec]) -> Iterator[_Found]:
    """A name, and its arguments as tags, whose values are text or, where the schema asks for more, JSON."""
    for (opening, closing), (parameter, parameter_end) in zip(_TAGGED, _PARAMETERS, strict=True):
        for name, body, start, end in _between(text, opening, closing):
            if (tool := offered.get(name)) is not None:
                types = {key: schema.get("type") for key, schema in tool.parameters.get("properties", {}).items()}
                arguments = {
                    key: _unbroken(value) if types.get(key, "string") == "string" else _json_or_text(value)
                    for key, value, _, _ in _between(body, parameter, parameter_end)
                }
                yield _Found(start, end, name, arguments)


def _unbroken(value: str) -> str:
    """A value without the line breaks that a template puts on either side of it."""
    return value[1:].removesuffix("\n") if value.startswith("\n") else value


def _between(text: str, opening: re.Pattern[str], closing: str) -> Iterator[tuple[str, str, int, int]]:
    """What stands between marks: the opening one's name, the text, where both begin and end; none without an end."""
    position = 0
    while found := opening.search(text, position):
        end = text.find(closing, found.end())
        if end < 0:
            return
        position = end + len(closing)
        yield found[1], text[found.end() : end], found.start(), position


def _json_or_text(value: str) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return json_text.decoded(value)
    except ValueError:
        return value


def _python(text: str, offered: dict[str, ToolSpec]) -> Iterator[_Found]:
    """Calls as Python writes them, of literals only; other code is an answer."""
    for found in _PYTHON.finditer(text):
        code = next(group for group in found.groups() if group)
        start, end = found.span()
        try:
            tree = ast.parse(code.strip())
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        calls = [_python_call(node, offered) for node in _expressions(tree)]
        if calls and None not in calls:
            for number, call in enumerate(filter(None, calls)):
                yield _Found(end if number else start, end, *call)


def _expressions(tree: ast.Module) -> Iterator[ast.AST]:
    for statement in tree.body:
        value: ast.AST = statement.value if isinstance(statement, ast.Expr) else statement
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "print" and value.args:
            value = value.args[0]  # as Gemma is taught
        yield from value.elts if isinstance(value, ast.List | ast.Tuple) else (value,)


def _python_call(node: ast.AST, offered: dict[str, ToolSpec]) -> tuple[str, dict[str, Any]] | None:
    if not isinstance(node, ast.Call):
        return None
    tool = offered.get(_python_name(node.func))
    order = list(tool.parameters.get("properties", {})) if tool else []
    if tool is None or len(node.args) > len(order):
        return None
    written = [*zip(order, node.args, strict=False), *((word.arg or "", word.value) for word in node.keywords)]
    try:
        return tool.name, {key: ast.literal_eval(value) for key, value in written}
    except (ValueError, TypeError, RecursionError, MemoryError):
        return None


def _python_name(function: ast.expr) -> str:
    """`read_file`, also of `functions.read_file` and of `read_file.call`, as Llama has it."""
    if isinstance(function, ast.Attribute):
        return _python_name(function.value) if function.attr == "call" else function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _as_object(arguments: object) -> dict[str, Any] | None:
    """Arguments as an object; one that was written as a JSON text once more is that object."""
    if isinstance(arguments, str):
        arguments = _json_or_text(arguments)
    return arguments if isinstance(arguments, dict) else None
