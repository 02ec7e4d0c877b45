"""The server's prompts: an evaluation of named LOPs, and one for each LOP that it knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from flatfield.errors import FlatfieldError
from flatfield.faces.mcp.catalogue import offers

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcp.server import MCPServer

    from flatfield.faces.mcp.desk import Desk

STEPS = """\
Evaluate these tasks with flatfield: {lops}

1. Call evaluate with lops={listed}. If the user named agents, repeats, a judge or a budget, pass them on.
2. Call evaluation_status with the run's id until its state is no longer "running". Wait a while between calls; tell the
   user how far it is when that changes.
3. Call report with the run's id, and show the user its Results Summary and Final Ranking as they are.
4. Call pick with the run's id, and end with its recommendation, its reasons and how sure it is.

Grades come from flatfield's verifiers and judge: report them, do not change them, and do not grade yourself.
"""


def add(server: MCPServer, desk: Desk) -> None:
    """Register `hop_evaluate`, and one prompt for each LOP."""

    @server.prompt(title="Evaluate LOPs")
    def hop_evaluate(
        lops: Annotated[str, Field(description="LOP files, folders or suite:NAME, with spaces between them")],
    ) -> str:
        """Evaluate agents on LOPs, watch the run, and show what came of it."""
        return _steps(lops.split())

    try:
        known = offers(desk.project().folder, desk.lops)
    except FlatfieldError:
        return  # the tools say what is wrong with the project when they are called
    for offer in known:
        server.prompt(name=f"lop_{offer.name}", title=offer.name, description=f"Evaluate agents on {offer.argument}")(
            _one(offer.argument)
        )


def _one(argument: str) -> Callable[[], str]:
    def prompt() -> str:
        return _steps([argument])

    return prompt


def _steps(lops: list[str]) -> str:
    return STEPS.format(lops=", ".join(lops), listed=lops)
