"""`flatfield eval`: agents × tasks × repeats, graded."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flatfield.errors import FlatfieldError
from flatfield.faces.cli.common import AsJson, comma_list, console, note, parse_weights, print_json, settings

if TYPE_CHECKING:
    from flatfield.records import AgentConfig, Evaluation, Run, RunResult
    from flatfield.runs.scheduler import Summary
    from flatfield.runs.store import Store
    from flatfield.tasks.project import Project

EPILOG = """
[bold]Examples[/bold]

  flatfield eval suite:basic --agents oracle,noop
  flatfield eval hop.md tasks/*.md --repeats 5 --judge claude-sonnet
  flatfield eval my-task.md --agents "nano-*,openai-chat:qwen3@http://127.0.0.1:8080/v1"
  flatfield eval --resume            go on with the newest run
  flatfield eval --resume 20260102   go on with the run whose id begins so
"""


def command(
    context: typer.Context,
    files: Annotated[
        list[str] | None, typer.Argument(metavar="[HOP] LOP…", help="Markdown files, folders, or suite:NAME.")
    ] = None,
    agents: Annotated[
        str | None, typer.Option(metavar="A,B", help="Names, globs or PROVIDER:MODEL[@URL]; replaces every roster.")
    ] = None,
    repeats: Annotated[int | None, typer.Option(min=1, help="Trials per agent and task.")] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Trials at once (default 8).")] = None,
    seed: Annotated[int | None, typer.Option(help="Shuffles the order of trials.")] = None,
    judge: Annotated[str | None, typer.Option(metavar="A,B", help="Agents that grade what has a rubric.")] = None,
    budget_usd: Annotated[float | None, typer.Option(min=0, help="Start nothing more when this is spent.")] = None,
    weights: Annotated[
        str | None, typer.Option(metavar="performance=…,speed=…,cost=…", help="For the overall.")
    ] = None,
    skip_unready: Annotated[bool, typer.Option("--skip-unready", help="Run without the agents that cannot.")] = False,
    resume: Annotated[
        str | None, typer.Option(metavar="[RUN]", help="Do what is missing of a run; alone: of the newest.")
    ] = None,
    unsafe_commands: Annotated[
        bool, typer.Option("--unsafe-commands", help="Run commands that models write WITHOUT a sandbox.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run agents on tasks, several times over, and grade what each one did."""
    from flatfield.faces.reports.terminal import show
    from flatfield.runs.results import load_result

    if resume is not None and files:
        raise FlatfieldError("--resume goes on with the files of its run; leave the files out")
    options: dict[str, object] = {
        "agents": comma_list(agents) or None,
        "repeats": repeats,
        "jobs": jobs,
        "seed": seed,
        "judge": comma_list(judge) or None,
        "budget_usd": budget_usd,
        "weights": parse_weights(weights),
    }
    chosen = {name: value for name, value in options.items() if value is not None}
    project = settings(context).project()
    store = settings(context).store(project)
    run = _new(files or [], project, chosen) if resume is None else _resumed(store, resume, chosen)
    judges = _judges(run.evaluation, project)
    _warn_of_judge(run, judges)
    how = How(judges=judges, skip_unready=skip_unready, unsafe_commands=unsafe_commands, quiet=as_json)
    summary, stopped = asyncio.run(carry_out(run, store, how))
    result = load_result(store, run.id)
    path = write_markdown(result, project)
    if as_json:
        print_json(result)
    else:
        show(result, console())
        note(f"\nReport: {os.path.relpath(path)}")
    leave(result, summary, stopped=stopped)


def _new(files: list[str], project: Project, chosen: dict[str, object]) -> Run:
    from msgspec import structs

    from flatfield.agent.clock import SystemClock
    from flatfield.records import Evaluation
    from flatfield.runs.order import new_run
    from flatfield.tasks.loading import load

    if not files:
        raise FlatfieldError("name what to evaluate: LOP files, folders, or suite:basic")
    loaded = load(files, Path.cwd())
    for text in (*project.notes, *loaded.notes):
        note(f"note: {text}")
    if not loaded.tasks:
        raise FlatfieldError(f"there is no LOP in {', '.join(files)}: a HOP needs at least one task to evaluate")
    evaluation = structs.replace(loaded.evaluation or Evaluation(), **chosen)
    if "repeats" in chosen:
        loaded_tasks = tuple(structs.replace(task, repeats=None) for task in loaded.tasks)
    else:
        loaded_tasks = loaded.tasks
    command_line = shlex.join(["flatfield", *sys.argv[1:]])
    return new_run(evaluation, loaded_tasks, project.roster, SystemClock().utc(), command=command_line)


def _resumed(store: Store, resume: str, chosen: dict[str, object]) -> Run:
    from msgspec import structs

    from flatfield.runs.order import reread

    fixed = sorted(set(chosen) - {"jobs", "budget_usd", "judge", "weights"})
    if fixed:
        raise FlatfieldError(f"--resume keeps what its run was started with; leave out --{fixed[0]}")
    run = store.load_run(None if resume == "newest" else resume)
    if run.imported:
        raise FlatfieldError(f"run {run.id} is imported from published figures; there is nothing to resume")
    run = reread(run)
    return structs.replace(run, evaluation=structs.replace(run.evaluation, **chosen))


def _judges(evaluation: Evaluation, project: Project) -> tuple[AgentConfig, ...]:
    from flatfield.tasks.agents import select_agents

    return select_agents(evaluation.judge, project.roster) if evaluation.judge else ()


def _warn_of_judge(run: Run, judges: tuple[AgentConfig, ...]) -> None:
    from flatfield.scoring.judge import rubric_of

    rubric_only = [
        task.id for task in run.tasks if rubric_of(task) and not any(v.kind != "rubric" for v in task.verifiers)
    ]
    if rubric_only and not judges:
        note(f"note: without --judge, performance and overall are not measured on: {', '.join(rubric_only)}")


@dataclass(frozen=True, kw_only=True, slots=True)
class How:
    """How a run is carried out: who judges, and what the flags say."""

    judges: tuple[AgentConfig, ...] = ()
    skip_unready: bool = False
    unsafe_commands: bool = False
    quiet: bool = False


async def carry_out(run: Run, store: Store, how: How) -> tuple[Summary, bool]:
    """Run with live progress; True when it was interrupted. Ctrl-C ends it cleanly, a second one at once."""
    from flatfield.agent.clock import SystemClock
    from flatfield.faces.live import LiveView
    from flatfield.runs.evaluate import Conduct, evaluate
    from flatfield.runs.plan import remaining

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def interrupt(number: int) -> None:
        stop.set()
        loop.remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupt, number)
    view = LiveView(console(stderr=how.quiet), remaining(run, store.trials(run.id)).plans)
    async with store:
        for text in store.notes:
            note(f"note: {text}")
        with view:
            conduct = Conduct(
                clock=SystemClock(),
                source=Path.cwd(),
                observe=view.observe,
                stop=stop,
                judges=how.judges,
                skip_unready=how.skip_unready,
                unsafe_commands=how.unsafe_commands,
            )
            summary = await evaluate(run, store, conduct)
    return summary, stop.is_set()


def leave(result: RunResult, summary: Summary, *, stopped: bool) -> None:
    """Say what is missing and how to go on, and leave with the run's exit code."""
    for text in summary.notes:
        note(f"note: {text}")
    go_on = f"flatfield eval --resume {result.run.id}"
    if stopped:
        note(f"interrupted: {len(summary.measured)} trials done now are stored; go on with: {go_on}")
        raise typer.Exit(130)
    missing = sum(trial.failure is not None for trial in result.trials) + len(summary.not_started)
    if missing:
        note(f"{missing} trials are not measured; when the cause is mended: {go_on}")
        raise typer.Exit(3)


def write_markdown(result: RunResult, project: Project) -> Path:
    """The Markdown report under `.flatfield/reports/`."""
    from flatfield.faces.reports.markdown import render

    path = project.folder / ".flatfield" / "reports" / f"{result.run.id}.md"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(render(result), encoding="utf-8")
    except OSError as error:
        raise FlatfieldError(
            f"the report cannot be written to {path}: {error.strerror}; the run is stored, see: flatfield report"
        ) from None
    return path
