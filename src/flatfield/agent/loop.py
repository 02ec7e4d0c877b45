"""The nano agent: ask the model, run the tools it asked for, return the results, until it answers or a limit is met."""

from __future__ import annotations

import asyncio
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from msgspec import Struct, field

from flatfield.agent.allowance import Allowance, believable
from flatfield.errors import ContextTooLong, FlatfieldError, Interrupted, NotReady, ProviderError
from flatfield.records import Leftover, Limits, Reply, Stop, ToolCall, ToolResult, Turn

if TYPE_CHECKING:
    from collections.abc import Callable

    from flatfield.agent.lag import LagMeter
    from flatfield.vendors.base import Conversation


# Says in one sentence what an exception was that nobody expected, and where it came from.


def described(error: Exception) -> str:
    """An error of ours speaks for itself; any other is named with its message and its place in the code."""
    if isinstance(error, FlatfieldError):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    place = f" (in {Path(frames[-1].filename).name}:{frames[-1].lineno}, {frames[-1].name})" if frames else ""
    return f"{type(error).__name__}: {error}{place}"


Blame = Literal["provider", "sandbox", "harness"]
BLAME: tuple[tuple[type[Exception], Blame], ...] = ((ProviderError, "provider"), (NotReady, "sandbox"))
SPENT = "ended, as what is left of the run's budget would not have paid for its next turn"
FILLED = "the conversation filled the model's context window"


class Tools(Protocol):
    """What the loop asks of a toolbox."""

    async def run(self, call: ToolCall) -> ToolResult:
        """Do one call; never raises for what a model did. NotReady: the harness could not do it (no sandbox)."""
        ...


class Outcome(Struct, frozen=True, kw_only=True):
    """How a trial's turns went; with `stop` "error" or "context_limit", `problem` says what failed, `failed` whose.

    `left` and `abandoned_cost_usd` (None: no price known) are of a request that ended it without a reply.
    """

    stop: Stop
    turns: tuple[Turn, ...] = ()
    answer: str = ""
    problem: str = ""
    failed: Blame = "harness"
    left: Leftover = field(default_factory=Leftover)
    abandoned_cost_usd: float | None = 0.0


class NanoAgent:
    """One trial's agent: a conversation, tools, limits. The same for every model."""

    def __init__(  # noqa: PLR0913 - what one trial is made of
        self,
        conversation: Conversation,
        tools: Tools,
        limits: Limits,
        *,
        price: Callable[[Reply], float | None],
        observe: Callable[[Turn], None],
        lag: LagMeter | None = None,
        purse_usd: float | None = None,
    ) -> None:
        self._lag = lag
        self._turn_began = 0.0
        self._conversation = conversation
        self._tools = tools
        self._allowance = Allowance(limits, price, purse_usd)
        self._observe = observe
        self._turns: list[Turn] = []

    async def run(self, results: tuple[ToolResult, ...] = ()) -> Outcome:
        """Work until the end; every ending is a value, and all that was used until then is in it.

        `results` are of calls that an earlier trial made in the same conversation last.
        """
        stop: Stop | None = None
        try:
            while stop is None:
                self._turn_began = self._lag.now() if self._lag else 0.0
                reply = believable(await self._conversation.turn(results, self._allowance.budget()))
                results, stop = await self._take(reply)
        except asyncio.CancelledError as stopped:
            return self._outcome("cancelled", stopped)
        except ContextTooLong as error:
            return self._outcome("context_limit", error)
        except Exception as error:  # noqa: BLE001 - providers are anybody's code, and what was used until then counts
            return self._outcome("error", error)
        return self._outcome(stop)

    async def _take(self, reply: Reply) -> tuple[tuple[ToolResult, ...], Stop | None]:
        """Account for one reply, run its calls in order, and say whether that was the end."""
        allowance = self._allowance
        cost_usd, stop = allowance.charge(reply)
        results: list[ToolResult] = []
        seconds, room_seconds = 0.0, allowance.left_seconds
        try:
            if stop is None:
                async with asyncio.timeout(room_seconds) as limit:
                    for call in reply.calls:
                        results.append(await self._tools.run(call))
                        if unpaid_seconds := results[-1].sandbox_seconds:  # the agent is not to blame for
                            limit.reschedule((limit.when() or 0.0) + unpaid_seconds)
                        if len(reply.calls) > 1:  # the other trials must not wait for all of a long list
                            await asyncio.sleep(0)
        except TimeoutError:
            stop, seconds = "time_limit", room_seconds
        finally:
            seconds = max(seconds, sum(result.seconds for result in results))
            allowance.spend(seconds, results)
            turn = Turn(
                reply=reply,
                results=tuple(results),
                queue_seconds=reply.queue_seconds,
                tools_seconds=seconds,
                sandbox_seconds=sum(result.sandbox_seconds for result in results),
                cost_usd=cost_usd,
                abandoned_cost_usd=allowance.abandoned_usd(reply),
                lag_seconds=self._lag.since(self._turn_began) if self._lag else None,
            )
            self._turns.append(turn)
        self._observe(turn)
        return turn.results, stop or allowance.used_up()

    def _filled(self) -> str:
        tokens = self._turns[-1].reply.request.context_tokens if self._turns else None
        return f"{FILLED}{'' if tokens is None else f' of {tokens:,} tokens'} in the middle of a reply"

    def _outcome(self, stop: Stop, error: BaseException | None = None) -> Outcome:
        left = error.left if isinstance(error, Interrupted | ProviderError) else Leftover()
        filled = self._filled() if stop == "context_limit" else SPENT if stop == "cancelled" and error is None else ""
        return Outcome(
            stop=stop,
            turns=tuple(self._turns),
            answer=self._turns[-1].reply.text if self._turns and stop != "error" else "",
            problem=described(error) if isinstance(error, Exception) else filled,
            failed=next((whose for kind, whose in BLAME if isinstance(error, kind)), "harness"),
            left=left,
            abandoned_cost_usd=self._allowance.lost_usd(left.abandoned),
        )
