"""`flatfield run`: one nano agent, here and now."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flatfield.errors import FlatfieldError, NotFound
from flatfield.faces.cli.common import AsJson, console, note, print_json, settings

if TYPE_CHECKING:
    from flatfield.records import AgentConfig, Event, Limits, TrialRecord
    from flatfield.tasks.project import Project

EPILOG = """
[bold]Examples[/bold]

  flatfield run "Which Python files are here?" --model local:smollm2-135m
  flatfield run "Fix the typo in README.md" --model openai-chat:qwen3@http://127.0.0.1:8080/v1
  flatfield run "Summarise notes.txt" --agent nano-agent-gpt-5-mini --workspace ~/project

The agent works in the directory itself and may change its files; it cannot leave it.
"""


def command(
    context: typer.Context,
    prompt: Annotated[str, typer.Argument(help="What to do.")],
    agent: Annotated[str | None, typer.Option(metavar="NAME", help="A configured agent.")] = None,
    model: Annotated[str | None, typer.Option(metavar="PROVIDER:MODEL[@URL]", help="An agent on the spot.")] = None,
    workspace: Annotated[Path, typer.Option(metavar="DIR", help="Where it works.")] = Path(),
    turns: Annotated[int, typer.Option(min=1, help="At most so many turns.")] = 20,
    seconds: Annotated[float, typer.Option(min=0.1, help="At most so much active time.")] = 300.0,
    output_tokens: Annotated[int, typer.Option(min=1, help="At most so many output tokens.")] = 16_000,
    as_json: AsJson = False,
) -> None:
    """Run one nano agent in a directory and show its tool calls as they happen."""
    from flatfield.records import Limits

    if (agent is None) == (model is None):
        raise FlatfieldError("say who works: either --agent NAME or --model PROVIDER:MODEL[@URL]")
    project = settings(context).project()
    config = _config(agent, model, project)
    folder = workspace.expanduser().resolve()
    if not folder.is_dir():
        raise NotFound(f"the workspace {workspace} is no directory; name one that exists with --workspace")
    limits = Limits(turns=turns, seconds=seconds, output_tokens=output_tokens)
    record = asyncio.run(_run(prompt, config, folder, limits, quiet=as_json))
    if as_json:
        print_json(record)
    else:
        _print(record)
    if record.stop == "cancelled":
        raise typer.Exit(130)
    if record.failure is not None:
        raise typer.Exit(3)


def _config(agent: str | None, model: str | None, project: Project) -> AgentConfig:
    from flatfield.tasks.agents import parse_agent, select_agents

    if model is not None:
        return parse_agent(model)
    found = select_agents((agent or "",), project.roster)
    if len(found) != 1:
        raise FlatfieldError(f"--agent {agent!r} means {len(found)} agents; name one")
    return found[0]


async def _run(prompt: str, config: AgentConfig, folder: Path, limits: Limits, *, quiet: bool) -> TrialRecord:
    from flatfield.agent.clock import SystemClock
    from flatfield.runs.single import Surroundings, run_here

    screen = console(stderr=quiet)

    def observe(event: Event) -> None:
        if event.kind == "tool":
            screen.print(f"  → {event.text}", style="cyan", markup=False)

    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, task.cancel)
    return await run_here(
        prompt, config, folder, limits, Surroundings(clock=SystemClock(), environ=os.environ, observe=observe)
    )


def _print(record: TrialRecord) -> None:
    from flatfield.faces.wording import count, dollars, seconds

    if record.failure is not None:
        note(f"not finished: {record.failure.message}")
    elif record.stop != "answered":
        note(f"ended by its {record.stop.replace('_', ' ')}")
    if record.answer:
        console().print(record.answer, markup=False)
    tokens = "tokens not reported"
    if record.usage is not None:
        tokens = f"{count(record.usage.input_tokens)} tokens in, {count(record.usage.output_tokens)} out"
    changed = ", ".join(f"{change.path} ({change.kind})" for change in record.changes) or "none"
    note(
        f"\n{len(record.turns)} turns · {record.tool_calls} tool calls · {seconds(record.active_seconds)}"
        f" · {tokens} · {dollars(record.cost_usd)}\nfiles changed: {changed}"
    )
