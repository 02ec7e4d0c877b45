"""`oracle`: the control that plays a task's known solution, with the same tools as every model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from flatfield.errors import ProviderError
from flatfield.records import AgentConfig, Reply, Sent, ToolCall, Traits, Usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.http.services import Services
    from flatfield.records import Task, ToolResult, TurnBudget
    from flatfield.vendors.base import Conversation, Lane, Opening


FORGIVING = "forgiving"
"""As `model`: goes on when a step fails, as a solution that was changed on purpose must; else that ends the trial."""


TRAITS = Traits(name="oracle", asks_server=False, is_word=True, is_control=True)
AGENT = AgentConfig(name=TRAITS.name, provider=TRAITS.name)
FORGIVING_AGENT = AgentConfig(name=TRAITS.name, provider=TRAITS.name, model=FORGIVING)


def create(_services: Services) -> OracleProvider:
    """The provider, for one run."""
    return OracleProvider()


class OracleProvider:
    """Plays `Task.solution`."""

    async def check(self, agent: AgentConfig) -> None:
        """Always ready; a task without a solution is its trial's failure, not the run's."""

    async def converse(self, opening: Opening) -> Conversation:
        """A conversation that knows the task's solution."""
        return _Solution(opening.task, forgiving=opening.agent.model == FORGIVING)

    def lane(self, _agent: AgentConfig) -> Lane:
        """Competes with nobody."""
        from flatfield.vendors.base import Lane  # every command that reads agents asks this file what it is

        return Lane(name="control", width=16)

    def on_device(self, _agent: AgentConfig) -> bool:
        """A control has no price."""
        return False

    async def close(self) -> None:
        """Nothing was started."""


class _Solution:
    """All tool calls in the first turn, so that the task's own limit on turns holds; then the answer."""

    def __init__(self, task: Task, *, forgiving: bool) -> None:
        self._task = task
        self._forgiving = forgiving

    async def turn(self, results: Sequence[ToolResult], _budget: TurnBudget) -> Reply:
        steps = self._task.solution
        if not steps:
            raise ProviderError(f"task {self._task.id!r} has no solution for the oracle; add `solution:` to it")
        failed = [result.text for result in results if not result.ok]
        if failed and not self._forgiving:
            raise ProviderError(f"the solution of task {self._task.id!r} does not work: {failed[0]}")
        calls = tuple(
            ToolCall(id=f"step_{number}", name=step.tool, arguments=msgspec.json.encode(step.arguments).decode())
            for number, step in enumerate(steps, start=1)
            if step.tool is not None
        )
        if calls and not results:
            return Reply(text="", calls=calls, finish="tool_calls", usage=Usage(), request=Sent(api="control"))
        answer = "".join(step.answer for step in steps if step.tool is None)
        return Reply(text=answer, usage=Usage(), request=Sent(api="control"))
