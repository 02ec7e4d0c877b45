"""The server's prompts: an evaluation of named LOPs, and, where they are asked for, one for each LOP that it knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from flatfield.errors import FlatfieldError
from flatfield.faces.mcp.arguments import files_of
from flatfield.faces.mcp.catalogue import offers

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcp.server import MCPServer

    from flatfield.faces.mcp.desk import Desk

STEPS = """\
Evaluate these tasks with flatfield: {lops}

1. Call evaluate with lops={listed}{agents}. If the user named agents, repeats, a judge or a budget, pass them on. If it
   is not started because the user has to agree, tell the user the forecast, and call it again as it says once he does.
2. Call evaluation_status with the run's id and wait_seconds=50 until its state is no longer "running". Tell the user
   how far it is when that changes.
3. Call report with the run's id. Show the user its answer first, then a table of its scorecards, then what is to be
   said with the answer (caveats), as they are.
4. End with the reasons of its decision, and how sure it is. For other weights or limits, call pick.

Grades come from flatfield's verifiers and judge: report them, do not change them, and do not grade yourself.
"""


def add(server: MCPServer, desk: Desk) -> None:
    """Register `hop_evaluate`, and one prompt for each LOP where the server was started so."""

    @server.prompt(title="Evaluate LOPs")
    def hop_evaluate(
        lops: Annotated[str, Field(description="LOP files, folders or suite:NAME, with commas or spaces between them")],
        agents: Annotated[str, Field(description="agents' names or globs, with commas; else as the files say")] = "",
    ) -> str:
        """Evaluate agents on LOPs, watch the run, and show what came of it."""
        return _steps([*files_of([lops], lambda text: (desk.cwd / text).expanduser().exists())], agents)

    if not desk.lop_prompts:
        return
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


def _steps(lops: list[str], agents: str = "") -> str:
    named = [name.strip() for name in agents.split(",") if name.strip()]
    return STEPS.format(lops=", ".join(lops), listed=lops, agents=f" and agents={named}" if named else "")
