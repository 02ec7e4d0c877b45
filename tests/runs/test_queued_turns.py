"""A whole trial behind a narrow lane: what its turns wait for is queue, and no other of its seconds."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from msgspec import structs

from flatfield.agent.files.copying import plan_copy
from flatfield.agent.provider_pool import ProviderPool
from flatfield.http.services import Services
from flatfield.http.transport import open_session
from flatfield.records import AgentConfig, LaneLimits, Limits, Task, TrialPlan, Usage
from flatfield.runs.traffic.lanes import Lanes, limit_agents
from flatfield.runs.trial import Assignment, Ground, run_trial
from flatfield.scoring.prices.pricing import Prices
from flatfield.testing.fake_server import FakeReply, Fault
from flatfield.testing.wires.openai_chat import FakeChat

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from flatfield.records import TrialRecord
    from flatfield.testing.clocks import FakeClock

    Run = Callable[[], Awaitable[TrialRecord]]

TASK = Task(id="t", title="t", prompt="p", digest="d", files={"a.txt": "alpha"}, limits=Limits(seconds=30))
READ = FakeReply(calls=(("read_file", '{"file_path": "a.txt"}'),))
ANSWER = FakeReply(text="done")


@asynccontextmanager
async def trials(folder: Path, clock: FakeClock, server: FakeChat, limits: LaneLimits) -> AsyncIterator[Run]:
    """What runs a trial against the server, behind a lane with these limits."""
    lanes = Lanes(clock)
    config = AgentConfig(name="a", provider="openai-chat", model="m", base_url=server.base_url)
    async with open_session(clock) as session:
        services = Services(session=session, clock=clock, environ={}, cache=folder, pressure=lanes)
        async with ProviderPool(services) as pool:
            limit_agents(lanes, pool, (config,), {"openai-chat": limits})
            ground = Ground(
                pool=pool,
                prices=Prices(),
                clock=clock,
                scratch=folder,
                sandbox=None,
                sandbox_reason="",
                observe=lambda _: None,
                lanes=lanes,
            )

            async def run() -> TrialRecord:
                plan = TrialPlan(run="r", agent="a", task="t", repeat=1)
                assignment = Assignment(
                    plan=plan,
                    agent=config,
                    fingerprint="f",
                    task=TASK,
                    limits=TASK.limits,
                    model_name="agent_1",
                    files=plan_copy(TASK, folder),
                )
                return await run_trial(assignment, ground)

            yield run


async def test_every_turn_waits_and_its_time_limit_does_not_run_meanwhile(tmp_path: Path, clock: FakeClock) -> None:
    async with (
        FakeChat([READ, READ, ANSWER]) as server,
        trials(tmp_path, clock, server, LaneLimits(requests_per_minute=1)) as run,
    ):
        record = await run()
    assert (record.stop, len(record.turns)) == ("answered", 3)
    assert [turn.queue_seconds for turn in record.turns] == [0, 60, 60]
    assert record.queue_seconds == 120
    assert (record.active_seconds, record.model_seconds, record.retry_seconds) == (0, 0, 0)
    assert record.wall_seconds == 0


async def test_an_attempt_that_is_made_again_waits_too_and_back_off_stays_retrying(
    tmp_path: Path, clock: FakeClock
) -> None:
    refusal = Fault(status=429, headers={"Retry-After": "20"})
    async with (
        FakeChat([refusal, ANSWER]) as server,
        trials(tmp_path, clock, server, LaneLimits(requests_per_minute=1)) as run,
    ):
        record = await run()
    assert record.turns[0].reply.attempts == 2
    assert record.retry_seconds == pytest.approx(20)
    assert record.queue_seconds == pytest.approx(40)
    assert record.wall_seconds == pytest.approx(20)


async def test_what_a_reply_really_took_counts_against_the_minute(tmp_path: Path, clock: FakeClock) -> None:
    """The requests are short, but the server says that each turn took 60,000 tokens."""
    usage = Usage(input_tokens=59_000, output_tokens=1000)
    turns = [structs.replace(reply, usage=usage) for reply in (READ, READ, READ, ANSWER)]
    limits = LaneLimits(tokens_per_minute=100_000)
    async with FakeChat(turns) as server, trials(tmp_path, clock, server, limits) as run:
        record = await run()
    assert record.stop == "answered"
    assert [turn.queue_seconds for turn in record.turns] == [0, 0, 60, 0]


async def test_a_trial_that_ended_without_a_reply_has_its_waiting_all_the_same(
    tmp_path: Path, clock: FakeClock
) -> None:
    too_long = Fault(status=400, message="the request exceeds the available context size (exceed_context_size_error)")
    async with (
        FakeChat([READ, too_long]) as server,
        trials(tmp_path, clock, server, LaneLimits(requests_per_minute=1)) as run,
    ):
        record = await run()
    assert (record.stop, len(record.turns)) == ("context_limit", 1)
    assert (record.queue_seconds, record.retry_seconds, record.wall_seconds) == (60, 0, 0)
