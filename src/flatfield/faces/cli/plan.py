"""`flatfield plan`: what an evaluation will probably take, before anything is spent."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from flatfield.faces.cli import common
from flatfield.faces.cli.run_options import Agents, Files, Jobs, Judge, Repeats, Seed, asked_run
from flatfield.faces.cli.trust import Trust, access_of
from flatfield.faces.storing import store_of

EPILOG = common.examples(
    "flatfield plan suite:basic --agents gpt-5-mini,local:smollm2-135m",
    "flatfield plan hop.md tasks/*.md --repeats 5 --judge claude-sonnet",
    "flatfield plan tasks/ --agents gpt-5,gpt-5-mini --separate 0.05 --json",
)


def command(
    context: typer.Context,
    files: Files = None,
    agents: Agents = None,
    repeats: Repeats = None,
    jobs: Jobs = None,
    seed: Seed = None,
    judge: Judge = None,
    budget_usd: Annotated[
        float | None, typer.Option(metavar="N", min=0, help="Say how far so many dollars would go.")
    ] = None,
    budget_seconds: Annotated[
        float | None, typer.Option(metavar="N", min=0, help="Say how far so many seconds would go.")
    ] = None,
    separate: Annotated[
        float | None, typer.Option(metavar="D", min=0.001, max=1.0, help="The difference in performance to find (0.1).")
    ] = None,
    trust: Trust = False,
    full: common.Full = False,
    as_json: common.AsJson = False,
) -> None:
    """Predict trials, dollars and minutes before spending.

    From past runs in the store, else from prices and the sizes of the tasks; each figure says when it is a guess. No
    key is needed, and nothing is asked of any server.
    """
    from flatfield.runs.evaluation.forecasting import DIFFERENCE, foresee
    from flatfield.runs.order import Chosen, ungradable

    chosen = Chosen(
        agents=common.comma_list(agents, "--agents"),
        repeats=repeats,
        jobs=jobs,
        seed=seed,
        judge=common.comma_list(judge, "--judge"),
        budget_usd=budget_usd,
        budget_seconds=budget_seconds,
    )
    project = common.settings(context).project()
    environ = common.environ_of(project)
    access = access_of(project, environ, everything=trust)
    run, judges = asked_run(files or [], project, access, chosen, common.settings(context).arguments)
    common.notes([str(mistake) for mistake in ungradable(run)])
    outside = common.outside_of(project, environ, access)
    found = asyncio.run(foresee(run, judges, store_of(project), outside, Path.cwd(), separate or DIFFERENCE))
    if as_json:
        common.print_json(found)
        return
    from flatfield.faces.drawing import draw, open_console
    from flatfield.faces.forecasts import sections

    screen = open_console()
    for section in sections(found, run):
        draw(section, screen, full=full)
