"""`flatfield agents`: what is configured, and where it was read."""

from __future__ import annotations

import typer

from flatfield.faces.cli.common import AsJson, console, note, print_json, settings


def command(context: typer.Context, as_json: AsJson = False) -> None:
    """List the configured agents: flatfield.toml, agents/, .claude/agents/ and those that are shipped."""
    from rich.table import Table

    from flatfield import plugins

    project = settings(context).project()
    if as_json:
        fields = ("name", "provider", "model", "source")
        print_json([{name: getattr(agent, name) for name in fields} for agent in project.roster])
        return
    for text in project.notes:
        note(f"note: {text}")
    known = plugins.names("provider")
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("name", "provider", "model", "source"):
        table.add_column(name, overflow="fold")
    for agent in project.roster:
        provider = agent.provider if agent.provider in known else f"{agent.provider} (not available)"
        table.add_row(agent.name, provider, agent.model, agent.source)
    console().print(table)
