"""The loop: every ending is a value, and nothing that was used is lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from msgspec import structs

from flatfield.agent.lag import measured_lag
from flatfield.agent.loop import NanoAgent, Outcome
from flatfield.errors import ContextTooLong, NotReady, ProviderError
from flatfield.records import Abandoned, Leftover, Limits, Reply, ToolCall, ToolResult, Turn, TurnBudget, Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Step = Reply | Exception


class Script:
    """A conversation that says what it is told to, and remembers what it was sent."""

    def __init__(self, steps: Sequence[Step] | Callable[[int], Step]) -> None:
        self._steps = steps
        self.results: list[tuple[ToolResult, ...]] = []
        self.budgets: list[TurnBudget] = []

    async def turn(self, results: Sequence[ToolResult], budget: TurnBudget) -> Reply:
        number = len(self.results)
        self.results.append(tuple(results))
        self.budgets.append(budget)
        step = self._steps(number) if callable(self._steps) else self._steps[number]
        if isinstance(step, Exception):
            raise step
        return step


class Echo:
    """Tools that answer with the call's arguments and take `seconds` each."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.ran: list[str] = []

    async def run(self, call: ToolCall) -> ToolResult:
        self.ran.append(call.id)
        return ToolResult(call_id=call.id, name=call.name, text=call.arguments, seconds=self.seconds)


def calling(*ids: str, tokens: int = 10, seconds: float = 1.0) -> Reply:
    calls = tuple(ToolCall(id=name, name="echo", arguments="{}") for name in ids)
    usage = Usage(input_tokens=100, output_tokens=tokens)
    return Reply(text="", calls=calls, finish="tool_calls", usage=usage, model_seconds=seconds)


def answer(text: str = "done") -> Reply:
    return Reply(text=text, usage=Usage(output_tokens=5), model_seconds=1.0)


async def run(
    script: Script, tools: Echo | None = None, limits: Limits | None = None, price: float | None = 0.01
) -> Outcome:
    agent = NanoAgent(
        script, tools or Echo(), limits or Limits(), price=lambda _usage: price, observe=lambda _turn: None
    )
    return await agent.run()


async def test_it_works_until_it_answers() -> None:
    script = Script([calling("a", "b"), calling("c"), answer("42")])
    tools = Echo()
    outcome = await run(script, tools)
    assert (outcome.stop, outcome.answer, len(outcome.turns)) == ("answered", "42", 3)
    assert tools.ran == ["a", "b", "c"]
    assert [[result.call_id for result in results] for results in script.results] == [[], ["a", "b"], ["c"]]


@pytest.mark.parametrize("number", [-1, 10**400, 2**60])
async def test_what_cannot_have_been_counted_is_not_reported(number: int) -> None:
    odd = Usage(input_tokens=5, output_tokens=number)
    reply = structs.replace(answer(), usage=odd, abandoned_usage=(Abandoned(usage=odd, estimated=False),))
    outcome = await run(Script([reply]))
    assert (outcome.stop, outcome.turns[0].reply.usage) == ("answered", None)
    assert outcome.turns[0].reply.abandoned_usage == (Abandoned(usage=Usage(), estimated=True),)


@pytest.mark.parametrize("number", [-1.0, 1e300, float("inf"), float("nan")])
async def test_what_cannot_have_been_timed_or_paid_is_not_reported(number: float) -> None:
    reply = structs.replace(answer(), load_seconds=number, first_token_seconds=number, reported_cost_usd=number)
    (turn,) = (await run(Script([reply]))).turns
    assert (turn.reply.load_seconds, turn.reply.first_token_seconds, turn.reply.reported_cost_usd) == (0.0, None, None)


async def test_nothing_at_all_is_an_answer() -> None:
    outcome = await run(Script([Reply(text="")]))
    assert (outcome.stop, outcome.answer) == ("answered", "")


async def test_the_same_call_for_ever_ends_at_the_turn_limit_with_its_tools_run() -> None:
    tools = Echo()
    outcome = await run(Script(lambda _: calling("same")), tools, Limits(turns=4))
    assert (outcome.stop, len(outcome.turns), len(tools.ran)) == ("turn_limit", 4, 4)


async def test_fifty_parallel_calls_run_in_order() -> None:
    ids = [f"c{number}" for number in range(50)]
    tools = Echo()
    await run(Script([calling(*ids), answer()]), tools)
    assert tools.ran == ids


@pytest.mark.parametrize(
    ("limits", "stop", "turns"),
    [
        (Limits(seconds=2.5), "time_limit", 3),
        (Limits(output_tokens=25), "token_limit", 3),
        (Limits(cost_usd=0.03), "cost_limit", 2),
        (Limits(turns=1), "turn_limit", 1),
    ],
)
async def test_limits(limits: Limits, stop: str, turns: int) -> None:
    outcome = await run(Script(lambda _: calling("x")), limits=limits)
    assert (outcome.stop, len(outcome.turns)) == (stop, turns)


async def test_an_answer_on_the_last_turn_is_an_answer() -> None:
    assert (await run(Script([calling("a"), answer()]), limits=Limits(turns=2))).stop == "answered"


async def test_the_budget_shrinks_with_what_was_used() -> None:
    script = Script([calling("a", tokens=30, seconds=2.0), answer()])
    await run(script, Echo(seconds=3.0), Limits(seconds=20, output_tokens=100))
    assert [(b.seconds, b.output_tokens) for b in script.budgets] == [(20, 100), (15.0, 70)]


async def test_tokens_are_estimated_for_limits_only_where_none_are_reported() -> None:
    silent = Reply(text="x" * 400, calls=calling("a").calls, finish="tool_calls", model_seconds=0.1)
    outcome = await run(Script(lambda _: silent), limits=Limits(output_tokens=150))
    assert (outcome.stop, len(outcome.turns)) == ("token_limit", 2)
    assert all(turn.reply.usage is None for turn in outcome.turns)


@pytest.mark.parametrize(
    ("finish", "stop"), [("length", "token_limit"), ("refused", "refused"), ("time", "time_limit")]
)
async def test_how_a_reply_ends_can_end_the_trial(finish: str, stop: str) -> None:
    half = Reply(text="half", calls=calling("a").calls, finish=finish)  # type: ignore[arg-type]
    tools = Echo()
    outcome = await run(Script([half]), tools)
    assert (outcome.stop, outcome.answer, tools.ran) == (stop, "half", [])


@pytest.mark.parametrize(
    ("error", "stop"),
    [(ProviderError("down", left=Leftover(retry_seconds=9.0)), "error"), (ContextTooLong("full"), "context_limit")],
)
async def test_an_api_that_fails_keeps_what_was_used(error: ProviderError, stop: str) -> None:
    outcome = await run(Script([calling("a"), error]))
    assert (outcome.stop, len(outcome.turns), outcome.problem) == (stop, 1, str(error))
    assert outcome.left.retry_seconds == error.left.retry_seconds


async def test_cancelled_in_a_tool_keeps_the_turn() -> None:
    class Hanging(Echo):
        async def run(self, call: ToolCall) -> ToolResult:
            if call.id == "b":
                entered.set()
                await asyncio.Event().wait()
            return await super().run(call)

    entered = asyncio.Event()
    task = asyncio.create_task(run(Script([calling("a", "b")]), Hanging()))
    await entered.wait()
    task.cancel()
    outcome = await task
    assert outcome.stop == "cancelled"
    assert [result.call_id for result in outcome.turns[0].results] == ["a"]


async def test_a_tool_that_hangs_ends_at_the_time_limit() -> None:
    class Hanging(Echo):
        async def run(self, call: ToolCall) -> ToolResult:
            await asyncio.Event().wait()
            raise AssertionError

    outcome = await run(Script([calling("a")]), Hanging(), Limits(seconds=1.05))
    assert outcome.stop == "time_limit"
    assert outcome.turns[0].tools_seconds == pytest.approx(0.05)  # the call that did not end took all that was left


@pytest.mark.usefixtures("idle_time")
async def test_what_the_sandbox_takes_is_in_no_limit_and_in_no_active_second() -> None:
    class Sandboxed(Echo):
        async def run(self, call: ToolCall) -> ToolResult:
            await asyncio.sleep(0.06)
            return structs.replace(await super().run(call), seconds=0.0, sandbox_seconds=0.06)

    outcome = await run(Script([calling("a", "b"), answer()]), Sandboxed(), Limits(seconds=1.09))
    assert outcome.stop == "answered"
    first = outcome.turns[0]
    assert (first.tools_seconds, first.sandbox_seconds) == pytest.approx((0.0, 0.12))


async def test_anybodys_code_may_break_and_what_was_used_is_kept() -> None:
    outcome = await run(Script([calling("a"), KeyError("choices")]))
    assert (outcome.stop, outcome.failed, len(outcome.turns)) == ("error", "harness", 1)
    assert "KeyError: 'choices' (in test_loop.py:" in outcome.problem

    class Broken(Echo):
        async def run(self, call: ToolCall) -> ToolResult:
            if call.id == "b":
                raise NotReady("the sandbox is gone")
            return await super().run(call)

    outcome = await run(Script([calling("a", "b")]), Broken())
    assert (outcome.stop, outcome.failed, outcome.problem) == ("error", "sandbox", "the sandbox is gone")
    assert [result.call_id for result in outcome.turns[0].results] == ["a"]
    outcome = await run(Script([ProviderError("down")]))
    assert (outcome.failed, outcome.problem) == ("provider", "down")


async def test_a_long_list_of_calls_lets_others_go_on() -> None:
    ran = 0

    async def other() -> None:
        nonlocal ran
        while True:
            ran += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(other())
    await run(Script([calling(*map(str, range(500))), answer()]))
    beside.cancel()
    assert ran >= 400


async def test_unknown_prices_stay_unknown() -> None:
    outcome = await run(Script([answer()]), price=None)
    assert outcome.turns[0].cost_usd is None


async def test_every_turn_is_shown_as_it_happens() -> None:
    seen: list[Turn] = []
    agent = NanoAgent(Script([calling("a"), answer()]), Echo(), Limits(), price=lambda _: None, observe=seen.append)
    outcome = await agent.run()
    assert tuple(seen) == outcome.turns


async def test_an_answer_that_is_longer_than_allowed_is_over_the_limit_with_what_it_used() -> None:
    long = Reply(text="done", usage=Usage(output_tokens=101), model_seconds=1.0)
    outcome = await run(Script([long]), limits=Limits(output_tokens=100))
    assert (outcome.stop, outcome.answer, outcome.turns[0].reply.usage) == ("token_limit", "done", long.usage)
    just = Reply(text="done", usage=Usage(output_tokens=100), model_seconds=1.0)
    assert (await run(Script([just]), limits=Limits(output_tokens=100))).stop == "answered"


def per_token(reply: Reply) -> float | None:
    """A dollar per thousand output tokens."""
    return reply.usage.output_tokens / 1000 if reply.usage else None


async def test_what_is_left_of_the_dollars_caps_the_next_reply() -> None:
    script = Script([calling("a", tokens=300), Reply(text="ha", finish="length", usage=Usage(output_tokens=200))])
    limits = Limits(cost_usd=0.5, output_tokens=10_000)
    agent = NanoAgent(script, Echo(), limits, price=per_token, observe=lambda _turn: None)
    outcome = await agent.run()
    assert [budget.output_tokens for budget in script.budgets] == [500, 200]
    assert outcome.stop == "cost_limit"


@pytest.mark.parametrize("price", [None, 0.0])
async def test_without_a_price_dollars_cap_nothing(price: float | None) -> None:
    script = Script([answer()])
    await run(script, limits=Limits(cost_usd=0.5, output_tokens=10_000), price=price)
    assert script.budgets[0].output_tokens == 10_000


async def test_each_turn_says_how_late_the_event_loop_was_meanwhile() -> None:
    class Blocking(Script):
        async def turn(self, results: Sequence[ToolResult], budget: TurnBudget) -> Reply:
            await asyncio.sleep(0)
            if len(self.results) == 1:
                until = asyncio.get_running_loop().time() + 0.06
                while asyncio.get_running_loop().time() < until:  # the loop is held up
                    pass
            return await super().turn(results, budget)

    with measured_lag() as meter:
        script = Blocking([calling("a"), answer()])
        agent = NanoAgent(script, Echo(), Limits(), price=lambda _: None, observe=lambda _turn: None, lag=meter)
        outcome = await agent.run()
    lags = [turn.lag_seconds for turn in outcome.turns]
    assert all(lag is not None for lag in lags)
    assert (lags[1] or 0.0) > 0.045
    assert (await run(Script([answer()]))).turns[0].lag_seconds is None


def wasted(tokens: int, *, kept: bool = False) -> Abandoned:
    return Abandoned(usage=Usage(input_tokens=50, output_tokens=tokens), estimated=True, kept=kept)


async def priced(script: Script, limits: Limits) -> Outcome:
    return await NanoAgent(script, Echo(), limits, price=per_token, observe=lambda _turn: None).run()


async def test_abandoned_attempts_cost_and_count_against_the_limits() -> None:
    costly = Reply(
        text="", calls=calling("a").calls, usage=Usage(output_tokens=100), abandoned=1, abandoned_usage=(wasted(300),)
    )
    script = Script([costly, answer()])
    outcome = await priced(script, Limits(output_tokens=1000))
    assert (outcome.turns[0].cost_usd, outcome.turns[0].abandoned_cost_usd) == pytest.approx((0.4, 0.3))
    assert [budget.output_tokens for budget in script.budgets] == [1000, 600]
    assert (await priced(Script([costly]), Limits(output_tokens=400))).stop == "token_limit"
    assert (await priced(Script([costly]), Limits(cost_usd=0.35))).stop == "cost_limit"


async def test_a_reply_that_was_cut_before_it_was_counted_costs_what_came_of_it() -> None:
    cut = Reply(text="half", finish="time", abandoned_usage=(wasted(200, kept=True),), model_seconds=1.0)
    (turn,) = (await priced(Script([cut]), Limits())).turns
    assert (turn.cost_usd, turn.abandoned_cost_usd) == pytest.approx((0.2, 0.2))


async def test_a_reply_that_fills_the_context_is_no_token_limit() -> None:
    outcome = await run(Script([Reply(text="half", finish="context", usage=Usage(output_tokens=5))]))
    assert (outcome.stop, outcome.answer) == ("context_limit", "half")
    assert "filled the model's context window" in outcome.problem


def per_input(reply: Reply) -> float | None:
    """A dollar per thousand tokens, input and output."""
    usage = reply.usage or Usage()
    return (usage.input_tokens + usage.output_tokens) / 1000


async def test_what_the_next_request_reads_is_set_aside_of_the_dollars() -> None:
    first = Reply(text="", calls=calling("a").calls, usage=Usage(input_tokens=200, output_tokens=100))
    script = Script([first, answer()])
    agent = NanoAgent(script, Echo(), Limits(cost_usd=0.8), price=per_input, observe=lambda _turn: None)
    outcome = await agent.run()
    told = 16 + len(outcome.turns[0].results[0].text)  # what the tool returned, at a token a byte at most
    assert [budget.output_tokens for budget in script.budgets] == [800, 200 - told]
    agent = NanoAgent(Script([first]), Echo(), Limits(cost_usd=0.55), price=per_input, observe=lambda _turn: None)
    assert (await agent.run()).stop == "cost_limit"
