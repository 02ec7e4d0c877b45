"""`flatfield compare`: one plain sentence about two agents, cloud against local, or this run against the last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from flatfield.faces.cli.common import AsJson, Full, examples, print_json, print_table, settings
from flatfield.faces.cli.completing import runs, sides

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.records import Comparison

EPILOG = examples(
    "flatfield compare gpt-5-mini qwen3             two agents of the newest run",
    "flatfield compare cloud local",
    "flatfield compare last                         each agent, this run against the last of the same tasks",
    "flatfield compare qwen3 last                   the same for one agent",
    "flatfield compare qwen3 gpt-5 --run 20260102 --against 20251224 --json",
)
MANY = 3
"""More agents than these that did as well as in an earlier run are told in one sentence."""
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
    from flatfield.faces.comparisons import comparisons, sentence

    found = comparisons(settings(context).store(), a, b, run, against, "--against RUN")
    if as_json:
        from msgspec.structs import asdict

        print_json([{"sentence": sentence(each), **asdict(each)} for each in found])
    else:
        _show(found, full=full)


def _show(found: Sequence[Comparison], *, full: bool) -> None:
    from flatfield.faces.blocks import Table
    from flatfield.faces.comparisons import claims, no_difference, sentence, side_by_side
    from flatfield.faces.drawing import open_console, wrapped

    screen, quiet = open_console(), () if full else _quiet(found)
    shown = [each for each in found if each not in quiet]
    for number, each in enumerate(shown):
        if number:
            screen.print()
        wrapped(sentence(each), screen)
        if wrong := claims(each):
            wrapped(wrong, screen)
        if each.left_out:
            wrapped(f"Left out, not done by both or not the same task: {', '.join(each.left_out)}", screen, style="dim")
        if len(found) == 1:
            columns = ("", "performance", "time/trial", "$/trial", "trials")
            screen.print()
            table = Table(
                columns=columns,
                rows=side_by_side(each),
                right=frozenset(columns[1:]),
                names=frozenset({""}),
                drop=("trials", "time/trial"),
            )
            print_table(table, full=full)
    if quiet:
        screen.print()
        wrapped(f"{no_difference(quiet[0].second_run, len(quiet))} Each of them: --full", screen, style="dim")


def _quiet(found: Sequence[Comparison]) -> Sequence[Comparison]:
    """Those with an earlier run that tell nothing apart, where they are many."""
    from flatfield.faces.comparisons import tells_apart

    quiet = [each for each in found if each.kind == "runs" and not tells_apart(each)]
    return quiet if len(quiet) > MANY else ()
