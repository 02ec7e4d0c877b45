"""`noop`: the control that answers nothing. A task that it passes measures nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.records import AgentConfig, Reply, Sent, Traits, Usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.http.services import Services
    from flatfield.records import ToolResult, TurnBudget
    from flatfield.vendors.base import Conversation, Lane, Opening


TRAITS = Traits(name="noop", asks_server=False, is_word=True, is_control=True)
AGENT = AgentConfig(name=TRAITS.name, provider=TRAITS.name)


def create(_services: Services) -> NoopProvider:
    """The provider, for one run."""
    return NoopProvider()


class NoopProvider:
    """Needs nothing and does nothing."""

    async def check(self, agent: AgentConfig) -> None:
        """Always ready."""

    async def converse(self, _opening: Opening) -> Conversation:
        """A conversation of one empty answer."""
        return _Silence()

    def lane(self, _agent: AgentConfig) -> Lane:
        """Competes with nobody."""
        from flatfield.vendors.base import Lane  # every command that reads agents asks this file what it is

        return Lane(name="control", width=16)

    def on_device(self, _agent: AgentConfig) -> bool:
        """A control has no price."""
        return False

    async def close(self) -> None:
        """Nothing was started."""


class _Silence:
    async def turn(self, _results: Sequence[ToolResult], _budget: TurnBudget) -> Reply:
        return Reply(text="", usage=Usage(), request=Sent(api="control"))
