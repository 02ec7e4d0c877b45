"""What a model wrote as text that is more than text: its marks of reasoning, and calls of the tools it was offered.

A call is read only where its name is that of an offered tool and its arguments fit that tool's schema: JSON that is an
answer stays one. What stands between a model's own marks is read, and beside it JSON with a name and arguments, bare or
fenced, and Python that is nothing but calls.
"""

from __future__ import annotations

import ast
import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from flatfield import json_text
from flatfield.records import ToolCall
from flatfield.signatures import signature

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from flatfield.records import ToolSpec


# Parts a reply's text into reasoning and answer, where a server leaves a model's own marks of reasoning in it.


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
_CHANNELS = re.compile(
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
    closed = next((each for each in _CLOSED_ONLY.finditer(text) if not _is_tag_in_words(text, each)), None)
    if closed and f"<{closed[0][2:]}" not in text[: closed.start()]:
        return text[: closed.start()].strip(), text[closed.end() :].lstrip()
    return "", text


def _is_tag_in_words(text: str, tag: re.Match[str]) -> bool:
    return bool(_NAMED_BEFORE.search(text[: tag.start()][-1:]) and _NAMED_AFTER.match(text, tag.end()))


def _by_channels(text: str) -> tuple[str, str]:
    reasoning: list[str] = []
    kept: list[str] = []
    last = 0
    for found in _CHANNELS.finditer(text):
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


# ---------------------------------------------------------------------------- tool calls


# The forms in which open models write tool calls as text, and where such calls stand: the one place that knows
# them.
#
# A server whose parser is not the model's leaves them in the reply. JSON with a name and arguments between a
# model's own marks (Hermes, Qwen, Llama, older Mistral, Granite, Phi, Nemotron); a name in front of JSON (Harmony
# of gpt-oss, newer Mistral, DeepSeek, Kimi, Llama's `<function=…>`); parameters as tags (Qwen3-Coder, MiniMax,
# DeepSeek 3.2, GLM); braces (Gemma 4); calls as Python writes them (Llama, Liquid, Gemma).


MOST_OPENINGS = 200
"""So many marks of a call are looked behind."""
_NAMES = ("name", "tool", "tool_name", "function")
_ARGUMENTS = ("arguments", "parameters", "args", "input", "tool_input")
_RESULTS = ("result", "output", "response")
"""An object that has one of these beside a name tells of a call that was made: it is none itself."""

MARKUP = (
    r"(?:<[|｜]{1,2}[\w/▁](?:[\w/▁.\- ]{0,38}[\w▁])?[|｜]{1,2}>"  # <|im_end|>, <|eot_id|>, <｜end▁of▁sentence｜>
    r"|</?[|｜]{1,2} ?DSML[|｜]{1,2} ?\w{1,40}(?: [^<>]{0,200})?>"
    r"|<\|(?:turn|channel|think|tool|tool_call|tool_response|image|audio|video)>"
    r"|<(?:turn|channel|think|tool|tool_call|tool_response|image|audio|video)\|>"
    r"|</?(?:start_of_turn|end_of_turn|bos|eos|sop|eop|start_function_call|end_function_call|start_function_response"
    r"|end_function_response|escape|extra_id_\d+|unused\d+|SPECIAL_\d+)>"
    r"|<\|\"\|>"
    r"|</?(?:seed|minimax):\w{1,40}>"
    r"|</?(?:tool_calls?|TOOLCALL|tool_response|tool_sep|function_calls?|arg_key|arg_value)>"
    r"|<(?:function|parameter)=[^<>\n]{1,80}>"
    r"|\[/?(?:INST|SYSTEM_PROMPT|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|AVAILABLE_TOOLS|gMASK)\]"
    r"|<</?SYS>>"
    r"|\]~!?b[\]\[]|\[e~\["
    r"|</s>(?=\s*(?:\Z|<s>|\[/?INST\]))|<s>(?=\s*\[INST\]))"
)
"""`<s>` is HTML too: only at the end of a text or beside another token is it a template's."""

_CHANNEL = "(?:commentary|analysis)"
_ADDRESSED = rf"<\|start\|>\s*assistant\s+to=|(?:<\|start\|>\s*assistant\s*)?<\|channel\|>\s*{_CHANNEL}\s+to="
"""What stands before a name in Harmony: gpt-oss calls in either channel."""

OPENS_CALL = re.compile(
    r"<tool_calls?>|<TOOLCALL>|<function_calls?>|<\|tool_calls?\|>|<\|tool_call>|<\|tool_call_start\|>|\[TOOL_CALLS\]"
    r"|<\|python_(?:tag|start)\|>|<function=|<invoke name=|<(?:minimax|seed):tool_call>|<start_function_call>"
    rf"|{_ADDRESSED}|<\|tool_calls_section_begin\|>"
    r"|<\|tool_call_begin\|>|<｜tool▁calls?▁begin｜>|<[|｜]{1,2} ?DSML[|｜]{1,2}|```tool_code\b|<\|action_start\|>"
)
MADE_UP = re.compile(
    r"<tool_response>|<\|im_start\|>|<\|start_header_id\|>|<\|tool_response>|\[TOOL_RESULTS\]|<\|start\|>\s*functions[.]"
)
"""From here on a model writes the harness's part: what it calls after that rests on a result that it made up."""
_FENCE = r"```(?:json|tool_code|python)?"
_WRAPPING = re.compile(
    rf"(?:\s|{_FENCE}|{_ADDRESSED}|function(?=<｜)"
    rf"|(?!<function=|<[|｜]+ ?DSML[|｜]+ ?invoke){MARKUP})*"
)
_NAME = r"(?:functions[.])?(?P<name>[A-Za-z_][\w.\-]*?)"
_NAMED = re.compile(
    rf"{_NAME}(?::\d+)?\s*(?:\[CALL_ID\]\s*\w+|\[ARGS\]|<\|constrain\|>\s*json|(?<=<\|channel\|>){_CHANNEL}"
    rf"|(?<=\s)\w+(?=<\|message\|>)|{_FENCE}|\s|(?!<arg_key>){MARKUP})*"
    r"(?=\{)"
)
_BLOCK = re.compile(
    r"""<(?:[|｜]{1,2} ?DSML[|｜]{1,2} ?)?(?:function=(?P<function>[\w.\-]+)|invoke name="(?P<invoke>[\w.\-]+)")>"""
    r"""(?P<body>.*?)</(?:[|｜]{1,2} ?DSML[|｜]{1,2} ?)?(?:function|invoke)>""",
    re.DOTALL,
)
_PARAMETER = re.compile(
    r"""<(?:[|｜]{1,2} ?DSML[|｜]{1,2} ?)?parameter(?:=| name=)"?(?P<name>[\w.\-]+)"?[^<>]*>(?P<value>.*?)"""
    r"""</(?:[|｜]{1,2} ?DSML[|｜]{1,2} ?)?parameter>""",
    re.DOTALL,
)
_KEYED = re.compile(
    rf"{_NAME}\s*(?:<tool_sep>\s*)?(?P<body>(?:<arg_key>.*?</arg_key>\s*<arg_value>.*?</arg_value>\s*)+|(?=</tool_call>))",
    re.DOTALL,
)
_KEY = re.compile(r"<arg_key>(?P<name>.*?)</arg_key>\s*<arg_value>(?P<value>.*?)</arg_value>", re.DOTALL)
_BRACED = re.compile(r"call:(?P<name>[\w.\-]+)\{(?P<body>.*?)\}(?=<)", re.DOTALL)
_FIELD = re.compile(
    r"""(?P<name>\w+):(?:<\|"\|>(?P<quoted>.*?)<\|"\|>|<escape>(?P<escaped>.*?)<escape>|(?P<bare>[^,{}]*))""", re.DOTALL
)
_PYTHONIC = re.compile(r"\[?\s*(?:default_api\.)?(?P<call>[A-Za-z_]\w*(?:\.call)?\([^\n]*\))\s*\]?")


_CLOSING = re.compile(rf"(?:\s*(?:```|(?!{OPENS_CALL.pattern}|{MADE_UP.pattern}){MARKUP}))*")


class WrittenCall(NamedTuple):
    """A call as it was written; `values` by argument, those in `positional` by their place.

    `values` None: none were written. `are_texts`: they are, whatever the tool's schema says.
    """

    name: str
    values: dict[str, Any] | None
    positional: tuple[Any, ...] = ()
    are_texts: bool = False


class Marked(NamedTuple):
    """Calls that stand between a model's marks, and where, the marks included."""

    start: int
    end: int
    calls: tuple[WrittenCall, ...]


def marked_calls(text: str) -> Iterator[Marked]:
    """All calls between marks, in the text's order."""
    done = 0
    for _ in range(MOST_OPENINGS):
        opened = OPENS_CALL.search(text, done)
        if opened is None:
            return
        wrapped = _WRAPPING.match(text, opened.start())
        begin = wrapped.end() if wrapped else opened.start()
        found = _calls_at(text, begin)
        if found is None:
            done = max(opened.end(), begin)
            continue
        closed = _CLOSING.match(text, found[1])
        done = closed.end() if closed else found[1]
        yield Marked(opened.start(), done, found[0])


def json_at(text: str, start: int) -> tuple[Any, int] | None:
    """The JSON value that begins there, and where it ends; None without one. Strings may hold raw line breaks."""
    try:
        value, end = json.JSONDecoder(strict=False).raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    return None if json_text.is_deeper(text[start:end]) else (value, end)


def calls_of(value: object) -> Iterator[WrittenCall]:
    """The calls that a JSON value is: one, a list of them, or what APIs wrap around."""
    if isinstance(value, list):
        for item in value:
            yield from calls_of(item) if isinstance(item, dict) else ()
        return
    if not isinstance(value, dict):
        return
    if any(key in value for key in _RESULTS):
        return
    if isinstance(value.get("tool_calls"), list):
        yield from calls_of(value["tool_calls"])
    elif isinstance(inner := value.get("function"), dict):
        yield from calls_of(inner)
    elif (name := next((value[key] for key in _NAMES if isinstance(value.get(key), str)), None)) is not None:
        arguments = next((value[key] for key in _ARGUMENTS if key in value), None)
        given = _as_object(arguments)
        if given is not None or arguments is None:
            yield WrittenCall(name.removeprefix("functions."), given)


def python_calls(code: str) -> tuple[WrittenCall, ...]:
    """Calls as Python writes them, of literals only; none where any of it is other code."""
    try:
        tree = ast.parse(code.strip())
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    calls = tuple(map(_python_call, _expressions(tree)))
    return () if None in calls else tuple(call for call in calls if call is not None)


def _calls_at(text: str, start: int) -> tuple[tuple[WrittenCall, ...], int] | None:
    """The calls that begin there, in whichever form, and where they end."""
    for read in (_from_json, _from_block, _from_keys, _from_braces, _from_name, _from_python):
        if found := read(text, start):
            return found
    return None


def _from_json(text: str, start: int) -> tuple[tuple[WrittenCall, ...], int] | None:
    """`{"name": …, "arguments": {…}}`, or a list of such."""
    read = json_at(text, start) if text[start : start + 1] in {"{", "["} else None
    calls = tuple(calls_of(read[0])) if read else ()
    return (calls, read[1]) if read and calls else None


def _from_name(text: str, start: int) -> tuple[tuple[WrittenCall, ...], int] | None:
    """`name{…}`, with one token or other between them."""
    named = _NAMED.match(text, start)
    read = json_at(text, named.end()) if named else None
    if named is None or read is None or not isinstance(read[0], dict):
        return None
    return (WrittenCall(named["name"], read[0]),), read[1]


def _from_block(text: str, start: int) -> tuple[tuple[WrittenCall, ...], int] | None:
    """`<function=name>…</function>` and `<invoke name="name">…</invoke>`, with parameters or with JSON."""
    block = _BLOCK.match(text, start)
    if block is None:
        return None
    name, read = block["function"] or block["invoke"], json_at(block["body"].strip(), 0)
    if read and isinstance(read[0], dict):
        return (WrittenCall(name, read[0]),), block.end()
    values = {each["name"]: _unbroken(each["value"]) for each in _PARAMETER.finditer(block["body"])}
    return (WrittenCall(name, values, are_texts=True),), block.end()


def _unbroken(value: str) -> str:
    """A value without the line breaks that a template puts on either side of it."""
    return value[1:].removesuffix("\n") if value.startswith("\n") else value


def _from_keys(text: str, start: int) -> tuple[tuple[WrittenCall, ...], int] | None:
    """`name<arg_key>…</arg_key><arg_value>…</arg_value>`."""
    keyed = _KEYED.match(text, start)
    if keyed is None:
        return None
    values = {each["name"]: each["value"] for each in _KEY.finditer(keyed["body"])}
    return (WrittenCall(keyed["name"], values, are_texts=True),), keyed.end()


def _from_braces(text: str, start: int) -> tuple[tuple[WrittenCall, ...], int] | None:
    """`call:name{key:value}`, its texts between tokens that stand for quotation marks."""
    braced = _BRACED.match(text, start)
    if braced is None:
        return None
    fields = _FIELD.finditer(braced["body"])
    values = {each["name"]: next(part for part in each.groups()[1:] if part is not None) for each in fields}
    return (WrittenCall(braced["name"], values, are_texts=True),), braced.end()


def _from_python(text: str, start: int) -> tuple[tuple[WrittenCall, ...], int] | None:
    """`name(key="value")`, also several in a list, or as `name.call(…)`."""
    found = _PYTHONIC.match(text, start)
    calls = python_calls(found[0]) if found else ()
    return (calls, found.end()) if found and calls else None


def _expressions(tree: ast.Module) -> Iterator[ast.AST]:
    for statement in tree.body:
        value: ast.AST = statement.value if isinstance(statement, ast.Expr) else statement
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "print" and value.args:
            value = value.args[0]  # as Gemma is taught
        yield from value.elts if isinstance(value, ast.List | ast.Tuple) else (value,)


def _python_call(node: ast.AST) -> WrittenCall | None:
    if not isinstance(node, ast.Call) or not (name := _python_name(node.func)):
        return None
    try:
        values = {word.arg or "": ast.literal_eval(word.value) for word in node.keywords}
        return WrittenCall(name, values, tuple(map(ast.literal_eval, node.args)))
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
        try:
            arguments = json_text.decoded(arguments)
        except ValueError:
            return None
    return arguments if isinstance(arguments, dict) else None


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
    calls: tuple[WrittenCall, ...]


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


def _written(text: str) -> Iterator[WrittenCall]:
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


def _arguments(written: WrittenCall, tool: ToolSpec) -> str | None:
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
