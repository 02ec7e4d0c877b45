"""Makes neutral what tells a model's family by its form: control tokens, reasoning tags, calls written as text, ids.

Every chat template has tokens of its own, and a server whose parser is not the model's leaves them in the text. What
the task itself holds of them was given to every agent, tells nothing, and stays.
"""

from __future__ import annotations

import ast
import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from flatfield.records import TrialRecord

TOKEN = "[control token]"  # noqa: S105 - what stands for a token of a template
REASONING, REASONED = "[reasoning]", "[end of reasoning]"
CALL, CALLED = "[tool call]", "[end of tool call]"
_EDGE_CHARACTERS = 200_000
_LEAST_ID_CHARACTERS = 6
_CALLS_READ = 200

_MARKUP = (
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
_ROLE = r"(?:assistant|model|user|system|developer|tool|ipython|ai|analysis|final|commentary|json)"
_ONE = re.compile(_MARKUP)
_RUN = re.compile(rf"{_MARKUP}(?:\s*(?:{_ROLE}\b\s*)?{_MARKUP})*(?:{_ROLE}(?=[ \t]*(?:\n|\Z)))?")
_RUN_ON_A_LINE = re.compile(rf"{_MARKUP}(?:(?:{_ROLE}\b)?{_MARKUP})*(?:{_ROLE}(?=[ \t]*(?:\n|\Z)))?")
_TAGS = r"(?:think|thinking|thoughts?|reasoning|reflection|seed:think|mm:think)"
_CHANNEL = r"(?:<\|start\|>\s*assistant\s*)?<\|channel\|>\s*analysis\s*<\|message\|>"
_CHANNEL_REASONING = re.compile(rf"{_CHANNEL}(.*?)<\|end\|>", re.DOTALL)
_OPENS = re.compile(
    rf"<{_TAGS}>|\[THINK\]|◁think▷|<\|START_THINKING\|>|<\|begin_of_thought\|>|{_CHANNEL}|<\|channel>\s*thought\b"
)
_CLOSES = re.compile(
    rf"</{_TAGS}>|\[/THINK\]|◁/think▷|<\|END_THINKING\|>|<\|end_of_thought\|>|<channel\|>|<｜end▁of▁thinking｜>"
)
_EMPTY = re.compile(rf"{re.escape(REASONING)}\s*{re.escape(REASONED)}")
_BEFORE = re.compile(rf"(?:{re.escape(TOKEN)}\s*)+(?={re.escape(CALL)}|{re.escape(REASONING)})")
_AFTER = re.compile(rf"({re.escape(CALLED)}|{re.escape(REASONED)})(?:\s*{re.escape(TOKEN)})+")
_AROUND = re.compile(rf"\s*({'|'.join(map(re.escape, (TOKEN, REASONING, REASONED, CALL, CALLED)))})\s*")

_OPENS_CALL = re.compile(
    r"<tool_calls?>|<TOOLCALL>|<function_calls?>|<\|tool_calls?\|>|<\|tool_call>|<\|tool_call_start\|>|\[TOOL_CALLS\]"
    r"|<\|python_(?:tag|start)\|>|<function=|<invoke name=|<(?:minimax|seed):tool_call>|<start_function_call>"
    r"|(?:<\|start\|>\s*assistant\s*)?<\|channel\|>\s*commentary to=|<\|tool_calls_section_begin\|>"
    r"|<\|tool_call_begin\|>|<｜tool▁calls?▁begin｜>|<[|｜]{1,2} ?DSML[|｜]{1,2}|```tool_code\b|<\|action_start\|>"
)
_FENCE = r"```(?:json|tool_code|python)?"
_WRAPPING = re.compile(
    rf"(?:\s|{_FENCE}|(?:<\|start\|>\s*assistant\s*)?<\|channel\|>\s*commentary\s+to=|function(?=<｜)"
    rf"|(?!<function=|<[|｜]+ ?DSML[|｜]+ ?invoke){_MARKUP})*"
)
_NAME = r"(?:functions[.])?(?P<name>[A-Za-z_][\w.\-]*?)"
_NAMED = re.compile(
    rf"{_NAME}(?::\d+)?\s*(?:\[CALL_ID\]\s*\w+|\[ARGS\]|<\|constrain\|>\s*json|{_FENCE}|\s|(?!<arg_key>){_MARKUP})*"
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
    rf"{_NAME}\s*(?:<tool_sep>\s*)?(?P<body>(?:<arg_key>.*?</arg_key>\s*<arg_value>.*?</arg_value>\s*)+)", re.DOTALL
)
_KEY = re.compile(r"<arg_key>(?P<name>.*?)</arg_key>\s*<arg_value>(?P<value>.*?)</arg_value>", re.DOTALL)
_BRACED = re.compile(r"call:(?P<name>[\w.\-]+)\{(?P<body>.*?)\}(?=<)", re.DOTALL)
_FIELD = re.compile(
    r"""(?P<name>\w+):(?:<\|"\|>(?P<quoted>.*?)<\|"\|>|<escape>(?P<escaped>.*?)<escape>|(?P<bare>[^,{}]*))""", re.DOTALL
)
_PYTHONIC = re.compile(r"\[?\s*(?:default_api\.)?(?P<call>[A-Za-z_]\w*(?:\.call)?\([^\n]*\))\s*\]?")

_ID = re.compile(
    r"\b(?:(?:srv)?toolu_\w{4,}|tooluse_[\w-]{8,}|chatcmpl-(?:tool-)?[A-Za-z0-9-]{4,}|function-call-\d{3,}"
    r"|(?:call|msg|resp|rs|fc|gen)[_-](?=[A-Za-z-]*\d|[a-z-]*[A-Z])[A-Za-z0-9-]{8,}|functions\.\w+:\d+)(?![\w-])"
)
"""Ids of calls and replies: each is the fashion of one vendor or server."""
_NAMESPACE = re.compile(r"\b(?:functions|default_api)[.:](?=[A-Za-z_])")


def forms_in(texts: Iterable[str]) -> frozenset[str]:
    """The tokens, tags and ids that these texts hold."""
    patterns = (_ONE, _OPENS, _CLOSES, _ID)
    return frozenset(match[0] for text in texts for pattern in patterns for match in pattern.finditer(text))


class Forms:
    """Makes one trial's texts neutral."""

    def __init__(self, given: frozenset[str] = frozenset(), trial: TrialRecord | None = None) -> None:
        """`given`: the forms that every agent was given (`forms_in`), which stay. `trial`: whose calls' ids go."""
        self._given = given
        self._reads_calls = not any(map(_OPENS_CALL.match, given))
        self._ids = _own_ids(trial)
        known = sorted(self._ids, key=len, reverse=True)
        self._known = re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, known))})(?![\w-])") if known else None

    def said(self, text: str) -> str:
        """What an agent said, in the form in which any model would have said it.

        Calls and reasoning are told as such, a run of tokens is one, with one space around it.
        """
        return self._by_edges(text, self._said)

    def made(self, text: str) -> str:
        """What an agent wrote into files and calls, where line ends mean something: only tokens, tags and ids."""
        return self._by_edges(text, self._made)

    def name(self, text: str) -> str:
        """A tool's name as the agent called it, without a model's own name space before it."""
        return _NAMESPACE.sub("", self.made(text))

    def _by_edges(self, text: str, neutral: Callable[[str], str]) -> str:
        """Of a very long text, whose middle is cut out anyway, only the edges."""
        if len(text) <= 2 * _EDGE_CHARACTERS:
            return neutral(text)
        middle = text[_EDGE_CHARACTERS:-_EDGE_CHARACTERS]
        return f"{neutral(text[:_EDGE_CHARACTERS])}{middle}{neutral(text[-_EDGE_CHARACTERS:])}"

    def _said(self, text: str) -> str:
        was = text
        text = self._reasoning(self._numbered(_with_calls(text) if self._reads_calls else text))
        text = _RUN.sub(self._run, text)
        text = _EMPTY.sub("", _NAMESPACE.sub("", text) if CALL in text else text)
        if text == was:
            return text
        text = _AFTER.sub(r"\1", _BEFORE.sub("", text))
        return _AROUND.sub(r" \1 ", text).strip()

    def _made(self, text: str) -> str:
        return _RUN_ON_A_LINE.sub(self._run, self._reasoning(self._numbered(text)))

    def _reasoning(self, text: str) -> str:
        if "<|channel|>" not in self._given:
            text = _CHANNEL_REASONING.sub(rf"{REASONING}\1{REASONED}", text)
        opened = _OPENS.sub(lambda match: match[0] if match[0] in self._given else REASONING, text)
        return _CLOSES.sub(lambda match: match[0] if match[0] in self._given else REASONED, opened)

    def _run(self, match: re.Match[str]) -> str:
        tokens = {each[0] for each in _ONE.finditer(match[0])}
        if tokens & self._given:
            return _ONE.sub(lambda each: each[0] if each[0] in self._given else TOKEN, match[0])
        return TOKEN

    def _numbered(self, text: str) -> str:
        """Ids by the place of their call; one of no call of this trial has no number."""
        if self._known:
            text = self._known.sub(lambda match: self._ids[match[0]], text)
        return _ID.sub(lambda match: match[0] if match[0] in self._given else "call_id", text)


def _own_ids(trial: TrialRecord | None) -> Mapping[str, str]:
    """The neutral name of each id of a trial's calls; one that may be a word or a number is none."""
    found: dict[str, str] = {}
    for number, call in enumerate((call for turn in trial.turns for call in turn.reply.calls) if trial else (), 1):
        if len(call.id) >= _LEAST_ID_CHARACTERS and re.search(r"\d", call.id) and re.search(r"[^\W\d]", call.id):
            found.setdefault(call.id, f"call_{number}")
    return found


def _with_calls(text: str) -> str:
    """`text` with each call that was written as text in one form: its name, and an argument a line."""
    parts: list[str] = []
    done = 0
    for _ in range(_CALLS_READ):
        opened = _OPENS_CALL.search(text, done)
        if opened is None:
            break
        wrapped = _WRAPPING.match(text, opened.start())
        found = _calls_at(text, wrapped.end() if wrapped else opened.start())
        if found is None:
            parts.append(text[done : opened.end()])
            done = opened.end()
        else:
            calls, end = found
            parts.append(text[done : opened.start()])
            parts += [_told(name, values) for name, values in calls]
            closed = re.compile(rf"(?:\s*(?:```|(?!{_OPENS_CALL.pattern}){_MARKUP}))*").match(text, end)
            done = closed.end() if closed else end
    return "".join((*parts, text[done:]))


_Call = tuple[str, "Mapping[str, Any]"]


def _told(name: str, values: Mapping[str, Any]) -> str:
    lines = (f"{key}: {value if isinstance(value, str) else json.dumps(value)}" for key, value in values.items())
    return "\n".join((f"{CALL} {name}", *lines, CALLED))


def _calls_at(text: str, start: int) -> tuple[Sequence[_Call], int] | None:
    """The calls that begin there, in whichever form, and where they end."""
    if text[start : start + 1] in {"{", "["} and (found := _from_json(text, start)):
        return found
    for read in (_from_block, _from_keys, _from_braces, _from_name, _from_python):
        if found := read(text, start):
            return found
    return None


def _json_at(text: str, start: int) -> tuple[Any, int] | None:
    try:
        return json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError):
        return None


def _values_of(call: dict[str, Any]) -> Any:  # noqa: ANN401 - whatever JSON holds
    return next((call[key] for key in ("arguments", "parameters", "args", "input") if key in call), {})


def _from_json(text: str, start: int) -> tuple[Sequence[_Call], int] | None:
    """`{"name": …, "arguments": {…}}`, or a list of such."""
    read = _json_at(text, start)
    if read is None:
        return None
    calls = [
        (name, values)
        for each in (read[0] if isinstance(read[0], list) else [read[0]])
        if isinstance(each, dict) and isinstance(name := each.get("name"), str)
        if isinstance(values := _values_of(each), dict)
    ]
    return (calls, read[1]) if calls else None


def _from_name(text: str, start: int) -> tuple[Sequence[_Call], int] | None:
    """`name{…}`, with one token or other between them."""
    named = _NAMED.match(text, start)
    read = _json_at(text, named.end()) if named else None
    if named is None or read is None or not isinstance(read[0], dict):
        return None
    return [(named["name"], read[0])], read[1]


def _from_block(text: str, start: int) -> tuple[Sequence[_Call], int] | None:
    """`<function=name>…</function>` and `<invoke name="name">…</invoke>`, with parameters or with JSON."""
    block = _BLOCK.match(text, start)
    if block is None:
        return None
    read = _json_at(block["body"].strip(), 0)
    values: dict[str, Any] = {each["name"]: each["value"].strip("\n") for each in _PARAMETER.finditer(block["body"])}
    if read and isinstance(read[0], dict):
        values = read[0]
    return [(block["function"] or block["invoke"], values)], block.end()


def _from_keys(text: str, start: int) -> tuple[Sequence[_Call], int] | None:
    """`name<arg_key>…</arg_key><arg_value>…</arg_value>`."""
    keyed = _KEYED.match(text, start)
    if keyed is None:
        return None
    return [(keyed["name"], {each["name"]: each["value"] for each in _KEY.finditer(keyed["body"])})], keyed.end()


def _from_braces(text: str, start: int) -> tuple[Sequence[_Call], int] | None:
    """`call:name{key:value}`, its texts between tokens that stand for quotation marks."""
    braced = _BRACED.match(text, start)
    if braced is None:
        return None
    fields = _FIELD.finditer(braced["body"])
    values = {each["name"]: next(part for part in each.groups()[1:] if part is not None) for each in fields}
    return [(braced["name"], values)], braced.end()


def _from_python(text: str, start: int) -> tuple[Sequence[_Call], int] | None:
    """`name(key="value")`, also in a list, or as `name.call(…)`."""
    found = _PYTHONIC.match(text, start)
    if found is None:
        return None
    try:
        call = ast.parse(found["call"], mode="eval").body
        if not isinstance(call, ast.Call):
            return None
        values = {each.arg: ast.literal_eval(each.value) for each in call.keywords if each.arg}
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None
    return [(found["call"].partition("(")[0].removesuffix(".call"), values)], found.end()
