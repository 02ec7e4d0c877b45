"""The nano agent: ask the model, run the tools it asked for, return the results, until it answers or a limit is met."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal, Protocol

from msgspec import Struct, structs

from flatfield.agent.bugs import described
from flatfield.errors import ContextTooLong, NotReady, ProviderError
from flatfield.records import Limits, Reply, Stop, ToolCall, ToolResult, Turn, TurnBudget, Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from flatfield.agent.lag import LagMeter
    from flatfield.agent.protocols import Conversation

Blame = Literal["provider", "sandbox", "harness"]
BLAME: tuple[tuple[type[Exception], Blame], ...] = ((ProviderError, "provider"), (NotReady, "sandbox"))
PRICED_TOKENS = 1000  # a price is asked for so many at a time
CHARACTERS_PER_TOKEN = 4  # a rough count, for limits only, where a server reports no usage


class Tools(Protocol):
    """What the loop asks of a toolbox."""

    async def run(self, call: ToolCall) -> ToolResult:
        """Do one call; never raises for what a model did. NotReady: the harness could not do it (no sandbox)."""
        ...


class Outcome(Struct, frozen=True, kw_only=True):
    """How a trial's turns went; with `stop` "error" or "context_limit", `problem` says what failed, `failed` whose."""

    stop: Stop
    turns: tuple[Turn, ...] = ()
    answer: str = ""
    problem: str = ""
    failed: Blame = "harness"
    retry_seconds: float = 0.0


class NanoAgent:
    """One trial's agent: a conversation, tools, limits. The same for every model."""

    def __init__(
        self,
        conversation: Conversation,
        tools: Tools,
        limits: Limits,
        *,
        price: Callable[[Reply], float | None],
        observe: Callable[[Turn], None],
        lag: LagMeter | None = None,
    ) -> None:
        self._lag = lag
        self._turn_began = 0.0
        self._conversation = conversation
        self._tools = tools
        self._limits = limits
        self._price = price
        self._observe = observe
        self._turns: list[Turn] = []
        self._active_seconds = 0.0
        self._output_tokens = 0
        self._cost_usd = 0.0
        self._paid_tokens: int | None = None

    async def run(self) -> Outcome:
        """Work until the end; every ending is a value, and all that was used until then is in it."""
        results: tuple[ToolResult, ...] = ()
        stop: Stop | None = None
        try:
            while stop is None:
                self._turn_began = self._lag.now() if self._lag else 0.0
                reply = await self._conversation.turn(results, self._budget())
                results, stop = await self._take(reply)
        except asyncio.CancelledError:
            return self._outcome("cancelled")
        except ContextTooLong as error:
            return self._outcome("context_limit", error)
        except Exception as error:  # noqa: BLE001 - providers are anybody's code, and what was used until then counts
            return self._outcome("error", error)
        return self._outcome(stop)

    async def _take(self, reply: Reply) -> tuple[tuple[ToolResult, ...], Stop | None]:
        """Account for one reply, run its calls in order, and say whether that was the end."""
        cost_usd = self._price(reply)
        self._active_seconds += reply.model_seconds
        self._output_tokens += _output_tokens(reply)
        self._cost_usd += cost_usd or 0.0
        stop = self._ending(reply)
        results: list[ToolResult] = []
        seconds, room_seconds = 0.0, max(0.0, self._limits.seconds - self._active_seconds)
        try:
            if stop is None:
                async with asyncio.timeout(room_seconds):
                    for call in reply.calls:
                        results.append(await self._tools.run(call))
                        if len(reply.calls) > 1:  # the other trials must not wait for all of a long list
                            await asyncio.sleep(0)
        except TimeoutError:
            stop, seconds = "time_limit", room_seconds
        finally:
            seconds = max(seconds, sum(result.seconds for result in results))
            self._active_seconds += seconds
            turn = Turn(
                reply=reply,
                results=tuple(results),
                tools_seconds=seconds,
                cost_usd=cost_usd,
                lag_seconds=self._lag.since(self._turn_began) if self._lag else None,
            )
            self._turns.append(turn)
        self._observe(turn)
        return turn.results, stop or self._limit_reached()

    def _budget(self) -> TurnBudget:
        left_tokens = self._limits.output_tokens - self._output_tokens
        self._paid_tokens = self._payable_tokens()
        return TurnBudget(
            seconds=self._limits.seconds - self._active_seconds,
            output_tokens=max(1, left_tokens if self._paid_tokens is None else min(left_tokens, self._paid_tokens)),
        )

    def _payable_tokens(self) -> int | None:
        """How many output tokens what is left of the dollars pays for; None without a limit or a known price."""
        if self._limits.cost_usd is None:
            return None
        like = self._turns[-1].reply if self._turns else Reply(text="")
        asked = structs.replace(like, usage=Usage(output_tokens=PRICED_TOKENS))
        usd = self._price(asked)
        return None if not usd else int((self._limits.cost_usd - self._cost_usd) / usd * PRICED_TOKENS)

    def _ending(self, reply: Reply) -> Stop | None:
        """How a reply ends the trial; an answer longer than the server was told to make it is over the limit."""
        stop = _ending(reply)
        if stop == "token_limit" and self._paid_tokens is not None and _output_tokens(reply) >= self._paid_tokens:
            return "cost_limit"
        over = reply.usage is not None and self._output_tokens > self._limits.output_tokens
        return "token_limit" if stop == "answered" and over else stop

    def _limit_reached(self) -> Stop | None:
        """The first limit that leaves no room for another turn."""
        limits = self._limits
        if self._active_seconds >= limits.seconds:
            return "time_limit"
        if self._output_tokens >= limits.output_tokens:
            return "token_limit"
        if limits.cost_usd is not None and self._cost_usd >= limits.cost_usd:
            return "cost_limit"
        return "turn_limit" if len(self._turns) >= limits.turns else None

    def _outcome(self, stop: Stop, error: Exception | None = None) -> Outcome:
        return Outcome(
            stop=stop,
            turns=tuple(self._turns),
            answer=self._turns[-1].reply.text if self._turns and stop != "error" else "",
            problem=described(error) if error else "",
            failed=next((whose for kind, whose in BLAME if isinstance(error, kind)), "harness"),
            retry_seconds=error.retry_seconds if isinstance(error, ProviderError) else 0.0,
        )


def _ending(reply: Reply) -> Stop | None:
    """How a reply by itself ends a trial; None when the model waits for the results of its calls."""
    if reply.finish == "time":
        return "time_limit"
    if reply.finish == "refused":
        return "refused"
    if reply.finish == "length":
        return "token_limit"
    return None if reply.calls else "answered"


def _output_tokens(reply: Reply) -> int:
    if reply.usage is not None:
        return reply.usage.output_tokens
    written: Sequence[str] = (reply.text, reply.reasoning, *(call.arguments for call in reply.calls))
    return sum(map(len, written)) // CHARACTERS_PER_TOKEN
