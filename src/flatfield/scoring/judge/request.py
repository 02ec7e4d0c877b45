"""Asks the judge's model for grades, once more when its reply cannot be read, and adds up what that took."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from flatfield.agent.allowance import reply_usd
from flatfield.errors import FlatfieldError
from flatfield.records import Task, TurnBudget, Usage
from flatfield.scoring.judge.prompt import SYSTEM_PROMPT, output_tokens
from flatfield.scoring.judge.reply import UnusableReply
from flatfield.vendors.base import Opening

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from flatfield.records import AgentConfig, Reply
    from flatfield.vendors.base import Conversation


T = TypeVar("T")
CONCURRENT_REQUESTS = 4
_REQUEST_SECONDS = 300.0
NOT_ASKED = "the judge could not be asked"
_ATTEMPTS = 2
_ENDINGS = {
    "time": "the judge ran out of time",
    "length": "the judge ran out of tokens",
    "refused": "the judge refused",
}


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """What requests took; None: not known for one of them."""

    usage: Usage | None = None
    cost_usd: float | None = None


@dataclass(frozen=True, kw_only=True)
class Question(Generic[T]):
    """What to ask (`write` takes what was wrong with the reply before), its schema, and how the reply is read.

    `read` is told whether this is the last attempt.
    """

    write: Callable[[str], str]
    read: Callable[[str, bool], T]
    schema: dict[str, Any]
    pieces: int = 1


@dataclass(frozen=True, kw_only=True)
class JudgeReply(Generic[T]):
    """What came of a question: `value`, or None and the `problem`.

    `unasked`: the problem is the server's, the wire's or the harness's, not the judge's.
    """

    value: T | None
    problem: str
    spent: Spent
    unasked: bool = False


@dataclass(frozen=True, kw_only=True)
class Bench:
    """The judge's model and what its tokens cost; at most CONCURRENT_REQUESTS requests at once."""

    agent: AgentConfig
    converse: Callable[[Opening], Awaitable[Conversation]]
    price: Callable[[Reply], float | None]
    gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CONCURRENT_REQUESTS))

    async def ask(self, question: Question[T]) -> JudgeReply[T]:
        """Ask, and once more with the problem stated; whatever fails is a problem, not an exception."""
        problem = ""
        replies: list[Reply] = []
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                async with self.gate:
                    reply = await self._turn(question, problem)
                replies.append(reply)
                return JudgeReply(
                    value=question.read(reply.text, attempt == _ATTEMPTS), problem="", spent=self._spent(replies)
                )
            except UnusableReply as error:
                ending = _ENDINGS.get(replies[-1].finish)
                problem = f"{ending}: {error}" if ending else str(error)
            except FlatfieldError as error:
                return JudgeReply(value=None, problem=f"{NOT_ASKED}: {error}", spent=self._spent(replies), unasked=True)
            except Exception as error:  # noqa: BLE001 - a judge's failure never costs a trial
                text = f"{NOT_ASKED}: {type(error).__name__}: {error}"
                return JudgeReply(value=None, problem=text, spent=self._spent(replies), unasked=True)
        text = f"the judge's reply could not be used, twice: {problem}"
        return JudgeReply(value=None, problem=text, spent=self._spent(replies))

    async def _turn(self, question: Question[T], problem: str) -> Reply:
        opening = Opening(
            # The judge answers in plain text, also where the same agent needs the json protocol for tools.
            agent=msgspec.structs.replace(self.agent, protocol="native", tools=()),
            system_prompt=SYSTEM_PROMPT,
            prompt=question.write(problem),
            tools=(),
            task=Task(id="judge", title="judge", prompt=""),
            response_schema=question.schema,
        )
        conversation = await self.converse(opening)
        tokens = output_tokens(self.agent, question.pieces)
        return await conversation.turn((), TurnBudget(seconds=_REQUEST_SECONDS, output_tokens=tokens))

    def _spent(self, replies: Sequence[Reply]) -> Spent:
        costs = [reply_usd(reply, self.price) for reply in replies]
        return total([Spent(usage=reply.usage, cost_usd=cost) for reply, cost in zip(replies, costs, strict=True)])


def total(items: Sequence[Spent]) -> Spent:
    """The sum of what several requests took; unknown as soon as one of them is, or when there were none."""
    costs = [item.cost_usd for item in items if item.cost_usd is not None]
    usages = [item.usage for item in items if item.usage is not None]
    usage = Usage(**{name: sum(getattr(each, name) for each in usages) for name in Usage.__struct_fields__})
    return Spent(
        usage=usage if items and len(usages) == len(items) else None,
        cost_usd=sum(costs) if items and len(costs) == len(items) else None,
    )


def shares(spent: Spent, count: int) -> tuple[Spent, ...]:
    """`spent` divided over `count` trials; the shares' tokens add up to it exactly."""
    cost = None if spent.cost_usd is None else spent.cost_usd / count
    return tuple(Spent(usage=_share(spent.usage, count, place), cost_usd=cost) for place in range(count))


def _share(usage: Usage | None, count: int, place: int) -> Usage | None:
    if usage is None:
        return None
    amounts = {name: getattr(usage, name) for name in Usage.__struct_fields__}
    return Usage(**{name: amount // count + (place < amount % count) for name, amount in amounts.items()})
