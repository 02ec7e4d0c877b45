"""How much one request to a judge may hold: characters of what is shown, tokens of the reply."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from flatfield import plugins

if TYPE_CHECKING:
    from flatfield.records import AgentConfig

TOTAL_CHARACTERS = 120_000
_ONE_TRIAL_CHARACTERS = 60_000
_LEAST_CHARACTERS = 2_000
_CHARACTERS_A_TOKEN = 2
_INSTRUCTION_TOKENS = 1_000
_OUTPUT_TOKENS = 8_000
_OUTPUT_TOKENS_A_PIECE = 500
_DEVICE_OUTPUT_TOKENS = 400
_DEVICE_OUTPUT_TOKENS_A_PIECE = 200


class Room(Struct, frozen=True, kw_only=True):
    """How many characters there are for each part of a request; longer texts lose their middle."""

    task: int
    answer: int
    files: int
    calls: int


def room(judge: AgentConfig, pieces: int) -> Room:
    """What one request with `pieces` trials may show: TOTAL_CHARACTERS, less where the judge's context is small.

    Two characters are counted for a token, after the reply and the instructions have had theirs. A fifth of it is for
    the task; of each trial's share 30% is for the answer, 50% for files, 20% for tool calls.
    """
    total = TOTAL_CHARACTERS
    context = judge.context_tokens or plugins.traits_or_usual(judge.provider).loaded_context_tokens
    if context:
        free = context - output_tokens(judge, pieces) - _INSTRUCTION_TOKENS
        total = min(total, max(free, context // 4) * _CHARACTERS_A_TOKEN)
    share = min(_ONE_TRIAL_CHARACTERS, max(_LEAST_CHARACTERS, total * 4 // 5 // pieces))
    return Room(task=total // 15, answer=share * 3 // 10, files=share // 2, calls=share // 5)


def output_tokens(judge: AgentConfig, pieces: int) -> int:
    """What a reply may take, reasoning included: the agent's own `max_output_tokens`, else enough to reason in.

    A reply takes a few hundred tokens. A model on this device that runs on takes minutes for thousands, so there it
    gets no more than the reply needs, unless the agent asks for reasoning.
    """
    if judge.max_output_tokens:
        return judge.max_output_tokens
    if is_small(judge):
        return _DEVICE_OUTPUT_TOKENS + _DEVICE_OUTPUT_TOKENS_A_PIECE * pieces
    return _OUTPUT_TOKENS + _OUTPUT_TOKENS_A_PIECE * pieces


def is_small(judge: AgentConfig) -> bool:
    """Whether the judge is a model on this device that is not asked to reason: its reply is held to a short form."""
    here = bool(judge.on_device) or plugins.traits_or_usual(judge.provider).is_on_device
    return here and not judge.reasoning_effort
