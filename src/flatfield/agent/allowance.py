"""What is left of one trial's limits, how a reply or a limit ends it, and which numbers of a reply are believed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from msgspec import structs

from flatfield.records import CHARACTERS_PER_TOKEN, MOST, Abandoned, Limits, Reply, Stop, ToolResult, TurnBudget, Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Pricing = Callable[[Reply], float | None]


PRICED_TOKENS = 1000  # a price is asked for so many at a time
RESULT_TOKENS = 16  # what surrounds a tool's result in a request


def reply_usd(reply: Reply, price: Pricing) -> float | None:
    """What a reply cost with all its abandoned attempts; None: no price known for one part of it.

    A scaffold's run is paid model by model. Where no price is known for the reply itself, or for a model that it used,
    it is what the API or the scaffold says that it cost.
    """
    abandoned_usd = attempts_usd(reply.abandoned_usage, reply, price)
    if any(item.kept for item in reply.abandoned_usage):
        return abandoned_usd
    own_usd = models_usd(reply, price)
    own_usd = reply.reported_cost_usd if own_usd is None else own_usd
    return None if own_usd is None or abandoned_usd is None else own_usd + abandoned_usd


def models_usd(reply: Reply, price: Pricing) -> float | None:
    """What a reply itself cost, each model that it used at its own price; None: no price known for one of them."""
    costs = [price(each) for each in reply.by_model]
    return None if None in costs else sum(cost or 0.0 for cost in costs)


def attempts_usd(attempts: Sequence[Abandoned], reply: Reply, price: Pricing) -> float | None:
    """What attempts cost, each priced as a request like `reply`; None: no price known."""
    costs = [price(structs.replace(reply, usage=item.usage)) for item in attempts]
    return None if None in costs else sum(cost or 0.0 for cost in costs)


class Allowance:
    """Counts turns, active seconds, output tokens and dollars against the trial's limits.

    `purse_usd`: what is left of the run's own dollars, None for no bound. Where it ends a trial before a limit of the
    trial would, it says nothing of the agent: the trial is "cancelled".
    """

    def __init__(self, limits: Limits, price: Pricing, purse_usd: float | None = None) -> None:
        self._limits = limits
        most = [usd for usd in (limits.cost_usd, purse_usd) if usd is not None]
        self._most_usd = min(most, default=None)
        self._spent: Stop = "cost_limit" if self._most_usd == limits.cost_usd else "cancelled"
        self._result_tokens = 0
        self._price = price
        self._last = Reply(text="")
        self._turns = 0
        self._active_seconds = 0.0
        self._output_tokens = 0
        self._cost_usd = 0.0
        self._paid_tokens: int | None = None

    @property
    def left_seconds(self) -> float:
        """Active seconds that are left, never below 0."""
        return max(0.0, self._limits.seconds - self._active_seconds)

    def charge(self, reply: Reply) -> tuple[float | None, Stop | None]:
        """Count one reply: its dollars (None: no price known), and how it ends the trial (None: it does not)."""
        cost_usd = reply_usd(reply, self._price)
        self._last = reply
        self._turns += 1
        self._active_seconds += reply.model_seconds
        self._output_tokens += _output_tokens(reply)
        self._cost_usd += cost_usd or 0.0
        return cost_usd, self._ending(reply)

    def lost_usd(self, attempts: Sequence[Abandoned]) -> float | None:
        """What the attempts of a request cost that no reply came of; None: no price known."""
        return attempts_usd(attempts, self._last, self._price)

    def abandoned_usd(self, reply: Reply) -> float | None:
        """What of a reply's dollars its abandoned attempts cost; None: no price known."""
        return attempts_usd(reply.abandoned_usage, reply, self._price)

    def spend(self, seconds: float, results: Sequence[ToolResult] = ()) -> None:
        """Count what tools took, and what the next request will read of them: no token is shorter than a byte."""
        self._active_seconds += seconds
        self._result_tokens = sum(RESULT_TOKENS + len(result.text.encode()) for result in results)

    def budget(self) -> TurnBudget:
        """What the next turn may use."""
        left_tokens = self._limits.output_tokens - self._output_tokens
        self._paid_tokens = self._payable_tokens()
        return TurnBudget(
            seconds=self._limits.seconds - self._active_seconds,
            output_tokens=max(1, left_tokens if self._paid_tokens is None else min(left_tokens, self._paid_tokens)),
        )

    def used_up(self) -> Stop | None:
        """The first limit that leaves no room for another turn."""
        limits, payable_tokens = self._limits, self._payable_tokens()
        if self._active_seconds >= limits.seconds:
            return "time_limit"
        if self._output_tokens >= limits.output_tokens:
            return "token_limit"
        if self._most_usd is not None and (self._cost_usd >= self._most_usd or payable_tokens == 0):
            return self._spent
        return "turn_limit" if self._turns >= limits.turns else None

    def _payable_tokens(self) -> int | None:
        """How many output tokens what is left of the dollars pays for; None without a limit or a known price.

        What the next request reads is set aside first: what the last one read, at the same share of it from the cache,
        what the model wrote to it, and at most what the tools returned.
        """
        if self._most_usd is None:
            return None
        usd = self._price(structs.replace(self._last, usage=Usage(output_tokens=PRICED_TOKENS)))
        if usd is None:
            return None
        left_usd = self._most_usd - self._cost_usd - self._next_input_usd()
        if not usd:  # writing is free, reading may not be
            return 0 if left_usd < 0 else None
        return max(0, int(left_usd / usd * PRICED_TOKENS))

    def _next_input_usd(self) -> float:
        last = self._last.usage
        if last is None:
            return 0.0
        read = last.cache_read_tokens + last.cache_write_tokens
        told = last.input_tokens + last.output_tokens + self._result_tokens
        usage = Usage(input_tokens=told, cache_read_tokens=read)
        return self._price(structs.replace(self._last, usage=usage)) or 0.0

    def _ending(self, reply: Reply) -> Stop | None:
        """How a reply ends the trial; an answer longer than the server was told to make it is over the limit."""
        stop = _ending(reply)
        if stop == "token_limit" and self._paid_tokens is not None and _output_tokens(reply) >= self._paid_tokens:
            return self._spent
        over = reply.usage is not None and self._output_tokens > self._limits.output_tokens
        return "token_limit" if stop == "answered" and over else stop


def _ending(reply: Reply) -> Stop | None:
    """How a reply by itself ends a trial; None when the model waits for the results of its calls."""
    if reply.finish == "time":
        return "time_limit"
    if reply.finish == "refused":
        return "refused"
    if reply.finish == "context":
        return "context_limit"
    if reply.finish in {"length", "repeats"}:
        return "token_limit"
    return None if reply.calls else "answered"


def _output_tokens(reply: Reply) -> int:
    """Those of abandoned attempts included: they were written, and are billed."""
    return sum(item.usage.output_tokens for item in reply.abandoned_usage) + _own_output_tokens(reply)


def _own_output_tokens(reply: Reply) -> int:
    if any(item.kept for item in reply.abandoned_usage):
        return 0
    if reply.usage is not None:
        return reply.usage.output_tokens
    written: Sequence[str] = (reply.text, reply.reasoning, *(call.arguments for call in reply.calls))
    return sum(map(len, written)) // CHARACTERS_PER_TOKEN


# Leaves out of a reply the numbers that cannot be right: what a server counts wrongly is "not reported".


MOST_TOKENS = 2**53
_SECONDS = ("model_seconds", "retry_seconds", "queue_seconds", "load_seconds")


def believable(reply: Reply) -> Reply:
    """The reply; its tokens and dollars None, and its seconds 0, where they are negative or beyond all bounds."""
    changes: dict[str, object] = {name: 0.0 for name in _SECONDS if not _is_amount(getattr(reply, name))}
    changes |= {
        name: None for name in ("first_token_seconds", "reported_cost_usd") if not _is_known(getattr(reply, name))
    }
    if reply.usage is not None and not _is_count(reply.usage):
        changes["usage"] = None
    if not all(_is_count(item.usage) for item in reply.abandoned_usage):
        changes["abandoned_usage"] = tuple(map(_counted, reply.abandoned_usage))
    return structs.replace(reply, **changes) if changes else reply


def _is_count(usage: Usage) -> bool:
    return all(0 <= getattr(usage, name) <= MOST_TOKENS for name in usage.__struct_fields__)


def _counted(item: Abandoned) -> Abandoned:
    return item if _is_count(item.usage) else structs.replace(item, usage=Usage(), estimated=True)


def _is_known(amount: float | None) -> bool:
    return amount is None or _is_amount(amount)


def _is_amount(amount: float) -> bool:
    return math.isfinite(amount) and 0.0 <= amount <= MOST
