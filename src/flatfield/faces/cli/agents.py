"""`flatfield agents`: what is configured, where it was read, and known agents as files to copy."""

from __future__ import annotations

from itertools import chain
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated

import typer

from flatfield.errors import InvalidFiles
from flatfield.faces.cli.common import AsJson, Full, examples, note, notes, print_json, print_table, settings, write
from flatfield.faces.cli.completing import agents

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.records import AgentConfig

FIELDS = ("name", "provider", "model", "source")
Names = Annotated[list[str], typer.Argument(metavar="NAME…", help="Names or globs of agents.", autocompletion=agents)]

app = typer.Typer(
    help="List the configured agents; show and copy known ones.",
    epilog=examples(
        "flatfield agents",
        "flatfield agents --json",
        "flatfield agents show gpt-5-mini >> flatfield.toml",
        "flatfield agents copy gpt-5-mini claude-haiku-4-5",
        "flatfield --config other/flatfield.toml agents",
    ),
    rich_markup_mode=None,
)


@app.callback(invoke_without_command=True)
def list_(context: typer.Context, full: Full = False, as_json: AsJson = False) -> None:
    """List the configured agents.

    They come from flatfield.toml, agents/, .claude/agents/, and flatfield itself ("shipped"), in this order: of two
    with the same name the first counts.
    """
    if context.invoked_subcommand is not None:
        return
    from flatfield import plugins
    from flatfield.faces.blocks import Table
    from flatfield.tasks.agents import ROUTE, near_provider
    from flatfield.tasks.cascades import CASCADE
    from flatfield.tasks.project import passed_over

    project = settings(context).project()
    if as_json:
        print_json([{name: getattr(agent, name) for name in FIELDS} for agent in project.roster])
    else:
        rows = tuple((agent.name, agent.provider, agent.model, _place(agent)) for agent in project.roster)
        names, cut = frozenset({"name", "model"}), frozenset({"source"})
        table = Table(columns=FIELDS, rows=rows, names=names, cut=cut, drop=("source", "provider"))
        print_table(table, full=full)
    unread = project.roster.unread.values()
    told = {passed_over(mistakes) for mistakes in unread}
    notes([note for note in project.notes if note not in told])
    for missing in sorted({agent.provider for agent in project.roster} - {*plugins.names("provider"), CASCADE, ROUTE}):
        note(f"note: there is no provider {missing!r} here{near_provider(missing)}")
    if unread:  # whoever asks for all agents asks for these too
        raise InvalidFiles(chain.from_iterable(unread))


@app.command(
    "show",
    epilog=examples(
        "flatfield agents show gpt-5-mini",
        "flatfield agents show gpt-5-mini claude-haiku-4-5 >> flatfield.toml",
        'flatfield agents show "gpt-oss-*"',
    ),
)
def show(context: typer.Context, names: Names, as_json: AsJson = False) -> None:
    """Print agents as tables for flatfield.toml, ready to be copied and changed."""
    from flatfield.tasks.sub_agents import as_toml

    found = _chosen(context, names)
    if as_json:
        print_json(found)
        return
    write("\n".join(f"# from {agent.source}\n{as_toml(agent)}" for agent in found))


@app.command(
    "copy",
    epilog=examples(
        "flatfield agents copy gpt-5 gpt-5-mini gpt-5-nano",
        'flatfield agents copy "claude-*" --dir .claude/agents',
    ),
)
def copy(
    context: typer.Context,
    names: Names,
    folder: Annotated[
        Path | None, typer.Option("--dir", metavar="DIR", help="Where to; agents/ beside flatfield.toml if not given.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write agents as files of agents/, which Claude Code takes as sub-agents too; nothing is overwritten."""
    from flatfield.tasks.sub_agents import write_sub_agents

    target = folder.expanduser() if folder is not None else settings(context).project().folder / "agents"
    written = write_sub_agents(_chosen(context, names), target)
    if as_json:
        print_json([str(path) for path in written])
        return
    write("".join(f"{path}\n" for path in written))


def _chosen(context: typer.Context, names: Sequence[str]) -> tuple[AgentConfig, ...]:
    from flatfield.tasks.agents import select_agents

    return select_agents(names, settings(context).project().roster)


def _place(agent: AgentConfig) -> str:
    """Where the agent was read; a file that has the agent's name is shown as its folder."""
    path = PurePath(agent.source)
    return f"{path.parent}/" if path.name == f"{agent.name}.md" else agent.source
