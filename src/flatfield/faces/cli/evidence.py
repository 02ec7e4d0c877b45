"""`flatfield evidence`: what others published of models, as flatfield brings it along and as the user took it over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from flatfield.errors import NotFound
from flatfield.faces.cli.common import AsJson, Full, examples, print_json, print_table, settings, write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.records import Evidence

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
    rows = tuple(row for row in rows if benchmark in ("", row.benchmark) and kind in ("", row.kind))
    if model:
        rows = of_model(rows, model)
    if not rows:
        raise NotFound(_nothing(model, own=own))
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


def _nothing(model: str, *, own: bool) -> str:
    if model:
        return f"nothing of {model!r} is published here: flatfield evidence list --kind code-repair shows names"
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
        columns=columns, rows=lines, right=right, names=frozenset({"model", "benchmark"}), cut=frozenset({"in"}), drop=drop
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

    rows = of_model(evidence(settings(context).project().data), model)
    if not rows:
        raise NotFound(_nothing(model, own=False))
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
