"""The control that plays the known solution: all calls in one turn, then the answer; what does not work is said."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from flatfield.errors import ProviderError
from flatfield.records import AgentConfig, SolutionStep, Task, ToolResult, TurnBudget
from flatfield.vendors import oracle
from flatfield.vendors.base import Opening

if TYPE_CHECKING:
    from flatfield.http.services import Services
    from flatfield.vendors.base import Conversation

BUDGET = TurnBudget(seconds=10, output_tokens=10)
AGENT = AgentConfig(name="oracle", provider="oracle")


async def playing(services: Services, *steps: SolutionStep) -> Conversation:
    task = Task(id="t", title="t", prompt="Do it.", solution=steps)
    opening = Opening(agent=AGENT, system_prompt="", prompt="Do it.", tools=(), task=task)
    return await oracle.create(services).converse(opening)


async def test_calls_come_in_one_turn_and_the_answer_in_the_next(services: Services) -> None:
    chat = await playing(
        services,
        SolutionStep(tool="write_file", arguments={"file_path": "ä", "content": "1"}),
        SolutionStep(tool="read_file", arguments={"file_path": "ä"}),
        SolutionStep(answer="done"),
    )
    first = await chat.turn((), BUDGET)
    assert [call.name for call in first.calls] == ["write_file", "read_file"]
    assert json.loads(first.calls[0].arguments) == {"file_path": "ä", "content": "1"}
    assert len({call.id for call in first.calls}) == 2
    results = [ToolResult(call_id=call.id, name=call.name, text="ok") for call in first.calls]
    assert (await chat.turn(results, BUDGET)).text == "done"


async def test_an_answer_alone_takes_one_turn(services: Services) -> None:
    reply = await (await playing(services, SolutionStep(answer="42"))).turn((), BUDGET)
    assert (reply.text, reply.calls, reply.finish) == ("42", (), "stop")


async def test_a_solution_that_does_not_work_is_no_score_of_zero(services: Services) -> None:
    chat = await playing(services, SolutionStep(tool="read_file", arguments={"file_path": "gone"}))
    call = (await chat.turn((), BUDGET)).calls[0]
    with pytest.raises(ProviderError, match="solution of task 't' does not work: file not found"):
        await chat.turn([ToolResult(call_id=call.id, name="read_file", text="file not found", ok=False)], BUDGET)
    with pytest.raises(ProviderError, match="task 't' has no solution"):
        await (await playing(services)).turn((), BUDGET)


async def test_it_is_always_ready_and_costs_nothing_that_is_known(services: Services) -> None:
    provider = oracle.create(services)
    await provider.check(AGENT)
    assert not provider.on_device(AGENT)
    assert provider.lane(AGENT).width > 1
    await provider.close()
