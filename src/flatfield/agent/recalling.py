"""Takes up conversations where earlier trials left them: word for word from their records, else told in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, structs

from flatfield.errors import ProviderError
from flatfield.plugins import traits_or_usual
from flatfield.records import ToolResult, TurnBudget
from flatfield.vendors.base import Later

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from flatfield.records import TrialRecord, Turn
    from flatfield.vendors.base import Conversation, Opening

    Converse = Callable[[Opening], Awaitable[Conversation]]

NOT_DONE = "not done: the work was ended before"
"""The result of a call that nobody did, as a limit or a cancellation came first: an API wants one for each."""
BROKEN_OFF = frozenset({"time", "repeats"})
"""How a reply ended that is no whole one: no API takes it back, so the conversation goes on without it."""
LONGEST_CHARACTERS = 4000
"""So much is told of each text where a conversation is told in words."""


class Resumed(Struct, frozen=True, kw_only=True):
    """A conversation that is where it was, the results to go on with, and how it came there, in words."""

    conversation: Conversation
    results: tuple[ToolResult, ...]
    note: str


async def resumed(opening: Opening, earlier: Sequence[TrialRecord], converse: Converse) -> Resumed:
    """A conversation that says the opening's prompt after all that was said in earlier trials, oldest first.

    Raises:
        FlatfieldError: as `converse`.
    """
    names = f"goes on with {earlier[-1].id}"
    if traits_or_usual(opening.agent.provider).recalls:
        turns = [_whole_turns(record) for record in earlier]
        try:
            return await _word_for_word(opening, earlier, turns, converse, names)
        except ProviderError:
            names += " (its record does not hold all of its exchanges)"
    told = structs.replace(opening, prompt=in_words(earlier, opening.prompt))
    note = f"{names}: the conversation so far was told in words"
    return Resumed(conversation=await converse(told), results=(), note=note)


async def _word_for_word(
    opening: Opening,
    earlier: Sequence[TrialRecord],
    turns: Sequence[tuple[Turn, ...]],
    converse: Converse,
    note: str,
) -> Resumed:
    """Ask for every turn again, which is answered from its record.

    Raises:
        ProviderError: a record does not hold what was said.
    """
    before = [turn for some in turns for turn in some]
    ends = [sum(map(len, turns[: number + 1])) for number in range(len(turns))]
    prompts = [*(record.prompt for record in earlier[1:]), opening.prompt]
    later: dict[int, str] = {}
    for end, prompt in zip(ends, prompts, strict=True):  # a trial without a turn: two prompts in a row
        later[end] = f"{later[end]}\n\n{prompt}" if end in later else prompt
    conversation = await converse(
        structs.replace(
            opening,
            prompt=earlier[0].prompt,
            earlier=tuple(before),
            later=tuple(Later(after_turns=end, prompt=text) for end, text in later.items()),
        )
    )
    results: tuple[ToolResult, ...] = ()
    for turn in before:
        cap = turn.reply.request.output_cap_tokens or opening.task.limits.output_tokens
        reply = await conversation.turn(results, TurnBudget(seconds=opening.task.limits.seconds, output_tokens=cap))
        if (reply.text, reply.calls) != (turn.reply.text, turn.reply.calls):
            raise ProviderError("the record of a turn does not hold what the model said in it")
        results = _all_results(turn)
    return Resumed(conversation=conversation, results=results, note=note)


def _whole_turns(record: TrialRecord) -> tuple[Turn, ...]:
    """The trial's turns, without a last one that was cut off."""
    if record.turns and record.turns[-1].reply.finish in BROKEN_OFF:
        return record.turns[:-1]
    return record.turns


def _all_results(turn: Turn) -> tuple[ToolResult, ...]:
    """A result for each of the turn's calls."""
    missing = turn.reply.calls[len(turn.results) :]
    none = [ToolResult(call_id=call.id, name=call.name, text=NOT_DONE, ok=False) for call in missing]
    return (*turn.results, *none)


def in_words(earlier: Sequence[TrialRecord], prompt: str) -> str:
    """A prompt that tells what was said before it."""
    return "\n\n".join(
        (
            "You go on with work that you began before in this directory. This was said and done so far:",
            *(text for record in earlier for text in _told(record)),
            "Now you are asked:",
            prompt,
        )
    )


def _told(record: TrialRecord) -> Iterator[str]:
    yield f"You were asked: {_short(record.prompt)}"
    for turn in record.turns:
        if turn.reply.text:
            yield f"You said: {_short(turn.reply.text)}"
        results = {result.call_id: result.text for result in turn.results}
        for call in turn.reply.calls:
            result = results.get(call.id, NOT_DONE)
            yield f"You called {call.name} with {_short(call.arguments)}; it returned: {_short(result)}"


def _short(text: str) -> str:
    if len(text) <= LONGEST_CHARACTERS:
        return text
    return f"{text[:LONGEST_CHARACTERS]} […{len(text) - LONGEST_CHARACTERS:,} more characters]"
