"""`flatfield doctor`: what is there, what is not, and how to fix it."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import typer

from flatfield.faces.cli.common import AsJson, environ_of, examples, notes, print_json, settings
from flatfield.faces.cli.trust import access_of

if TYPE_CHECKING:
    from flatfield.runs.readiness import Examined
    from flatfield.tasks.project import Project

EPILOG = examples("flatfield doctor", "flatfield doctor --json")
MARKS = {"ok": "✓", "missing": "–", "wrong": "✗"}


def command(context: typer.Context, as_json: AsJson = False) -> None:
    """Look at keys, servers, models, sandbox and disk.

    Says what is there, what is not, and how to fix it; nothing is spent but a tiny
    request of each model that its server does not list.
    """
    from flatfield.faces.drawing import open_console, wrapped

    project = settings(context).project()
    notes(project.notes)
    findings = asyncio.run(_examine(project))
    if as_json:
        print_json(findings)
        return
    screen = open_console()
    for finding in findings:
        wrapped(f"{finding.part}: {finding.found}", screen, first=f"{MARKS[finding.state]} ", then="  ")
        if finding.fix:
            wrapped(finding.fix, screen, first="    → ", then="      ", style="dim")


async def _examine(project: Project) -> tuple[Examined, ...]:
    from flatfield.clock import SystemClock
    from flatfield.http.services import Services
    from flatfield.http.transport import open_session
    from flatfield.machine.models import cache_folder
    from flatfield.runs.readiness import examine

    clock = SystemClock()
    environ = environ_of(project)
    access = access_of(project, environ, asks=False)
    async with open_session(clock, os.environ) as session:
        services = Services(
            session=session, clock=clock, environ=environ, cache=cache_folder(os.environ), access=access
        )
        return await examine(project, services)
