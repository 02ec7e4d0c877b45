"""The probes tell protocols apart by what a model does under each, and stop as soon as the answer is known."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from flatfield.agent.probes import ALL_SECONDS, IN_ORDER, all_probes, find_protocol, offered_tools, worded
from flatfield.errors import ProviderError
from flatfield.records import AgentConfig, Probe, Probed, Reply, ToolCall

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.records import ToolResult, TurnBudget
    from flatfield.testing.clocks import FakeClock
    from flatfield.vendors.base import Opening

AGENT = AgentConfig(name="a", provider="p", model="m")


class Model:
    """Does the probes that it is said to be able to do under a protocol; others it answers in words."""

    def __init__(
        self,
        able: dict[str, int],
        *,
        seconds: float = 0.0,
        clock: FakeClock | None = None,
        status: int | None = 400,
    ) -> None:
        self.able = able
        self._status = status
        self.asked: list[tuple[str, str]] = []
        self.openings: list[Opening] = []
        self._pass = (seconds, clock)

    async def converse(self, opening: Opening) -> Talking:
        self.openings.append(opening)
        protocol = opening.agent.protocol or ""
        self.asked.append((protocol, opening.prompt))
        if self.able.get(protocol, 0) < 0:
            raise ProviderError("it is broken", status=self._status)
        seconds, clock = self._pass
        if clock is not None:
            clock.seconds += seconds
        number = next(number for number, (_, probe) in enumerate(all_probes()) if probe.prompt == opening.prompt)
        return Talking(*(all_probes()[number] if number < self.able.get(protocol, 0) else ("", None)))


class Talking:
    def __init__(self, tool: str, probe: Probe | None) -> None:
        self._tool = tool
        self._probe = probe
        self._left = list(probe.steps) if probe else []

    async def turn(self, _results: Sequence[ToolResult], _budget: TurnBudget) -> Reply:
        if self._probe is None:
            return Reply(text="I would call a tool.")
        if self._left:
            arguments = json.dumps(self._left.pop(0).arguments)
            return Reply(text="", calls=(ToolCall(id="c", name=self._tool, arguments=arguments),))
        return Reply(text=f"{self._probe.answer}.")


async def found(model: Model, clock: FakeClock) -> Probed:
    return await find_protocol(AGENT, model.converse, clock, offered_tools())


@pytest.mark.parametrize(
    ("able", "protocol"),
    [
        ({"native": 6, "text": 6, "json": 6}, "native"),
        ({"native": 1, "text": 6, "json": 6}, "text"),
        ({"native": 1, "text": 3, "json": 5}, "json"),
        ({"native": 4, "text": 4, "json": 4}, "native"),
        ({"native": 3, "text": 4, "json": 4}, "text"),
        ({}, "native"),
    ],
)
async def test_most_passed_wins_and_ties_go_to_the_nearest(
    able: dict[str, int], protocol: str, clock: FakeClock
) -> None:
    assert (await found(Model(able), clock)).protocol == protocol


async def test_nothing_is_asked_that_can_change_nothing(clock: FakeClock) -> None:
    model = Model({"native": 6})
    assert (await found(model, clock)).passed == {"native": 6}
    assert len(model.asked) == len(all_probes())
    model = Model({"native": 5, "text": 2})
    assert (await found(model, clock)).protocol == "native"
    assert len([protocol for protocol, _ in model.asked if protocol == "text"]) == 3  # then 5 are out of reach


async def test_all_is_asked_the_same_way(clock: FakeClock) -> None:
    model = Model({})
    agent = AgentConfig(name="a", provider="p", model="m", temperature=0.9, max_output_tokens=7, tools=("read_file",))
    await find_protocol(agent, model.converse, clock, offered_tools())
    assert {opening.agent.temperature for opening in model.openings} == {0.0}
    assert {opening.agent.max_output_tokens for opening in model.openings} == {None}
    assert all(opening.is_probe and opening.tools == offered_tools() for opening in model.openings)


@pytest.mark.parametrize(
    ("able", "protocol"), [({"native": -1, "text": -1, "json": 6}, "json"), ({"native": -1}, "native")]
)
async def test_a_protocol_that_the_server_refuses_is_none(
    able: dict[str, int], protocol: str, clock: FakeClock
) -> None:
    probed = await found(Model({"text": 0, **able}), clock)
    assert probed.protocol == protocol


async def test_a_server_that_fails_in_all_is_no_finding(clock: FakeClock) -> None:
    probed = await found(Model(dict.fromkeys(IN_ORDER, -1)), clock)
    assert (probed.protocol, probed.problem, probed.passed) == ("native", "it is broken", {})
    assert worded(probed) == "native, as nothing was found out: it is broken"


@pytest.mark.parametrize(
    ("able", "status", "problem"),
    [
        ({"native": 2, "text": -1, "json": -1}, None, "it is broken"),  # it is gone: this must not be kept
        ({"native": -1, "text": -1, "json": 2}, None, ""),  # it is there, and has trouble with tools
        ({"native": 2, "text": -1, "json": -1}, 400, ""),
    ],
)
async def test_a_server_that_went_away_tells_nothing_of_its_protocols(
    able: dict[str, int], status: int | None, problem: str, clock: FakeClock
) -> None:
    probed = await found(Model(able, status=status), clock)
    assert (probed.protocol, probed.problem) == ("json" if able["json"] > 0 else "native", problem)


async def test_a_slow_device_is_not_asked_for_ever(clock: FakeClock) -> None:
    model = Model({"native": 1, "text": 6}, seconds=ALL_SECONDS / 9, clock=clock)
    probed = await found(model, clock)
    assert len(model.asked) <= 10
    assert probed.protocol == "text"
    assert worded(probed).startswith("text, by 6 probes: native 1, text ")


def test_no_two_of_them_teach_each_other() -> None:
    """What one is about, no other one says: a model must not be helped by having seen a value."""
    probes = [probe for _, probe in all_probes()]
    assert len(probes) == 6
    for probe in probes:
        values = [value for step in probe.steps for value in step.arguments.values()]
        others = " ".join(
            " ".join((other.prompt, *(step.result for step in other.steps))) for other in probes if other is not probe
        )
        assert not any(value in others for value in values)
