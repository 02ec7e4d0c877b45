"""`flatfield agents`: what is configured, and where it was read."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

import typer

from flatfield.faces.cli.common import AsJson, examples, note, notes, print_json, print_table, settings

if TYPE_CHECKING:
    from flatfield.records import AgentConfig

EPILOG = examples("flatfield agents", "flatfield agents --json", "flatfield --config other/flatfield.toml agents")
FIELDS = ("name", "provider", "model", "source")


def command(context: typer.Context, as_json: AsJson = False) -> None:
    """List the configured agents.

    They come from flatfield.toml, agents/, .claude/agents/, and flatfield itself ("shipped"), in this order: of two
    with the same name the first counts.
    """
    from flatfield import plugins
    from flatfield.faces.blocks import Table

    project = settings(context).project()
    notes(project.notes)
    if as_json:
        print_json([{name: getattr(agent, name) for name in FIELDS} for agent in project.roster])
        return
    rows = tuple((agent.name, agent.provider, agent.model, _place(agent)) for agent in project.roster)
    print_table(Table(columns=FIELDS, rows=rows, fold=frozenset({"name", "model", "source"})))
    known = plugins.names("provider")
    missing = sorted({agent.provider for agent in project.roster} - set(known))
    if missing:
        note(f"note: no such provider here: {', '.join(missing)}; there are: {', '.join(known)}")


def _place(agent: AgentConfig) -> str:
    """Where the agent was read; a file that has the agent's name is shown as its folder."""
    path = PurePath(agent.source)
    return f"{path.parent}/" if path.name == f"{agent.name}.md" else agent.source
