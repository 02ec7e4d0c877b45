"""`flatfield evidence` and `flatfield import`: what others published of models, listed, shown, and taken over."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flatfield.errors import FlatfieldError, NotFound
from flatfield.faces.cli.common import (
    AsJson,
    Full,
    examples,
    notes,
    print_json,
    print_table,
    settings,
    write,
)
from flatfield.faces.storing import save_imported, store_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.records import Evidence, Gathered, ImportChoices, Imported, RunSummary
    from flatfield.runs.store.store import Store
    from flatfield.tasks.project import Project

app = typer.Typer(
    help="List and show what others published; never mixed with your own trials.",
    epilog=examples(
        "flatfield evidence list --kind code-repair",
        "flatfield evidence list --benchmark swe-bench --model gpt-5.5",
        "flatfield evidence show claude-opus-4-8",
        "flatfield pick --for code-repair",
    ),
    no_args_is_help=True,
    rich_markup_mode=None,
)
NEAR = 5
"""So many names that hold what was asked for are told."""
Model = Annotated[str, typer.Option("--model", metavar="NAME", help="Only this model, under any name that it goes by.")]


@app.command("list", epilog=examples("flatfield evidence list", "flatfield evidence list --kind research --json"))
def list_(
    context: typer.Context,
    benchmark: Annotated[str, typer.Option(metavar="NAME", help="Only this benchmark.")] = "",
    kind: Annotated[str, typer.Option(metavar="KIND", help="Only this kind of work.")] = "",
    model: Model = "",
    own: Annotated[bool, typer.Option("--own", help="Only what you took over with flatfield import.")] = False,
    full: Full = False,
    as_json: AsJson = False,
) -> None:
    """List results that others published: solved of n, dollars and seconds a task, when and in which program.

    Without a filter a line for each benchmark and program. A cost or a time that nobody told is –, never 0.
    """
    from flatfield.evidence.listed import evidence, of_model
    from flatfield.evidence.listed import own as own_rows

    data = settings(context).project().data
    rows = own_rows(data) if own else evidence(data)
    _look_at(rows, benchmark, kind)
    asked = tuple(row for row in rows if benchmark in ("", row.benchmark) and kind in ("", row.kind))
    if model:
        asked = of_model(asked, model)
    if not asked:
        raise NotFound(_nothing(rows, model, own=own))
    rows = asked
    if as_json:
        print_json(rows)
    elif not (benchmark or kind or model or own):
        _show_groups(rows, full=full)
    else:
        _show_rows(sorted(rows, key=lambda row: (row.benchmark, row.scaffold, -row.share)), full=full)


def _look_at(rows: Sequence[Evidence], benchmark: str, kind: str) -> None:
    from flatfield.evidence.listed import KINDS
    from flatfield.tasks.source import did_you_mean

    if kind and kind not in KINDS:
        raise NotFound(f"--kind {kind!r} is no kind of work{did_you_mean(kind, KINDS)}; there are: {', '.join(KINDS)}")
    there = sorted({row.benchmark for row in rows})
    if benchmark and benchmark not in there:
        hint = did_you_mean(benchmark, there)
        raise NotFound(f"--benchmark {benchmark!r} is not there{hint}; there are: {', '.join(there) or 'none'}")


def _nothing(rows: Sequence[Evidence], model: str, *, own: bool) -> str:
    from flatfield.evidence.listed import model_key, of_model
    from flatfield.saying import few

    if of_model(rows, model):
        return f"nothing of {model!r} is published here for that; of other work: flatfield evidence show {model}"
    if model:
        part = model_key(model)
        near = sorted({row.model for row in rows if part and part in model_key(row.model)})
        names = f"there are {few(near, NEAR)}" if near else "flatfield evidence list --kind code-repair shows names"
        return f"nothing of {model!r} is published here: {names}"
    return "you took over no figures yet: see flatfield import --help" if own else "nothing of that is published here"


def _show_groups(rows: Sequence[Evidence], *, full: bool) -> None:
    from flatfield.faces.blocks import Table

    groups: dict[tuple[str, str, str], list[Evidence]] = {}
    for row in rows:
        groups.setdefault((row.benchmark, row.kind, row.scaffold), []).append(row)
    lines = tuple(
        (
            benchmark,
            kind,
            scaffold,
            str(len(each)),
            f"{min(row.share for row in each):.0%}–{max(row.share for row in each):.0%}",
            max(row.date for row in each),
        )
        for (benchmark, kind, scaffold), each in sorted(groups.items())
    )
    columns = ("benchmark", "kind of work", "in", "agents", "solved", "newest")
    right = frozenset({"agents", "solved"})
    names, cut = frozenset({"benchmark"}), frozenset({"in"})
    print_table(
        Table(columns=columns, rows=lines, right=right, names=names, cut=cut, drop=("newest", "agents")), full=full
    )
    write("\neach of them: flatfield evidence list --benchmark NAME; of a model: flatfield evidence show MODEL\n")


def _show_rows(rows: Sequence[Evidence], *, full: bool) -> None:
    from flatfield.evidence.choosing import how_set
    from flatfield.faces.blocks import Table
    from flatfield.faces.wording import UNKNOWN, dollars, seconds

    several = len({row.benchmark for row in rows}) > 1
    columns = ("model", "benchmark", "in", "set", "solved", "of", "$/task", "s/task", "published")
    lines = tuple(
        (
            row.model,
            row.benchmark,
            row.scaffold,
            how_set(row) or UNKNOWN,
            f"{row.share:.0%}",
            f"{row.tasks:,}",
            UNKNOWN if row.usd is None else dollars(row.usd),
            seconds(row.seconds),
            row.date or UNKNOWN,
        )
        for row in rows
    )
    drop = ("set", "of", "published", "in", *(() if several else ("benchmark",)))
    right = frozenset({"solved", "of", "$/task", "s/task"})
    table = Table(
        columns=columns,
        rows=lines,
        right=right,
        names=frozenset({"model", "benchmark"}),
        cut=frozenset({"in"}),
        drop=drop,
    )
    print_table(table, full=full)


@app.command("show", epilog=examples("flatfield evidence show claude-opus-4-8", "flatfield evidence show gpt-5 --json"))
def show(
    context: typer.Context,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model, under any name that it goes by.")],
    as_json: AsJson = False,
) -> None:
    """Show all that others published of one model, with sources, licences and what the figures really are."""
    from flatfield.clock import SystemClock
    from flatfield.evidence.choosing import did
    from flatfield.evidence.listed import evidence, of_model
    from flatfield.faces.blocks import Section
    from flatfield.faces.drawing import draw, open_console

    known = evidence(settings(context).project().data)
    rows = of_model(known, model)
    if not rows:
        raise NotFound(_nothing(known, model, own=False))
    if as_json:
        print_json(rows)
        return
    today = SystemClock().utc().date().isoformat()
    screen = open_console()
    for kind in dict.fromkeys(row.kind for row in rows):
        points = tuple(
            f"{did(row, today)}; {row.licence}{f'; {row.note}' if row.note else ''}" for row in rows if row.kind == kind
        )
        draw(Section(title=f"{model}: {kind}", points=points), screen)


# `flatfield import`: results of others that lie on this machine, as runs of trials or as evidence of one's own.


IMPORT_EPILOG = examples(
    "flatfield import csv FILE --agent-column model --task-column id --score-column resolved",
    "flatfield import csv FILE … --cost-column cost --where benchmark=swe-bench",
    "flatfield import jsonl FILE … --full-score 100 --seconds-column metrics.seconds",
    "flatfield import openhands-index ~/openhands-index-results --only swe-bench",
    "flatfield import aider-polyglot polyglot_leaderboard.yml",
    "flatfield import bundle 20260102-101500-ab12.flatfield     a run that somebody sent you",
    "flatfield import tau2-table ~/tau2-bench/web/leaderboard/public/submissions",
    "flatfield import tau2-trials ~/tau2-bench/data/simulations --only retail",
)
COLUMN = "NAME"


def import_(
    context: typer.Context,
    form: Annotated[str, typer.Argument(metavar="FORMAT", help="{reader names}")],
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The file or folder with the results.")],
    agent_column: Annotated[
        list[str] | None,
        typer.Option(metavar=COLUMN, help="The agent's name; given several times, its parts."),
    ] = None,
    task_column: Annotated[str, typer.Option(metavar=COLUMN, help="The task's name.")] = "",
    score_column: Annotated[
        str, typer.Option(metavar=COLUMN, help="0 to 1, or true and false; empty: not measured.")
    ] = "",
    cost_column: Annotated[str, typer.Option(metavar=COLUMN, help="Dollars of the trial; empty or 0: not known.")] = "",
    seconds_column: Annotated[str, typer.Option(metavar=COLUMN, help="Seconds of the trial.")] = "",
    repeat_column: Annotated[
        str, typer.Option(metavar=COLUMN, help="The repeat's number; else in the order of the rows.")
    ] = "",
    model_column: Annotated[
        str, typer.Option(metavar=COLUMN, help="The model, where the agent has another name.")
    ] = "",
    where: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Only rows that hold this; may stand several times.")
    ] = None,
    full_score: Annotated[float, typer.Option(metavar="N", min=0, help="The score that counts as 1.")] = 1.0,
    free_zeros: Annotated[
        bool, typer.Option("--free-zeros", help="A cost of 0 is a price: the models ran on somebody's own device.")
    ] = False,
    only: Annotated[str, typer.Option(metavar="BENCHMARK", help="Only this one of several benchmarks.")] = "",
    title: Annotated[str, typer.Option(metavar="TITLE", help="What the run is called.")] = "",
    as_json: AsJson = False,
) -> None:
    """Take over results of others: single trials as a run, to report on and to pick from, figures as evidence.

    Columns are named for csv and jsonl; the other formats know their own. A run is marked imported: it is graded like
    any other, and never counted among your own trials.
    """
    from flatfield import plugins
    from flatfield.clock import SystemClock
    from flatfield.records import ImportChoices

    reader = plugins.load("reader", form)
    how = ImportChoices(
        agent=tuple(agent_column or ()),
        task=task_column,
        score=score_column,
        cost=cost_column,
        seconds=seconds_column,
        repeat=repeat_column,
        model=model_column,
        where=tuple(_pair(text) for text in where or ()),
        full_score=full_score,
        free_zeros=free_zeros,
        only=only,
        title=title,
        now=SystemClock().utc().isoformat(),
    )
    _look_at_choices(form, how, takes_columns=getattr(reader, "TAKES_COLUMNS", False))
    found = reader.read(path.expanduser(), how)
    _store(found, settings(context).project(), form, as_json=as_json)


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise FlatfieldError(f"--where {text!r} is no NAME=VALUE: write for instance --where benchmark=swe-bench")
    return name, value


def _look_at_choices(form: str, how: ImportChoices, *, takes_columns: bool) -> None:
    if how.full_score <= 0.0:
        raise FlatfieldError("--full-score must be above 0: it is the score that counts as all of the work")
    if takes_columns and how.only:
        raise FlatfieldError(
            f"--only is for formats that know their benchmarks: for {form} write --where NAME={how.only}"
        )
    given = (*how.agent, how.task, how.score, how.cost, how.seconds, how.repeat, how.model, *dict(how.where))
    if not takes_columns and any(given):
        raise FlatfieldError(
            f"{form} knows its own columns: leave out --agent-column and the like, or use csv or jsonl"
        )


def _store(found: Gathered, project: Project, form: str, *, as_json: bool) -> None:
    from flatfield.evidence.listed import keep

    notes(found.notes)
    store = store_of(project)
    known = _known(store) if found.runs else {}
    ids = set(store.run_ids()) if found.runs else set()
    runs = []
    for made in found.runs:
        there = known.get(made.run.versions["import"])
        each = _as(there.id, made) if there else _as(_free_id(), made) if made.run.id in ids else made
        whole = there is not None and there.stored >= len(each.trials)
        if not whole:  # not there at all, or in part: an import that was interrupted goes on
            asyncio.run(save_imported(store, each))
        runs.append((each.run.id, each, whole))
    kept = keep(project.data, form, found.evidence) if found.evidence else None
    if not runs and kept is None:
        raise NotFound(f"nothing to take over was found there: is it a place with results in the format {form}?")
    if as_json:
        listed = [{"run": run, "title": each.run.evaluation.title, "trials": len(each.trials)} for run, each, _ in runs]
        print_json({"runs": listed, "evidence": len(found.evidence)})
        return
    write("".join(_told(runs)))
    if kept is not None:
        figures = "1 figure is" if len(found.evidence) == 1 else f"{len(found.evidence):,} figures are"
        write(f"{figures} evidence of yours now; see:\n  flatfield evidence list --own\n")


def _known(store: Store) -> dict[str, RunSummary]:
    """The imports that are stored, by what they were made of."""
    imported = ((one, store.load_run(one.id).versions) for one in store.runs() if one.imported)
    return {versions["import"]: one for one, versions in imported if "import" in versions}


def _as(run: str, found: Imported) -> Imported:
    """The same, as the run of this id."""
    from msgspec.structs import replace

    return replace(
        found,
        run=replace(found.run, id=run),
        trials=tuple(replace(trial, run=run) for trial in found.trials),
        verdicts=tuple(replace(verdict, run=run) for verdict in found.verdicts),
    )


def _free_id() -> str:
    """An id for a run whose own one is taken: by the run itself, where it is loaded beside what it was made of."""
    from random import Random

    from flatfield.clock import SystemClock
    from flatfield.runs.order import new_run_id

    return new_run_id(SystemClock().utc(), Random())  # noqa: S311 - told apart, not kept secret


def _told(runs: Sequence[tuple[str, Imported, bool]]) -> list[str]:
    from flatfield.saying import many

    said = []
    for run, each, there in runs:
        of = f"{many(len(each.run.agents), 'agent')} × {many(len(each.run.tasks), 'task')}"
        was = "is there already as" if there else "is"
        said.append(
            f"{each.run.evaluation.title}: {many(len(each.trials), 'trial')} of {of} {was} run {run}; see:\n"
            f"  flatfield pick {run}\n  flatfield report {run}\n"
        )
    return said
