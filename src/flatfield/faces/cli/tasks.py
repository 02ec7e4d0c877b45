"""`flatfield tasks`: what a LOP says, as flatfield reads it, and whether it measures anything."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flatfield.errors import NotFound
from flatfield.faces.cli.common import AsJson, Full, examples, note, notes, print_json, print_table, settings, write
from flatfield.faces.cli.completing import tasks
from flatfield.faces.cli.ending import GATE_FAILED
from flatfield.faces.cli.trust import Trust, access_of
from flatfield.saying import written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flatfield.records import Task
    from flatfield.runs.proof import Finding, Spoiled
    from flatfield.tasks.access import Access

app = typer.Typer(
    help="List, show and check tasks (LOPs).",
    epilog=examples("flatfield tasks list", "flatfield tasks check suite:basic"),
    no_args_is_help=True,
    rich_markup_mode=None,
)
Files = Annotated[
    list[str],
    typer.Argument(metavar="LOPS", help="Markdown files, folders, or suite:NAME.", autocompletion=tasks),
]
Seed = Annotated[
    int | None, typer.Option(metavar="N", min=0, help="What generated tasks are made from (the HOP's, else 0).")
]
TITLE_WIDTH = 80


@app.command("list", epilog=examples("flatfield tasks list", "flatfield tasks list suite:basic my-tasks/ --json"))
def list_(
    context: typer.Context,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="LOPS",
            help="Markdown files, folders, or suite:NAME; else the built-in suites.",
            autocompletion=tasks,
        ),
    ] = None,
    trust: Trust = False,
    full: Full = False,
    as_json: AsJson = False,
) -> None:
    """List tasks: id, level, title, verifiers."""
    from flatfield.faces.blocks import Table
    from flatfield.tasks.loading import SUITE_PREFIX, suites

    found = _load(files or [f"{SUITE_PREFIX}{name}" for name in suites()], _access(context, trust=trust))
    if as_json:
        print_json([{"id": task.id, "level": task.level, "title": task.title, "path": task.path} for task in found])
        return
    columns = ("id", "level", "title", "verified by")
    table = Table(
        columns=columns,
        rows=tuple(map(_row, found)),
        right=frozenset({"level"}),
        names=frozenset({"id"}),
        fold=frozenset({"verified by"}),
        cut=frozenset({"title"}),
        drop=("title",),
    )
    print_table(table, full=full)


def _row(task: Task) -> tuple[str, ...]:
    from flatfield.faces.wording import one_line

    kinds = Counter(spec.kind for spec in task.verifiers)
    by = ", ".join(f"{number} × {kind}" if number > 1 else kind for kind, number in kinds.items())
    level = "–" if task.level is None else str(task.level)
    return task.id, level, one_line(task.title, TITLE_WIDTH), by or ("a judge" if task.rubric else "nothing")


@app.command("show", epilog=examples("flatfield tasks show my-task.md", "flatfield tasks show suite:basic --json"))
def show(
    context: typer.Context, files: Files, seed: Seed = None, trust: Trust = False, as_json: AsJson = False
) -> None:
    """Show what each task says, as flatfield reads it.

    Its prompt byte for byte, agents, expected output, rubric, verifiers and limits.
    """
    found = _load(files, _access(context, trust=trust), seed)
    if not found:
        raise NotFound(f"there is no LOP in {', '.join(files)}")
    if as_json:
        shown = [_shown(task) for task in found]
        print_json(shown[0] if len(shown) == 1 else shown)
    else:
        write("\n\n".join("\n".join(_lines(task)) for task in found) + "\n")


def _lines(task: Task) -> Iterator[str]:
    import msgspec

    from flatfield.faces.wording import printable

    width = min(shutil.get_terminal_size((100, 24)).columns, 100)
    heading = printable(f"{task.id}: {task.title}")
    yield f"── {heading} " + "─" * max(width - len(heading) - 4, 0)
    if task.generated_from:
        yield f"made with seed {task.seed}, in {printable(str(Path(task.path).parent))}"
    for name, text in (("prompt", task.prompt), ("expected", task.expected), ("rubric", task.rubric)):
        if text:
            yield from (f"── {name}", printable(text))
    if task.agents:
        yield from ("── agents", *(f"  {agent}" for agent in task.agents))
    yield "── verifiers"
    for spec in task.verifiers:
        extra = f" (skill {spec.skill})" if spec.skill else ""
        options = printable(msgspec.json.encode(spec.options).decode()).replace("\\\\", "\\")  # as it was written
        yield f"  {spec.kind} {options}, weight {spec.weight:g}{extra}"
    if not task.verifiers:
        yield f"  none{'; a judge goes by the rubric' if task.rubric else ''}"
    limits = _shown(task)["limits"].items()
    yield "── limits"
    yield "  " + ", ".join(f"{name} {written(value)}" for name, value in limits if value is not None)


@app.command(
    "check",
    epilog=examples(
        "flatfield tasks check suite:basic",
        "flatfield tasks check my-task.md     exit code 1 when it does not hold",
        "flatfield tasks check my-task.md --deep",
    ),
)
def check(
    context: typer.Context,
    files: Files,
    deep: Annotated[
        bool, typer.Option("--deep", help="Play the solution five times, and get it wrong on purpose.")
    ] = False,
    seed: Seed = None,
    trust: Trust = False,
    as_json: AsJson = False,
) -> None:
    """Prove tasks: they can be passed, and not without doing the work.

    The oracle must score 1, noop 0; an echo of the prompt or a copy of the workspace must not pass. With --deep the
    solution must be graded alike five times, and every sabotage of it must be noticed. Prompts that talk about the
    harness are pointed out. How long the checks take is kept: in a run on this machine, they may take four times that.
    """
    from flatfield.runs.permission import wants_of
    from flatfield.runs.proof import check_tasks

    access = _access(context, trust=trust)
    found = _load(files, access, seed)
    access.allow(wants_of(found, (), {}, access))
    with _progress() as tell:
        findings = asyncio.run(check_tasks(found, Path.cwd(), access, deep=deep, tell=tell, say=note))
    if as_json:
        print_json(findings)
    else:
        _print(findings)
    if any(not finding.holds for finding in findings):
        raise typer.Exit(GATE_FAILED)


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """Shows how many plays are done, on a terminal's standard error; it goes when all are."""
    from flatfield.faces.drawing import open_console

    screen = open_console(stderr=True)
    if not screen.is_terminal:
        yield lambda _done, _of: None
        return
    with screen.status("checking") as status:
        yield lambda done, of: status.update(f"checking: {done} of {of} plays done")


def _print(findings: tuple[Finding, ...]) -> None:
    from flatfield.faces.drawing import open_console, wrapped

    screen = open_console()
    for finding in findings:
        proved = "ok     " if finding.oracle is not None else "–      "
        mark = proved if finding.holds else "FAILS  "
        took = f"; checked in {finding.check_seconds:.1f} s" if finding.check_seconds is not None else ""
        wrapped(f"{finding.task}: {finding.summary}{took}", screen, first=mark, then=" " * 9)
        for text in finding.warnings:
            wrapped(text, screen, first=" " * 7 + "! ", then=" " * 9)
        for spoiled in finding.sabotages:
            wrapped(_line(spoiled), screen, first=" " * 7 + "× ", then=" " * 9)


def _line(spoiled: Spoiled) -> str:
    score = "not measured" if spoiled.score is None else f"{spoiled.score:.2f}"
    return f"{spoiled.name}: {score}" + (f", fails {', '.join(spoiled.failed)}" if spoiled.failed else "")


def _access(context: typer.Context, *, trust: bool) -> Access:
    from flatfield.faces.cli.common import environ_of

    project = settings(context).project()
    return access_of(project, environ_of(project), everything=trust)


def _load(files: list[str], access: Access, seed: int | None = None) -> tuple[Task, ...]:
    from flatfield.tasks.loading import load

    loaded = load(files, Path.cwd(), seed, access=access, asks_how=False)
    notes(loaded.notes)
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
