"""Verifiers that run code wait while a model on this device is measured, and the other way round."""

from __future__ import annotations

import asyncio
import dataclasses
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.records import Check, Task, VerifierSpec
from flatfield.runs.traffic import lanes as quiet
from flatfield.runs.traffic.lanes import Devices, Lanes
from flatfield.scoring.protocols import VerifyContext
from flatfield.vendors.base import Lane, device_lane

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from flatfield.records import TrialRecord
    from flatfield.testing.clocks import FakeClock

HOSTED = Lane(name="vendor:api.example", width=16, place="api.example")


@pytest.fixture
def lanes(tmp_path: Path, clock: FakeClock) -> Lanes:
    return Lanes(clock, Devices(tmp_path, clock, lambda _: None))


@pytest.fixture
def context(make_record: Callable[..., TrialRecord]) -> VerifyContext:
    task = Task(id="t", title="t", prompt="p", verifiers=(VerifierSpec(kind="command", options={"run": "true"}),))
    nothing: Any = None
    return VerifyContext(trial=make_record(), task=task, files=nothing, root=nothing, before=nothing)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What verifying leaves here."""
    told: list[str] = []

    async def verify(*_arguments: object) -> tuple[Check, ...]:
        told.append("verifying")
        for _ in range(5):
            await asyncio.sleep(0)
        told.append("verified")
        return ()

    monkeypatch.setattr(quiet, "verify", verify)
    return told


async def until(clock: FakeClock, waits: int) -> None:
    while len(clock.slept) < waits:  # noqa: ASYNC110 - the clock under test is what is waited for
        await asyncio.sleep(0)


async def test_commands_wait_for_a_model_on_this_device(
    lanes: Lanes, context: VerifyContext, log: list[str], clock: FakeClock
) -> None:
    async with lanes.alone(device_lane()):
        verifying = asyncio.create_task(quiet.verify_quietly(context, HOSTED, lanes))
        await until(clock, 3)
        assert log == []
    await verifying
    assert log == ["verifying", "verified"]


async def test_a_model_on_this_device_waits_for_commands_and_they_do_not_wait_for_each_other(
    lanes: Lanes, context: VerifyContext, log: list[str]
) -> None:
    both = [asyncio.create_task(quiet.verify_quietly(context, HOSTED, lanes)) for _ in range(2)]
    while len(log) < 2:  # noqa: ASYNC110 - one step of the loop at a time is the point
        await asyncio.sleep(0)
    async with lanes.alone(device_lane()):
        log.append("measured")
    await asyncio.gather(*both)
    assert log == ["verifying", "verifying", "verified", "verified", "measured"]


@pytest.mark.parametrize(
    ("kind", "lane"), [("command", device_lane()), ("file", HOSTED), ("answer", HOSTED), ("rubric", HOSTED)]
)
async def test_who_has_the_device_and_who_only_reads_does_not_wait(
    lanes: Lanes, context: VerifyContext, log: list[str], kind: str, lane: Lane
) -> None:
    task = Task(id="t", title="t", prompt="p", verifiers=(VerifierSpec(kind=kind, options={}),))
    async with lanes.alone(device_lane()):
        await quiet.verify_quietly(dataclasses.replace(context, task=task), lane, lanes)
    assert log == ["verifying", "verified"]


async def test_models_on_another_machine_are_not_slowed_by_commands_here(
    lanes: Lanes, context: VerifyContext, log: list[str]
) -> None:
    async with lanes.alone(device_lane("http://desk.lan/v1")):
        await quiet.verify_quietly(context, HOSTED, lanes)
    assert log == ["verifying", "verified"]


@pytest.mark.parametrize("again", [1.0, 0.0, None])
async def test_a_check_that_took_too_long_is_made_once_more_alone(
    context: VerifyContext, lanes: Lanes, monkeypatch: pytest.MonkeyPatch, again: float | None
) -> None:
    late = Check(verifier="command", label="c", score=None, reason="still running", trouble="time")
    other = Check(verifier="answer", label="a", score=0.5, reason="half")
    ends = [late, late if again is None else Check(verifier="command", label="c", score=again, reason="ended")]
    held: list[object] = []

    async def verify(_task: Task, given: VerifyContext, before: tuple[Check, ...] = ()) -> tuple[Check, ...]:
        held.append((before, lanes_held[-1:], given.least_seconds))
        return (ends.pop(0), other)

    lanes_held: list[str] = []

    def noted(how: str) -> Any:
        @asynccontextmanager
        async def hold() -> AsyncIterator[float]:
            lanes_held.append(how)
            yield 0.0
            lanes_held.pop()

        return hold

    monkeypatch.setattr(quiet, "verify", verify)
    monkeypatch.setattr(lanes, "beside", noted("beside"))
    monkeypatch.setattr(lanes, "here", noted("alone"))

    async def solution() -> float:
        assert lanes_held == [], "what it takes to play it, it waits for itself"
        return 30.0

    found = await quiet.verify_quietly(context, HOSTED, lanes, solution)
    assert held == [((), ["beside"], 0.0), ((late, other), ["alone"], 120.0)]
    assert found[1] == other
    assert found[0].score == (0.0 if again is None else again)
    if again is None:
        assert found[0].reason == "still running, also when it was done again alone"
