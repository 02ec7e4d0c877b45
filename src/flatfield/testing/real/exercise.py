"""One small tool conversation with a server, and requests that it must refuse: what it said, as it said it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from flatfield import json_text, plugins
from flatfield.errors import FlatfieldError, ProviderError, StoreError
from flatfield.http.tape import rebuilt
from flatfield.records import Reply, Task, ToolResult, TurnBudget, Usage
from flatfield.vendors.base import Opening

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from flatfield.records import AgentConfig, ToolCall, ToolSpec, Wire
    from flatfield.vendors.base import Conversation

    Converse = Callable[[Opening], Awaitable[Conversation]]
    Admit = Callable[[str, Usage], None]
    """Told what each step may use at most, before it is asked; it raises where that is not to be spent."""

FIRST, UNKNOWN_CALL, CUT, UNKNOWN_MODEL = "turn 1", "unknown call", "cut short", "unknown model"
"""Steps: the turns of the conversation, a result of a call that nobody made, a reply that its cap ends, a slip."""
FILES = {"one.txt": "The word is not here. It is in two.txt.", "two.txt": "The word is: lantern"}
SYSTEM = "You are an agent working in one directory. Use the tools to do the task."
COUNTING = "Write the numbers from one to two hundred in words, one on each line."
MOST_TURNS, TURN_SECONDS = 3, 90.0
TURN_TOKENS, CUT_TOKENS = 1024, 16
"""What a reply may have: a model that thinks first needs some hundred tokens; no API takes a smaller cap than 16."""
PROMPT_TOKENS = 2000
"""More than the prompt and the tool come to at any vendor; what was said since is counted on top."""
SLIP = "-no-such-model"
_LIMITS = re.compile(r"rate-?limit", re.IGNORECASE)


class Heard(Struct, frozen=True, kw_only=True):
    """What came of one step: a reply, or a problem with its status (None: no answer). `body` is the answer as it came.

    `request` and `headers` are what was sent, without keys. `limit_headers`: names of those that tell of limits, in
    lower case. `asked` False: no request was made, as flatfield itself found out that there is nothing to ask.
    """

    step: str
    reply: Reply | None = None
    problem: str = ""
    status: int | None = None
    body: bytes = b""
    request: bytes = b""
    headers: dict[str, str] = {}
    media_type: str = ""
    limit_headers: tuple[str, ...] = ()
    asked: bool = True


class Exercise:
    """Asks one agent's server, step by step; `heard` holds what came of the steps until now.

    `answers` holds the headers of all answers as they come: the session fills it. `only` names the steps that are to
    be asked (None: all).
    """

    def __init__(
        self,
        agent: AgentConfig,
        converse: Converse,
        admit: Admit,
        answers: list[Mapping[str, str]],
        only: frozenset[str] | None = None,
    ) -> None:
        self._agent = agent
        self._converse = converse
        self._admit = admit
        self._answers = answers
        self._only = only
        self._tool: ToolSpec = plugins.load("tool", plugins.default_tools()[0]).SPEC
        self.heard: list[Heard] = []

    async def run(self) -> None:
        """All steps; where a server does not reply to the first one, it is asked nothing else."""
        said = await self._conversation()
        if said is None and self._only is None and self.heard[0].reply is None:
            return
        await self._single(CUT, self._agent, COUNTING, CUT_TOKENS)
        slip = structs.replace(self._agent, model=f"{self._agent.model}{SLIP}")
        await self._single(UNKNOWN_MODEL, slip, COUNTING, CUT_TOKENS)

    async def _conversation(self) -> Reply | None:
        """The turns until the model answers, then a result that nobody asked for; the last reply."""
        wires: list[Wire] = []
        talk = await self._opened(FIRST, self._agent, self._prompt(), tools=(self._tool,))
        reply, results = None, tuple[ToolResult, ...]()
        for number in range(MOST_TURNS):
            reply = await self._ask(f"turn {number + 1}", talk, results, wires, TURN_TOKENS)
            if reply is None:
                return None
            results = tuple(self._result(call) for call in reply.calls)
            if not results:
                break
        stray = ToolResult(call_id="call_that_nobody_made", name=self._tool.name, text="nothing")
        await self._ask(UNKNOWN_CALL, talk, (*results, stray), wires, CUT_TOKENS)
        return reply

    async def _single(self, step: str, agent: AgentConfig, prompt: str, tokens: int) -> None:
        talk = await self._opened(step, agent, prompt)
        await self._ask(step, talk, (), [], tokens)

    async def _opened(
        self, step: str, agent: AgentConfig, prompt: str, tools: tuple[ToolSpec, ...] = ()
    ) -> Conversation | None:
        if not self._is_wanted(step):
            return None
        task = Task(id="live", title="live", prompt=prompt)
        opening = Opening(agent=agent, system_prompt=SYSTEM, prompt=prompt, tools=tools, task=task)
        self._answers.clear()
        try:
            return await self._converse(opening)
        except FlatfieldError as error:
            self.heard.append(_failed(step, error, []))
            return None

    async def _ask(
        self, step: str, talk: Conversation | None, results: Sequence[ToolResult], wires: list[Wire], tokens: int
    ) -> Reply | None:
        if talk is None or not self._is_wanted(step):
            return None
        self._admit(step, self._most(tokens))
        self._answers.clear()
        try:
            reply = await talk.turn(results, TurnBudget(seconds=TURN_SECONDS, output_tokens=tokens))
        except FlatfieldError as error:
            wires += error.left.wire if isinstance(error, ProviderError) else ()
            self.heard.append(self._with_headers(_failed(step, error, wires)))
            return None
        wires += reply.wire
        self.heard.append(self._with_headers(_with_last(Heard(step=step, reply=reply, status=200), wires)))
        return reply

    def _is_wanted(self, step: str) -> bool:
        return self._only is None or step in self._only

    def _most(self, tokens: int) -> Usage:
        """What a step may use at most: all that was said in the conversation goes in once more."""
        said = [each.reply.usage for each in self.heard if each.reply is not None]
        counted = sum(usage.input_tokens + usage.output_tokens for usage in said if usage is not None)
        unknown = sum(usage is None for usage in said) * TURN_TOKENS
        return Usage(input_tokens=PROMPT_TOKENS + counted + unknown, output_tokens=tokens)

    def _with_headers(self, heard: Heard) -> Heard:
        headers = self._answers[-1] if self._answers else {}
        named = tuple(sorted(name.lower() for name in headers if _LIMITS.search(name)))
        media_type = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
        return structs.replace(heard, limit_headers=named, media_type=media_type.partition(";")[0].strip().lower())

    def _prompt(self) -> str:
        one, two = FILES
        return (
            f"Call {self._tool.name} for {one} and for {two}, both calls in one reply. Then answer with the word that "
            "you found, and nothing else."
        )

    def _result(self, call: ToolCall) -> ToolResult:
        try:
            arguments = json_text.decoded(call.arguments)
        except ValueError:
            arguments = None
        asked = [str(value) for value in arguments.values()] if isinstance(arguments, dict) else []
        text = next((text for name, text in FILES.items() if any(name in value for value in asked)), "no such file")
        return ToolResult(call_id=call.id, name=call.name, text=text)


def _failed(step: str, error: FlatfieldError, wires: Sequence[Wire]) -> Heard:
    """A step that was refused, with the refusal's body."""
    asked = isinstance(error, ProviderError)
    status = error.status if isinstance(error, ProviderError) else None
    return _with_last(Heard(step=step, problem=str(error), status=status, asked=asked), wires)


def _with_last(heard: Heard, wires: Sequence[Wire]) -> Heard:
    """With a conversation's last exchange, without keys."""
    try:
        exchanged = list(rebuilt(wires))
    except StoreError:
        exchanged = []
    if not exchanged:
        return heard
    last = exchanged[-1]
    body, request = (text.encode("utf-8", "surrogatepass") for text in (last.response, last.request))
    return structs.replace(heard, body=body, request=request, headers=last.headers)
