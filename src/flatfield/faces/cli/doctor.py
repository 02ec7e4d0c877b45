"""`flatfield doctor`: what is there, what is not, and how to fix it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import typer

from flatfield.faces.cli.common import AsJson, environ_of, examples, notes, outside_of, print_json, settings
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
    from flatfield.runs.readiness import examine
    from flatfield.runs.world import open_world

    environ = environ_of(project)
    async with open_world(outside_of(project, environ, access_of(project, environ, asks=False))) as world:
        return await examine(project, world.pool)
