"""`flatfield report`: a run's grades, in any format."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from flatfield.errors import NotFound
from flatfield.faces.cli import common
from flatfield.faces.storing import store_of

EPILOG = common.examples(
    "flatfield report                                  the newest run: which agent to use, and why",
    "flatfield report --full                           everything that is known of it",
    "flatfield report --format markdown                at most 60 lines, for a comment",
    "flatfield report --format markdown --full > report.md",
    "flatfield report --format html > report.html      a page to send to a colleague",
    "flatfield report 20260102 --weights performance=1",
    "flatfield report --anchors 20251231-120000-ab12   on the scales of another run",
)


def _completed(incomplete: str) -> list[str]:
    from flatfield import plugins

    return [name for name in plugins.names("report") if name.startswith(incomplete)]


def command(
    context: typer.Context,
    run: common.RunArgument = None,
    format_: Annotated[
        str, typer.Option("--format", metavar="NAME", help="{report names}.", autocompletion=_completed)
    ] = "terminal",
    weights: common.WeightsOption = None,
    anchors: Annotated[str | None, typer.Option(metavar="RUN", help="Grade on that run's scales.")] = None,
    solved_usd: common.SolvedUsd = None,
    hour_usd: common.HourUsd = None,
    for_: common.For = None,
    full: Annotated[bool, typer.Option("--full", help="Show everything: all sections, rows and columns.")] = False,
    as_json: common.AsJson = False,
) -> None:
    """Print a run's report. Grades are computed anew from its records.

    First which agent to use, then the ranking, the letters by task, and what failed; everything else with --full.
    Markdown has at most 60 lines without it, good as a comment.
    """
    from inspect import signature

    from flatfield import plugins
    from flatfield.runs.results import load_result

    known = plugins.names("report")
    name = next(name for name in known if plugins.report_traits(name).is_json) if as_json else format_
    if name not in known:
        raise NotFound(f"there is no report format {name!r}; there are: {', '.join(known)}")
    project = common.settings(context).project()
    wanted = common.preferences(
        project, for_, weights=common.parse_weights(weights), solved_usd=solved_usd, hour_usd=hour_usd
    )
    renderer = plugins.load("report", name)
    store = store_of(project)
    result = load_result(store, run, preferences=wanted, anchors_of=anchors)
    if plugins.report_traits(name).on_terminal:
        from flatfield.faces.drawing import open_console

        is_able = "full" in signature(renderer.show).parameters  # not all that third parties draw has columns
        renderer.show(result, open_console(), **({"full": full} if is_able else {}))
        return
    render = renderer.render if full else getattr(renderer, "brief", renderer.render)
    takes = signature(render).parameters
    drawn = render(result, **({"records": store.each_trial(result.run.id)} if "records" in takes else {}))
    if plugins.report_traits(name).is_file:
        data = drawn if isinstance(drawn, bytes) else drawn.encode()
        _put(data, project.data / "reports" / f"{result.run.id}.{name}")
    else:
        common.write(drawn)


def _put(data: bytes, path: Path) -> None:
    """Hand a picture or a page on as it is; where nobody takes it but a terminal, keep it at `path` and say so."""
    if not sys.stdout.isatty():
        sys.stdout.buffer.write(data)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    common.write(f"{path}\n")
