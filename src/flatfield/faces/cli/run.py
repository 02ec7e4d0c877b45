"""`flatfield run`: one nano agent, here and now."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flatfield.errors import FlatfieldError, NotFound
from flatfield.faces.cli import common
from flatfield.faces.cli.completing import agents
from flatfield.faces.cli.ending import GATE_FAILED, INTERRUPTED, NOT_MEASURED, interruptible
from flatfield.faces.cli.run_options import KeyEnv
from flatfield.faces.cli.speech import HeardVoice, Speak, SpeakTo, heard
from flatfield.faces.cli.trust import Trust, access_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.faces.cli.common import Environment
    from flatfield.records import AgentConfig, Event, TrialRecord
    from flatfield.runs.single import FolderWork, Surroundings
    from flatfield.tasks.access import Access
    from flatfield.tasks.project import Project

EPILOG = common.examples(
    'flatfield run "Which Python files are here?" --model local:smollm2-135m',
    'flatfield run "Fix the typo in README.md" --model openai-chat:qwen3@http://127.0.0.1:8080/v1',
    'flatfield run "Summarise notes.txt" --agent nano-agent-gpt-5-mini --workspace ~/project',
    'flatfield run "Make the tests pass" --agent cheap-then-strong --check "pytest -q"',
    'flatfield run "Shorten AGENTS.md" --agent nano-agent-gpt-5-mini --allow AGENTS.md',
    after="The agent works in the directory itself and may change its files; it cannot leave it. What others execute "
    "or obey there (version control, settings, CI files) it cannot change, nor read keys: see docs/security.md.",
)


def command(
    context: typer.Context,
    prompt: Annotated[str, typer.Argument(metavar="PROMPT", help="What to do.")],
    agent: Annotated[
        str | None, typer.Option(metavar="NAME", help="A configured agent.", autocompletion=agents)
    ] = None,
    model: Annotated[str | None, typer.Option(metavar="PROVIDER:MODEL[@URL]", help="An agent on the spot.")] = None,
    key_env: KeyEnv = None,
    workspace: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where it works; else here.", show_default=False)
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH", help="A protected file or folder that it may change; can be given several times."),
    ] = None,
    check: Annotated[
        str | None,
        typer.Option(
            metavar="COMMAND",
            help="Work in a copy, then run this; changes are taken whole, and exit code 1 says that it failed.",
        ),
    ] = None,
    turns: Annotated[int, typer.Option(metavar="N", min=1, help="At most so many turns.")] = 20,
    seconds: Annotated[float, typer.Option(metavar="N", min=0.1, help="At most so much active time.")] = 300.0,
    output_tokens: Annotated[int, typer.Option(metavar="N", min=1, help="At most so many output tokens.")] = 16_000,
    trust: Trust = False,
    speak: Speak = False,
    speak_to: SpeakTo = None,
    as_json: common.AsJson = False,
) -> None:
    """Run one nano agent in a directory.

    Its tool calls are shown on stderr as they happen, its answer goes to standard output.
    """
    from flatfield.records import Limits
    from flatfield.runs.permission import wants_of
    from flatfield.runs.routes.here import check_of
    from flatfield.runs.single import FolderWork
    from flatfield.tasks.agents import with_key

    if not prompt.strip():
        raise FlatfieldError("the prompt is empty: say what to do")
    if (agent is None) == (model is None):
        raise FlatfieldError("say who works: either --agent NAME or --model PROVIDER:MODEL[@URL]")
    project = common.settings(context).project()
    if agent is not None:
        common.notes(project.notes)
    (config,) = with_key((_config(agent, model, project),), key_env)
    folder = _folder(workspace)
    environ = common.environ_of(project)
    access = access_of(project, environ, everything=trust)
    why = ""
    if config.route is not None:
        config, why = asyncio.run(_chosen(config, prompt, project, access))
    limits = Limits(turns=turns, seconds=seconds, output_tokens=output_tokens)
    access.allow(wants_of((), (config,), environ, access))
    around = _around(project, environ, access, allow or ())
    work = FolderWork(prompt=prompt, agent=config, folder=folder, limits=limits, check=check_of(config, check), why=why)
    record = asyncio.run(_work(work, around, HeardVoice(speak, speak_to), as_json))
    if record.stop == "cancelled":
        raise typer.Exit(INTERRUPTED)
    if record.failure is not None:
        raise typer.Exit(NOT_MEASURED)
    if record.steps and record.steps[-1].passed is False:
        raise typer.Exit(GATE_FAILED)


async def _chosen(route: AgentConfig, prompt: str, project: Project, access: Access) -> tuple[AgentConfig, str]:
    """The route with its agents, best first, and why."""
    from flatfield.faces.storing import store_of
    from flatfield.runs.routes.auto import chosen_here

    outside = common.outside_of(project, common.environ_of(project), access)
    return await chosen_here(route, prompt, store_of(project), project, outside)


def _config(agent: str | None, model: str | None, project: Project) -> AgentConfig:
    from flatfield.tasks.agents import select_agents

    if model is not None and ":" not in model:
        raise FlatfieldError(
            f"--model {model!r} names no provider: write PROVIDER:MODEL[@URL], or --agent for a configured one"
        )
    found = select_agents((agent or model or "",), project.roster if model is None else ())
    if len(found) != 1:
        raise FlatfieldError(f"--agent {agent!r} means {len(found)} agents; name one")
    return found[0]


def _folder(workspace: Path | None) -> Path:
    from flatfield.tasks.access import is_broad

    folder = (workspace or Path()).expanduser().resolve()
    if not folder.is_dir():
        raise NotFound(f"the workspace {workspace} is no directory; name one that exists with --workspace")
    if workspace is None and is_broad(folder):
        raise FlatfieldError(
            f"the workspace would be {folder}, with all that is in your home folder: go to a project's folder, or name "
            "this one with --workspace if you mean it"
        )
    return folder


def _around(project: Project, environ: Environment, access: Access, allow: Sequence[str]) -> Surroundings:
    from flatfield.runs.single import Surroundings

    def observe(event: Event) -> None:
        if event.kind == "tool":
            common.note(f"  → {event.text}")
        elif event.kind == "note":
            common.note(f"note: {event.text}")

    from flatfield.faces.storing import allowed

    opened, said = allowed(project, allow, access)
    common.notes(said)
    return Surroundings(
        outside=common.outside_of(project, environ, access),
        observe=observe,
        allow=opened,
        config=project.config,
        homes=(project.folder, Path.cwd()),
    )


async def _work(work: FolderWork, around: Surroundings, voice: HeardVoice, as_json: bool) -> TrialRecord:
    """Run the agent, show what came of it, and have it said where that is wanted."""
    told: set[str] = set()
    async with heard(voice) as speaker:
        record = await _run(work, around, told)
        if as_json:
            from flatfield.faces.transcript import without_exchanges

            common.print_json(without_exchanges(record))
        else:
            _print(record, [note for note in record.notes if note not in told])
        if speaker is not None:
            from flatfield.faces.speech.sentences import finished

            speaker.say(finished(work.agent.name, (record,)))
    return record


async def _run(work: FolderWork, around: Surroundings, told: set[str]) -> TrialRecord:
    """The agent's work; what was said of it meanwhile is in `told`."""
    from dataclasses import replace

    from flatfield.faces.drawing import open_console
    from flatfield.faces.live import at_work
    from flatfield.runs.routes.here import work_here

    with at_work(open_console(stderr=True), around.outside.clock) as heard:

        def observe(event: Event) -> None:
            heard()
            told.add(event.text)
            around.observe(event)

        shown = replace(around, observe=observe)
        at_it = asyncio.ensure_future(work_here(work, shown))
        with interruptible(at_it.cancel):
            try:
                return await at_it
            except asyncio.CancelledError:
                raise KeyboardInterrupt from None  # it had not begun


def _print(record: TrialRecord, notes: Sequence[str]) -> None:
    from flatfield.faces.wording import count, dollars, many_known, seconds

    if record.failure is not None:
        common.note(f"not finished: {record.failure.message}")
    elif record.stop != "answered":
        common.note(f"ended by its {record.stop.replace('_', ' ')}")
    if record.answer:
        common.write_answer(record.answer)
    tokens = "tokens not reported"
    if record.usage is not None:
        tokens = f"{count(record.usage.input_tokens)} tokens in, {count(record.usage.output_tokens)} out"
    changed = ", ".join(f"{change.path} ({change.kind})" for change in record.changes) or "none"
    common.notes(notes)
    common.note(
        f"{many_known(record.turn_count, 'turn')} · {many_known(record.tool_calls, 'tool call')}"
        f" · {seconds(record.active_seconds)} · {tokens} · {dollars(record.cost_usd)}\nfiles changed: {changed}"
    )
