"""`flatfield compare`: one plain sentence about two agents, cloud against local, or this run against the last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from flatfield.errors import FlatfieldError, NotFound
from flatfield.faces.cli.common import AsJson, Full, examples, print_json, print_table, settings
from flatfield.faces.cli.completing import runs, sides

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.records import Comparison
    from flatfield.runs.store.store import Store
    from flatfield.scoring.comparing import Field

EPILOG = examples(
    "flatfield compare gpt-5-mini qwen3             two agents of the newest run",
    "flatfield compare cloud local",
    "flatfield compare last                         each agent, this run against the last of the same tasks",
    "flatfield compare qwen3 last                   the same for one agent",
    "flatfield compare qwen3 gpt-5 --run 20260102 --against 20251224 --json",
)
LAST = "last"
SideArgument = Annotated[
    str | None,
    typer.Argument(
        show_default=False, help="An agent or the beginning of its name, cloud, local, or last.", autocompletion=sides
    ),
]


def command(
    context: typer.Context,
    a: SideArgument = None,
    b: SideArgument = None,
    run: Annotated[
        str | None,
        typer.Option(
            metavar="RUN", help="The run, its id or the beginning of it; else the newest.", autocompletion=runs
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="RUN", help="Another run: B is looked up there (without B, A again).", autocompletion=runs
        ),
    ] = None,
    full: Full = False,
    as_json: AsJson = False,
) -> None:
    """Say who did more of the work, how sure that is, and at what cost.

    Without A and B: the two best agents, cloud against local, and each agent against the last run of the same tasks.
    The difference is in performance, on the tasks that both did, paired by task, with its 95% interval.
    """
    from flatfield.faces.compared import sentence

    found = _found(settings(context).store(), a, b, run, against)
    if as_json:
        from msgspec.structs import asdict

        print_json([{"sentence": sentence(each), **asdict(each)} for each in found])
    else:
        _show(found, full=full)


def _found(store: Store, a: str | None, b: str | None, run: str | None, against: str | None) -> Sequence[Comparison]:
    from flatfield.runs.earlier import earlier_run
    from flatfield.runs.ids import NEWEST
    from flatfield.runs.results import load_result
    from flatfield.scoring.comparing import Group, against_earlier, asked_for, side_of

    if against in NEWEST:
        b, against = b or LAST, None  # the newest run is compared already: against the one before it
    if LAST in (a, b) and against is not None:
        raise FlatfieldError("`last` and --against both name another run: leave one of them out")
    first, second = (None if name == LAST else name for name in (a, b))
    if a is None and against is None:
        result = load_result(store, run)
        return _some((*asked_for(result), *result.earlier), f"run {result.run.id} has nothing to compare yet")
    now = _field(store, run)
    if LAST in (a, b):
        against = earlier_run(store, now.run)
        if against is None:
            raise NotFound(f"no earlier run has an agent and a task of run {now.run.id}: name one with --against RUN")
    then = now if against is None else _field(store, against)
    if first is None and second is None:
        why = f"runs {now.run.id} and {then.run.id} share no agent that was measured on an unchanged task of both"
        return _some(against_earlier(now, then), why)
    if second is None and against is None:
        meant = side_of(now, first or "")
        others = [agent.name for agent in now.run.agents if agent.name not in meant.agents]
        raise FlatfieldError(f"compare {meant.name} with what? name a second one: {', '.join((*others, *Group, LAST))}")
    return [_pair(now, then, first or second or "", second or first or "")]


def _field(store: Store, run: str | None) -> Field:
    from flatfield.runs.verdicts.panel import counted_verdicts
    from flatfield.scoring.comparing import read_field
    from flatfield.scoring.settling import settled

    found = store.load_run(run)
    return read_field(found, settled(store.trials(found.id)).trials, counted_verdicts(store, found)[0])


def _pair(now: Field, then: Field, first: str, second: str) -> Comparison:
    from flatfield.scoring.comparing import compare, side_of

    sides = side_of(now, first), side_of(then, second)
    if now is then and sides[0].agents == sides[1].agents:
        raise FlatfieldError(f"{first} and {second} are the same here: name another agent, or another run by --against")
    found = compare(*sides)
    if found is None:
        raise NotFound(
            f"{sides[0].name} and {sides[1].name} were not both measured on any task that is the same for both"
        )
    return found


def _some(found: Sequence[Comparison], otherwise: str) -> Sequence[Comparison]:
    if not found:
        raise NotFound(otherwise)
    return found


def _show(found: Sequence[Comparison], *, full: bool) -> None:
    from flatfield.faces.blocks import Table
    from flatfield.faces.compared import claims, sentence, side_by_side
    from flatfield.faces.drawing import open_console, wrapped

    screen = open_console()
    for number, each in enumerate(found):
        if number:
            screen.print()
        wrapped(sentence(each), screen)
        if wrong := claims(each):
            wrapped(wrong, screen)
        if each.left_out:
            wrapped(f"Left out, not done by both or not the same task: {', '.join(each.left_out)}", screen, style="dim")
        if len(found) == 1:
            columns = ("", "performance", "active/trial", "cost/trial", "trials")
            screen.print()
            table = Table(
                columns=columns,
                rows=side_by_side(each),
                right=frozenset(columns[1:]),
                names=frozenset({""}),
                drop=("trials", "active/trial"),
            )
            print_table(table, full=full)
