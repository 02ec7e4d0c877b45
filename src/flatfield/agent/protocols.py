"""The seam of the agent's room: a tool. One file each implements one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flatfield.records import ToolSpec


class ToolText(Struct, frozen=True, kw_only=True):
    """What a tool answers whose call takes time that is not its own: `seconds` are, the rest is the harness's."""

    text: str
    seconds: float


class Tool(Protocol):
    """One tool of the nano agent, bound to one workspace."""

    @property
    def spec(self) -> ToolSpec:
        """What the model is told."""
        ...

    async def call(self, arguments: Mapping[str, Any]) -> str | ToolText:
        """Do it and answer in plain, short text.

        Raises:
            ToolError: it could not be done; the text tells the model what to do next.
        """
        ...
