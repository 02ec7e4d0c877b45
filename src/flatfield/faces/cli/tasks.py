"""`flatfield tasks`: what a LOP says, as flatfield reads it, and whether it measures anything."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flatfield.faces.cli.common import AsJson, console, note, print_json, settings

if TYPE_CHECKING:
    from flatfield.records import Task
    from flatfield.runs.checking import Finding

app = typer.Typer(help="List, show and check tasks (LOPs).", no_args_is_help=True, rich_markup_mode="rich")
Files = Annotated[list[str], typer.Argument(metavar="LOP…", help="Markdown files, folders, or suite:NAME.")]
CHECK_EPILOG = """
[bold]Examples[/bold]

  flatfield tasks check suite:basic
  flatfield tasks check my-task.md        exit code 1 when a task does not hold
"""


@app.command("list")
def list_(
    files: Annotated[
        list[str] | None, typer.Argument(metavar="[LOP…]", help="Files, folders, suite:NAME; else the built-in suites.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List tasks: id, level, title, verifiers."""
    from rich.table import Table

    found = _load(files or ["suite:basic", "suite:demo"])
    if as_json:
        print_json([{"id": task.id, "level": task.level, "title": task.title, "path": task.path} for task in found])
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("id", "level", "title", "verified by"):
        table.add_column(name, overflow="fold")
    for task in found:
        by = ", ".join(spec.kind for spec in task.verifiers) or ("a judge" if task.rubric else "nothing")
        table.add_row(task.id, "–" if task.level is None else str(task.level), task.title, by)
    console().print(table)


@app.command("show")
def show(files: Files, as_json: AsJson = False) -> None:
    """Show what each task says: its prompt byte for byte, agents, expected output, rubric, verifiers and limits."""
    found = _load(files)
    if as_json:
        shown = [_shown(task) for task in found]
        print_json(shown[0] if len(shown) == 1 else shown)
        return
    screen = console()
    for task in found:
        screen.rule(f"{task.id}: {task.title}")
        values = _shown(task)
        for name in ("prompt", "expected", "rubric"):
            if values[name]:
                screen.print(f"{name}:", style="bold")
                screen.print(values[name], markup=False)
        for name in ("agents", "verifiers", "limits"):
            screen.print(f"{name}:", style="bold", end=" ")
            screen.print(values[name] or "none", markup=False)


@app.command("check", epilog=CHECK_EPILOG)
def check(context: typer.Context, files: Files, as_json: AsJson = False) -> None:
    """Prove tasks: the oracle scores 1 and noop 0 wherever there is a solution; and warn of harness wording."""
    from flatfield.runs.checking import check_tasks

    _ = settings(context).project()
    findings = asyncio.run(check_tasks(_load(files), Path.cwd()))
    if as_json:
        print_json(findings)
    else:
        screen = console()
        for finding in findings:
            screen.print(_line(finding), markup=False)
    if any(not finding.holds for finding in findings):
        raise typer.Exit(1)


def _line(finding: Finding) -> str:
    mark = "ok   " if finding.holds else "FAILS"
    return "\n".join([f"{mark} {finding.task}: {finding.summary}", *(f"      {text}" for text in finding.warnings)])


def _load(files: list[str]) -> tuple[Task, ...]:
    from flatfield.tasks.loading import load

    loaded = load(files, Path.cwd())
    for text in loaded.notes:
        note(f"note: {text}")
    return loaded.tasks


def _shown(task: Task) -> dict[str, Any]:
    return {
        "id": task.id,
        "prompt": task.prompt,
        "agents": task.agents,
        "expected": task.expected,
        "rubric": task.rubric,
        "verifiers": [{spec.kind: spec.options, "weight": spec.weight, "skill": spec.skill} for spec in task.verifiers],
        "limits": {name: getattr(task.limits, name) for name in task.limits.__struct_fields__},
    }
