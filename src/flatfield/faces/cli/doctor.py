"""`flatfield doctor`: what is there, what is not, and how to fix it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import typer

from flatfield.faces.cli.common import AsJson, console, print_json, settings

if TYPE_CHECKING:
    from flatfield.runs.examination import Finding

MARKS = {"ok": "✓", "missing": "–", "wrong": "✗"}


def command(context: typer.Context, as_json: AsJson = False) -> None:
    """Look at keys, servers, models, the sandbox and the disk: what is there, what is not, how to fix it."""
    findings = asyncio.run(_examine(context))
    if as_json:
        print_json(findings)
        return
    screen = console()
    for finding in findings:
        screen.print(f"{MARKS[finding.state]} {finding.part}: {finding.found}", markup=False)
        if finding.fix:
            screen.print(f"    {finding.fix}", style="dim", markup=False)


async def _examine(context: typer.Context) -> tuple[Finding, ...]:
    import os

    from flatfield.agent.clock import SystemClock
    from flatfield.agent.models import cache_folder
    from flatfield.agent.protocols import Services
    from flatfield.agent.transport import open_session
    from flatfield.runs.examination import examine

    project = settings(context).project()
    clock = SystemClock()
    async with open_session(clock) as session:
        services = Services(session=session, clock=clock, environ=os.environ, cache=cache_folder(os.environ))
        return await examine(project, services)
