"""`flatfield pick`: which agent to use, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from flatfield.errors import FlatfieldError
from flatfield.faces.cli import common
from flatfield.faces.storing import store_of

if TYPE_CHECKING:
    from flatfield.records import Letter

EPILOG = common.examples(
    "flatfield pick                                 of the newest run and older ones like it",
    "flatfield pick --min-performance A --max-seconds 30",
    "flatfield pick --solved-usd 5 --hour-usd 80    by what it brings, in dollars per task",
    "flatfield pick --for overnight                 as [profiles.overnight] of flatfield.toml says",
    "flatfield pick 20250815 --weights performance=0.8,cost=0.2 --json",
)
LETTERS: tuple[Letter, ...] = ("S", "A", "B", "C", "D", "F")


def command(
    context: typer.Context,
    run: common.RunArgument = None,
    weights: common.WeightsOption = None,
    min_performance: Annotated[
        str | None, typer.Option(metavar="LETTER", help="No agent below this performance: S, A, B, C, D or F.")
    ] = None,
    max_seconds: Annotated[
        float | None, typer.Option(metavar="N", min=0, help="Active seconds of a typical trial, at most.")
    ] = None,
    max_cost_usd: Annotated[
        float | None, typer.Option(metavar="N", min=0, help="Dollars of a typical trial, at most.")
    ] = None,
    local_only: Annotated[bool, typer.Option("--local-only", help="Only agents that run on this device.")] = False,
    solved_usd: common.SolvedUsd = None,
    hour_usd: common.HourUsd = None,
    for_: common.For = None,
    full: common.Full = False,
    as_json: common.AsJson = False,
) -> None:
    """Say which agent to use, how sure that is, what would change it, and what would make it surer.

    Without RUN: of the newest run and of older ones with the same agents or tasks.
    """
    from flatfield.faces.advice import advice, candidates
    from flatfield.faces.drawing import draw, open_console
    from flatfield.faces.scatter_text import show_scatter
    from flatfield.runs.pooling import load_pooled
    from flatfield.runs.results import load_result
    from flatfield.scoring.decision import decide

    project = common.settings(context).project()
    wanted = common.preferences(
        project,
        for_,
        weights=common.parse_weights(weights),
        min_performance=_letter(min_performance),
        max_seconds=max_seconds,
        max_cost_usd=max_cost_usd,
        local_only=local_only,
        solved_usd=solved_usd,
        hour_usd=hour_usd,
    )
    store = store_of(project)
    result = load_pooled(store, wanted) if run is None else load_result(store, run, preferences=wanted)
    decision = decide(result)
    if as_json:
        common.print_json(decision)
        return
    screen = open_console()
    if decision.recommended is not None:
        draw(candidates(decision, result), screen, full=full)
        show_scatter(result, screen, [row[0] for table in candidates(decision, result).tables for row in table.rows])
    draw(advice(decision), screen)


def _letter(text: str | None) -> Letter | None:
    if text is None:
        return None
    for known in LETTERS:
        if text.strip().upper() == known:
            return known
    raise FlatfieldError(f"--min-performance {text!r} is no letter; use one of {', '.join(LETTERS)}")
