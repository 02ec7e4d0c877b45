"""The loop on real models of the desk: calls are run, results come back, the cache holds only a trial's own turns."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from flatfield.agent.files.copying import plan_copy
from flatfield.agent.provider_pool import ProviderPool
from flatfield.clock import SystemClock
from flatfield.http.services import Services
from flatfield.http.transport import open_session
from flatfield.machine.models import cache_folder
from flatfield.records import AgentConfig, Limits, Task, TrialPlan, TrialRecord, VerifierSpec
from flatfield.runs.trial import Assignment, Ground, run_trial
from flatfield.scoring.prices.pricing import Prices
from flatfield.tasks.access import everything

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.whole

LINE = "12 cables for Ivan in Arvika"
WRITE = Task(
    id="write",
    title="write",
    prompt=f"Create the file arvika.txt with this one line in it:\n\n{LINE}",
    tools=("write_file",),
    verifiers=(VerifierSpec(kind="file", options={"path": "arvika.txt", "matches": rf"\A{LINE}\n?\Z"}),),
)
LIMITS = Limits(turns=4, seconds=500, output_tokens=400)
FEW = Limits(turns=2, seconds=500, output_tokens=200)
"""Enough for a call and for what comes of it, whatever that is."""


async def trials(model: str, tmp_path: Path, count: int, limits: Limits) -> list[TrialRecord]:
    """So many trials of one agent, one after the other; the model is loaded once."""
    agent = AgentConfig(name="a", provider="local", model=model, protocol="json", temperature=0.0)
    clock = SystemClock()
    async with open_session(clock) as session:
        services = Services(session=session, clock=clock, environ=dict(os.environ), cache=tmp_path)
        async with ProviderPool(services) as pool:
            ground = Ground(
                access=everything(),
                pool=pool,
                prices=Prices(),
                clock=clock,
                scratch=tmp_path,
                sandbox=None,
                sandbox_reason="",
                observe=lambda _event: None,
            )
            return [
                await run_trial(
                    Assignment(
                        plan=TrialPlan(run="r", agent=agent.name, task=WRITE.id, repeat=repeat),
                        agent=agent,
                        fingerprint="f",
                        task=WRITE,
                        limits=limits,
                        model_name="agent_1",
                        files=plan_copy(WRITE, tmp_path),
                    ),
                    ground,
                )
                for repeat in range(1, count + 1)
            ]


def look_at(records: list[TrialRecord]) -> None:
    """What holds of every trial on the desk, whatever the model did."""
    assert [record.failure for record in records] == [None] * len(records)
    assert [record.load_seconds > 0 for record in records] == [number == 0 for number in range(len(records))]
    for record in records:
        assert record.cost_usd == 0
        assert record.active_seconds == pytest.approx(record.model_seconds + record.tools_seconds)
        usages = [turn.reply.usage for turn in record.turns if turn.reply.usage is not None]
        assert len(usages) == len(record.turns)
        assert usages[0].cache_read_tokens == 0, "nothing of an earlier trial"
        assert all(usage.cache_read_tokens > 0 for usage in usages[1:]), "but of the trial's own turns"
        assert all(turn.reply.device is not None and turn.reply.device.peak_memory_bytes for turn in record.turns)


@pytest.mark.slow
@pytest.mark.needs("model")
async def test_the_smallest_model_goes_through_the_whole_loop(tmp_path: Path) -> None:
    records = await trials(os.environ["FLATFIELD_TEST_MODEL"], tmp_path, 2, FEW)
    look_at(records)
    first, second = ([turn.reply.text for turn in record.turns] for record in records)
    assert first == second, "at temperature 0 an empty cache gives the same answers"
    assert any(turn.results for turn in records[0].turns), "it calls the tool, rightly or not"


@pytest.mark.slow
@pytest.mark.needs("half a billion")
async def test_half_a_billion_parameters_do_a_small_task(tmp_path: Path) -> None:
    """What it writes is in the file, and it ends by itself."""
    path = cache_folder(os.environ) / "models" / "qwen2.5-coder-0.5b.gguf"
    (record,) = await trials(str(path), tmp_path, 1, LIMITS)
    look_at([record])
    assert (record.stop, [check.score for check in record.checks]) == ("answered", [1.0])
