"""`flatfield regrade`: a stored run graded again from its records, perhaps by other judges."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from flatfield.errors import FlatfieldError
from flatfield.faces.cli import common
from flatfield.faces.cli.ending import INTERRUPTED, NOT_MEASURED, interruptible
from flatfield.faces.cli.trust import Trust, access_of
from flatfield.faces.storing import store_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.faces.blocks import Table
    from flatfield.records import Grade, Run, RunResult
    from flatfield.runs.judging import Regraded
    from flatfield.runs.store.store import Store
    from flatfield.tasks.project import Project

EPILOG = common.examples(
    "flatfield regrade --judge claude-sonnet                another judge for the newest run",
    "flatfield regrade 20260102 --judge claude-sonnet,gpt-5   a panel",
    "flatfield regrade 20260102 --judge claude-sonnet --missing   only what it has no letter for",
    "flatfield regrade 20260102 --weights performance=1     what would the grades be?",
)


def command(
    context: typer.Context,
    run: common.RunArgument = None,
    judge: Annotated[str | None, typer.Option(metavar="A,B", help="The judges that count from now on.")] = None,
    missing: Annotated[bool, typer.Option("--missing", help="Ask only for letters not given yet.")] = False,
    budget_usd: Annotated[
        float | None, typer.Option(metavar="N", min=0, help="Ask no more when judging has cost so many dollars.")
    ] = None,
    weights: common.WeightsOption = None,
    judge_weight: Annotated[
        float | None, typer.Option(metavar="W", min=0, max=1, help="How much judges count beside verifiers.")
    ] = None,
    anchors: Annotated[str | None, typer.Option(metavar="RUN", help="Grade on that run's scales.")] = None,
    trust: Trust = False,
    as_json: common.AsJson = False,
) -> None:
    """Grade a stored run again from its records; no agent is run.

    New verdicts are stored beside the old ones, which are never lost: of each judge the latest count, and once the
    judges named here have graded everything, only theirs. Weights and scales given here hold for this report only.
    """
    from flatfield.faces.drawing import open_console
    from flatfield.faces.reports import json, terminal
    from flatfield.records import Preferences
    from flatfield.runs.results import load_result

    wanted, names = common.parse_weights(weights), common.comma_list(judge, "--judge")
    if names is None and (missing or budget_usd is not None):
        raise FlatfieldError("--missing and --budget-usd are about judges: name them with --judge")
    project = common.settings(context).project()
    store = store_of(project)
    before = load_result(store, run)
    judged: Regraded | None = None
    stopped = False
    if names is not None:
        wish = _Wish(names=names, missing=missing, budget_usd=budget_usd, trust=trust)
        judged, stopped = asyncio.run(_judge(store.load_run(before.run.id), store, project, wish))
    after = load_result(
        store,
        before.run.id,
        preferences=Preferences(weights=wanted),
        judge_weight=judge_weight,
        anchors_of=anchors,
    )
    if as_json:
        common.write(json.render(after))
    else:
        console = open_console()
        terminal.show(after, console)
        _show_changes(before, after)
        common.note(f"\nReport: {_written(after, project)}")
    _leave(judged, _progress(after, names or ()) if stopped else "")


def _progress(result: RunResult, judges: Sequence[str]) -> str:
    """`4 of 12 letters given, 1 failed, 7 left`: of the trials that have a rubric, by each of the judges."""
    from flatfield.scoring.judge.judge import rubric_of

    graded = {task.id for task in result.run.tasks if rubric_of(task)}
    trials = sum(trial.failure is None and trial.task in graded for trial in result.trials)
    given = [verdict.letter for verdict in result.verdicts if verdict.judge in judges]
    done, failed = len([letter for letter in given if letter]), given.count(None)
    return f"{done} of {trials * len(judges)} letters given, {failed} failed, {trials * len(judges) - len(given)} left"


def _leave(judged: Regraded | None, progress: str) -> None:
    """Leave with the exit code; `progress` says how far an interrupted one came."""
    common.notes(judged.notes if judged else ())
    if progress:
        common.note(f"interrupted: {progress}; go on with the same command and --missing")
        raise typer.Exit(INTERRUPTED)
    if judged is not None and judged.letters_left:
        raise typer.Exit(NOT_MEASURED)


def _written(result: RunResult, project: Project) -> str:
    import os

    from flatfield.faces.cli.carry_out import write_markdown

    return os.path.relpath(write_markdown(result, project), Path.cwd())


class _Wish(NamedTuple):
    """What the options say of judging: who, only what is missing or all, for how much, and whether all is trusted."""

    names: tuple[str, ...]
    missing: bool
    budget_usd: float | None
    trust: bool


async def _judge(run: Run, store: Store, project: Project, wish: _Wish) -> tuple[Regraded, bool]:
    from flatfield.faces.judges import warnings_of
    from flatfield.faces.wording import printable
    from flatfield.runs.judging import Retrial, judge_again
    from flatfield.runs.permission import wants_of
    from flatfield.tasks.agents import select_agents

    judges = select_agents(wish.names, project.roster)
    environ = common.environ_of(project)
    access = access_of(project, environ, everything=wish.trust)
    access.allow(wants_of((), judges, environ, access))
    common.notes((*project.notes, *warnings_of(run, judges, environ)))
    stop = asyncio.Event()

    def interrupt() -> None:
        stop.set()
        common.note("stopping: what was judged is kept; Ctrl-C again ends at once")

    retrial = Retrial(
        judges=judges,
        outside=common.outside_of(project, environ, access),
        observe=lambda event: common.note(
            printable(f"judge {event.agent}: {event.text}" if event.agent else event.text)
        ),
        stop=stop,
        missing=wish.missing,
        budget_usd=wish.budget_usd,
    )
    with interruptible(interrupt):
        async with store:
            common.notes(store.notes)
            return await judge_again(run, store, retrial), stop.is_set()


def _show_changes(before: RunResult, after: RunResult) -> None:
    from flatfield.faces.drawing import draw_table, open_console

    table = _changes(before, after)
    common.write("\n")
    if table.rows:
        draw_table(table, open_console(), more="report --full")
    else:
        common.write("No agent's grade changed.\n")


def _changes(before: RunResult, after: RunResult) -> Table:
    """One row for each agent whose performance or overall is another one now."""
    from flatfield.faces.blocks import Table

    then = {card.agent: card for card in before.grading.scorecards}
    rows = []
    for card in after.grading.scorecards:
        old = then.get(card.agent)
        if old and (old.performance.score, old.overall.score) != (card.performance.score, card.overall.score):
            rows.append((card.agent, _moved(old.performance, card.performance), _moved(old.overall, card.overall)))
    return Table(columns=("agent", "performance", "overall"), rows=tuple(rows), names=frozenset({"agent"}))


def _moved(old: Grade, new: Grade) -> str:
    return f"{_grade(old)} → {_grade(new)}"


def _grade(grade: Grade) -> str:
    return "–" if grade.letter is None or grade.score is None else f"{grade.letter} {grade.score:.2f}"
