"""`flatfield pick`: which agent to use, and why."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flatfield.errors import FlatfieldError
from flatfield.faces.cli import common
from flatfield.faces.storing import store_of

if TYPE_CHECKING:
    from flatfield.evidence.choosing import PublishedChoice
    from flatfield.records import KindOfWork, Letter, Preferences, RunResult
    from flatfield.runs.store.store import Store
    from flatfield.tasks.project import Project

EPILOG = common.examples(
    "flatfield pick                                 of the newest run and older ones like it",
    "flatfield pick --min-performance A --max-seconds 30",
    "flatfield pick --solved-usd 5 --hour-usd 80    by what it brings, in dollars per task",
    "flatfield pick --for overnight                 as [profiles.overnight] of flatfield.toml says",
    "flatfield pick --for code-repair               the kind of work; see flatfield evidence list",
    "flatfield pick --cascades                      cheap first, strong where a check fails",
    "flatfield pick --export litellm > config.yaml",
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
    for_: common.ForWork = None,
    cascades: Annotated[
        bool, typer.Option("--cascades", help="The best cascades that these trials make up, at no cost.")
    ] = False,
    export: Annotated[
        str | None,
        typer.Option(metavar="FORM", help="The answer as a file: claude-code, litellm, claude-code-router, json."),
    ] = None,
    full: common.Full = False,
    as_json: common.AsJson = False,
) -> None:
    """Say which agent to use, how sure that is, what would change it, and what would make it surer.

    Without RUN: of the newest run and of older ones with the same agents or tasks. While nothing is measured here, the
    answer is from what others published of the models that your keys, servers and memory allow.
    """
    from flatfield.runs.results import has_evaluation

    project = common.settings(context).project()
    profile, kind = common.purposes(project, for_)
    wanted = common.preferences(
        project,
        profile,
        weights=common.parse_weights(weights),
        min_performance=_letter(min_performance),
        max_seconds=max_seconds,
        max_cost_usd=max_cost_usd,
        local_only=local_only,
        solved_usd=solved_usd,
        hour_usd=hour_usd,
    )
    store = store_of(project)
    if run is None and not has_evaluation(store):
        if cascades or export is not None:
            asked = "--cascades" if cascades else "--export"
            raise FlatfieldError(
                f"{asked} is of trials, and nothing is measured here yet: flatfield pick alone says what to measure"
            )
        _from_evidence(project, wanted, kind, full=full, as_json=as_json)
        return
    result = _result(store, run, wanted, kind)
    if cascades:
        _show_cascades(result, full=full, as_json=as_json)
    elif export is not None:
        _export(export, result)
    else:
        _show(result, project, kind, full=full, as_json=as_json)


def _export(form: str, result: RunResult) -> None:
    from flatfield.faces import exports
    from flatfield.scoring.decision import decide

    common.write(exports.export(form, decide(result), result))


def _show(result: RunResult, project: Project, kind: KindOfWork | None, *, full: bool, as_json: bool) -> None:
    """The answer, and below it what others published."""
    from msgspec.structs import asdict

    from flatfield.faces.advice import advice, beside, candidates, published_of
    from flatfield.faces.drawing import draw, open_console
    from flatfield.faces.pages.scatter_text import show_scatter
    from flatfield.scoring.decision import decide

    decision = decide(result)
    others = published_of(result, decision, project.data, kind)
    if as_json:
        common.print_json({**asdict(decision), "published": others})
        return
    screen = open_console()
    if decision.recommended is not None:
        draw(candidates(decision, result), screen, full=full)
        show_scatter(result, screen, [row[0] for table in candidates(decision, result).tables for row in table.rows])
    draw(advice(decision), screen)
    if others:
        draw(beside(others), screen)


def _result(store: Store, run: str | None, wanted: Preferences, kind: KindOfWork | None) -> RunResult:
    """What the decision stands on: of a kind of work the tasks that bear it as a tag, where there are any."""
    from flatfield.runs.pooling import load_pooled
    from flatfield.runs.results import load_result

    task = kind if kind and any(kind in one.tags for one in store.load_run(run).tasks) else None
    if kind and task is None:
        common.note(f"note: no task here has the tag {kind}, so the answer is of all of them")
    if run is None:
        return load_pooled(store, wanted, task=task)
    return load_result(store, run, preferences=wanted, task=task)


def _from_evidence(
    project: Project, wanted: Preferences, kind: KindOfWork | None, *, full: bool, as_json: bool
) -> None:
    """The answer while nothing is measured here."""
    from flatfield.faces.advice import published_candidates, published_choice
    from flatfield.faces.drawing import draw, open_console

    choice = asyncio.run(_chosen(project, wanted, kind))
    if as_json:
        common.print_json(choice)
        return
    screen = open_console()
    if choice.candidates:
        draw(published_candidates(choice), screen, full=full)
    draw(published_choice(choice), screen)


async def _chosen(project: Project, wanted: Preferences, kind: KindOfWork | None) -> PublishedChoice:
    from flatfield.clock import SystemClock
    from flatfield.evidence.choosing import choose
    from flatfield.evidence.listed import evidence
    from flatfield.faces.found import usual_check
    from flatfield.runs.readiness import within_reach
    from flatfield.runs.world import Outside, open_world

    rows = evidence(project.data)
    async with open_world(Outside(environ=common.environ_of(project))) as world:
        here = await within_reach(project.roster, world.services, SystemClock().utc().date())
    return choose(rows, here, wanted, kind, usual_check(Path.cwd()))


def _show_cascades(result: RunResult, *, full: bool, as_json: bool) -> None:
    from flatfield.faces import composed
    from flatfield.faces.drawing import draw, open_console
    from flatfield.runs.routes.composing import compose

    found = compose(result)
    if as_json:
        common.print_json(found)
        return
    draw(composed.cascades(found, result), open_console(), full=full)


def _letter(text: str | None) -> Letter | None:
    if text is None:
        return None
    for known in LETTERS:
        if text.strip().upper() == known:
            return known
    raise FlatfieldError(f"--min-performance {text!r} is no letter; use one of {', '.join(LETTERS)}")
