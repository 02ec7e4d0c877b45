"""`flatfield pick`: which agent to use, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from flatfield.errors import FlatfieldError
from flatfield.faces.cli import common

if TYPE_CHECKING:
    from flatfield.records import Letter

EPILOG = common.examples(
    "flatfield pick                                       of the newest run",
    "flatfield pick --min-performance A --max-seconds 30",
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
        float | None, typer.Option(metavar="N", min=0, help="Mean active seconds per trial, at most.")
    ] = None,
    max_cost_usd: Annotated[
        float | None, typer.Option(metavar="N", min=0, help="Mean dollars per trial, at most.")
    ] = None,
    full: common.Full = False,
    as_json: common.AsJson = False,
) -> None:
    """Recommend an agent from a run.

    The first choice, the runner-up, why, how sure that is, and who was left out.
    """
    from flatfield.faces.advice import advice, candidates
    from flatfield.faces.drawing import draw, open_console
    from flatfield.runs.results import load_result
    from flatfield.scoring.decision import Constraints, decide, within

    constraints = Constraints(
        weights=common.parse_weights(weights),
        min_performance=_letter(min_performance),
        max_seconds=max_seconds,
        max_cost_usd=max_cost_usd,
    )
    result = load_result(common.settings(context).store(), run, weights=constraints.weights)
    result = within(result, constraints)
    decision = decide(result, constraints)
    if as_json:
        common.print_json(decision)
        return
    screen = open_console()
    if decision.recommended is not None:
        draw(candidates(decision, result), screen, full=full)
    draw(advice(decision, result), screen)


def _letter(text: str | None) -> Letter | None:
    if text is None:
        return None
    for known in LETTERS:
        if text.strip().upper() == known:
            return known
    raise FlatfieldError(f"--min-performance {text!r} is no letter; use one of {', '.join(LETTERS)}")
