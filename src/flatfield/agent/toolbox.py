"""One trial's tools: the seam that a tool implements, the check of what a model sends, and text for every mistake."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from msgspec import Struct

from flatfield import json_text, plugins
from flatfield.errors import ToolError
from flatfield.records import ToolCall, ToolResult, ToolSpec
from flatfield.signatures import ECHOED_LETTERS, Signature, signature

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import ModuleType

    from flatfield.agent.workspace import Workspace
    from flatfield.clock import Clock


# The seam of the agent's room: a tool. One file each implements one.


class ToolText(Struct, frozen=True, kw_only=True):
    """What a tool answers whose call takes time that is not its own: `seconds` are, the rest is the harness's."""

    text: str
    seconds: float


class Tool(Protocol):
    """One tool of the nano agent, bound to one workspace."""

    @property
    def spec(self) -> ToolSpec:
        """What the model is told."""
        ...

    async def call(self, arguments: Mapping[str, Any]) -> str | ToolText:
        """Do it and answer in plain, short text.

        Raises:
            ToolError: it could not be done; the text tells the model what to do next.
        """
        ...


# One trial's tools: checks what a model sends, runs the tool, and turns every mistake into text for the model.


SHORT_CHARACTERS = 120
RESULT_LIMIT_BYTES = 256 * 1024
MOST_LETTERS = 500
"""Of a name that is none, so much is looked at."""


def open_tools(names: Sequence[str], workspace: Workspace, clock: Clock) -> Toolbox:
    """The named tools, bound to one workspace.

    Raises:
        NotFound: there is no tool of that name.
        NotReady: a tool cannot be had here (no sandbox for commands).
    """
    return Toolbox([_module(name).create(workspace) for name in dict.fromkeys(names)], clock)


@cache
def _module(name: str) -> ModuleType:
    """Kept, because a look through the entry points would cost each trial some milliseconds."""
    return plugins.load("tool", name)


class Toolbox:
    """Runs calls one at a time, in the order they come.

    The file tools work synchronously inside `run`: a call takes 10 to 300 µs in the file system, caps on sizes keep it
    so, and handing it to a thread would cost more than that and delay all the other trials as much.
    """

    def __init__(self, tools: Sequence[Tool], clock: Clock) -> None:
        self.specs: tuple[ToolSpec, ...] = tuple(tool.spec for tool in tools)
        self._tools = {tool.spec.name: (tool, signature(tool.spec)) for tool in tools}
        self._clock = clock
        self._decode = msgspec.json.Decoder(dict[str, Any]).decode

    async def run(self, call: ToolCall) -> ToolResult:
        """Do one call; never raises for what a model did: `ok` is False and the text says what to do next.

        Texts over 256 KiB are cut, which is said.
        """
        started = self._clock.now()
        ok = True
        answer: str | ToolText
        try:
            tool, signature = self._find(call.name)
            answer = await tool.call(signature.check(self._parse(call, signature)))
        except ToolError as error:
            ok, answer = False, str(error)
        except OSError as error:
            ok, answer = False, _system_error(error)
        took_seconds = self._clock.now() - started
        if isinstance(answer, ToolText):
            text, seconds = answer.text, min(answer.seconds, took_seconds)
        else:
            text, seconds = answer, took_seconds
        return ToolResult(
            call_id=call.id,
            name=call.name,
            text=_capped(text),
            ok=ok,
            seconds=seconds,
            sandbox_seconds=took_seconds - seconds,
        )

    def _find(self, name: str) -> tuple[Tool, Signature]:
        found = self._tools.get(name)
        if found is None:
            known = ", ".join(signature.wording for _, signature in self._tools.values()) or "none"
            meant = self._meant(name)
            hint = f" (call it {meant})" if meant else ""
            raise ToolError(f"there is no tool {name[:ECHOED_LETTERS]!a}{hint}; the tools are: {known}")
        return found

    def _meant(self, name: str) -> str:
        """The tool that a model means which calls it with a prefix, in another case, or as it is called elsewhere."""
        names = {alias: known for known in self._tools for alias in plugins.tool_traits(known).aliases}
        meant = {_bare(alias): known for alias, known in names.items()} | {_bare(known): known for known in self._tools}
        words = re.split(r"[^A-Za-z0-9_-]+|__", name[:MOST_LETTERS])
        return next((meant[_bare(word)] for word in reversed(words) if _bare(word) in meant), "")

    def _parse(self, call: ToolCall, signature: Signature) -> dict[str, Any]:
        """The arguments; none at all stand for `{}`, as several servers send it for calls without arguments."""
        if call.arguments.strip() in {"", "null"}:
            return {}
        if json_text.is_deeper(call.arguments):
            raise signature.refuse("the arguments are nested too deeply")
        try:
            return self._decode(_unwrapped(call.arguments))
        except msgspec.ValidationError as error:
            raise signature.refuse(f"the arguments are not one plain JSON object ({_plain(error)})") from None
        except (msgspec.DecodeError, UnicodeEncodeError) as error:
            raise signature.refuse(f"the arguments are not valid JSON ({_plain(error)})") from None


def _unwrapped(arguments: str) -> str:
    """Arguments that were written as a JSON text of a JSON text are that text."""
    if not arguments.lstrip().startswith('"'):
        return arguments
    try:
        inner = msgspec.json.decode(arguments)
    except msgspec.DecodeError:
        return arguments
    is_object = inner.strip().startswith("{") and inner.strip() != "{}" and not json_text.is_deeper(inner)
    return inner if is_object else arguments


def _bare(name: str) -> str:
    """A name without its case and what joins its words: `ReadFile`, `read-file` and `read_file` are one."""
    return re.sub("[_-]", "", name).lower()


def _plain(error: Exception) -> str:
    return str(error).replace("`", "")


def _system_error(error: OSError) -> str:
    """The system's own words, as one sentence without our folders' names."""
    words = (error.strerror or type(error).__name__).lower()
    at = str(error.filename or "")
    return f"{at[:ECHOED_LETTERS]}: {words}" if at and not at.startswith(("/", ".")) else words


def failed_in_short(result: ToolResult) -> str:
    """` → error: …` with the first line of a call that failed, for those who watch; "" for one that did not."""
    if result.ok:
        return ""
    line = result.text.strip().partition("\n")[0]
    return f" → error: {line if len(line) <= SHORT_CHARACTERS else f'{line[: SHORT_CHARACTERS - 1]}…'}"


def _capped(text: str) -> str:
    """Text that every API takes: at most RESULT_LIMIT_BYTES of UTF-8, without lone surrogates."""
    if text.isascii() and len(text) <= RESULT_LIMIT_BYTES:
        return text
    data = text.encode(errors="replace")
    if len(data) <= RESULT_LIMIT_BYTES:
        return data.decode()
    kept = data[:RESULT_LIMIT_BYTES].decode(errors="ignore")
    return f"{kept}\n[cut: {RESULT_LIMIT_BYTES:,} of {len(data):,} bytes shown]"
