"""`flatfield pick`: which agent to use, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from flatfield.errors import FlatfieldError
from flatfield.faces.cli.common import AsJson, console, parse_weights, print_json, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flatfield.records import Decision, Letter, RunResult

EPILOG = """
[bold]Examples[/bold]

  flatfield pick                                       of the newest run
  flatfield pick --min-performance A --max-seconds 30
  flatfield pick RUN --weights performance=0.8,cost=0.2 --json
"""
LETTERS: tuple[Letter, ...] = ("S", "A", "B", "C", "D", "F")


def command(
    context: typer.Context,
    run: Annotated[str | None, typer.Argument(metavar="[RUN]", help="A run's id or its beginning.")] = None,
    weights: Annotated[
        str | None, typer.Option(metavar="performance=…,speed=…,cost=…", help="How much each question counts.")
    ] = None,
    min_performance: Annotated[str | None, typer.Option(metavar="LETTER", help="No agent below this letter.")] = None,
    max_seconds: Annotated[float | None, typer.Option(min=0, help="Mean active seconds per trial, at most.")] = None,
    max_cost_usd: Annotated[float | None, typer.Option(min=0, help="Mean dollars per trial, at most.")] = None,
    as_json: AsJson = False,
) -> None:
    """Recommend an agent from a run: the first choice, the runner-up, why, and what was excluded."""
    from flatfield.runs.results import load_result
    from flatfield.scoring.decision import Constraints, decide

    wanted = parse_weights(weights)
    constraints = Constraints(
        weights=wanted,
        min_performance=_letter(min_performance),
        max_seconds=max_seconds,
        max_cost_usd=max_cost_usd,
    )
    store = settings(context).store(settings(context).project())
    result = load_result(store, run, weights=wanted)
    decision = decide(result, constraints)
    if as_json:
        print_json(decision)
    else:
        console().print("\n".join(lines(decision, result)), markup=False)


def _letter(text: str | None) -> Letter | None:
    if text is None:
        return None
    for known in LETTERS:
        if text.strip().upper() == known:
            return known
    raise FlatfieldError(f"--min-performance {text!r} is no letter; use one of {', '.join(LETTERS)}")


def lines(decision: Decision, result: RunResult) -> Iterator[str]:
    """The decision as sentences."""
    if decision.recommended is None:
        yield f"No agent of run {result.run.id} can be recommended."
    else:
        yield f"Use {decision.recommended}."
    yield from (f"  {reason}" for reason in decision.reasons)
    yield f"Runner-up: {decision.runner_up or 'none'}"
    yield f"Confidence: {decision.confidence}"
    if decision.front:
        yield f"Not beaten on all three questions by any other: {', '.join(decision.front)}"
    for exclusion in decision.excluded:
        yield f"Excluded: {exclusion.agent} — {exclusion.reason}"
