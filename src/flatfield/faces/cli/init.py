"""`flatfield init`: files that let other programs work with flatfield."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flatfield.errors import FlatfieldError
from flatfield.faces.cli.common import AsJson, comma_list, examples, note, notes, print_json, settings, write
from flatfield.faces.cli.completing import agents as known_agents
from flatfield.faces.cli.trust import ledger_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flatfield.records import AgentConfig
    from flatfield.tasks.project import Project

PLUGIN_FOLDER = "flatfield-plugin"
_PROGRAM = "flatfield"
_MODEL = re.compile(r"[\w.:/@\[\]-]+")
SHOWN = 5

app = typer.Typer(
    help="Write the files that let Claude Code work with nano agents.",
    epilog=examples("flatfield init claude-code", "flatfield init claude-code --project"),
    rich_markup_mode=None,
    no_args_is_help=True,
)


@app.callback()
def group() -> None:
    """Keep `claude-code` a command of its own, although it is the only one."""


@app.command(
    "claude-code",
    epilog=examples(
        "flatfield init claude-code                  a plugin in flatfield-plugin/",
        "flatfield init claude-code --project        files in .claude/ and .mcp.json, here",
        "flatfield init claude-code --project --agents gpt-6-luna,my-qwen",
        'flatfield init claude-code --program "$PWD/.venv/bin/flatfield"',
    ),
)
def claude_code(
    context: typer.Context,
    folder: Annotated[
        Path | None,
        typer.Option("--dir", metavar="DIR", help=f"Where to; {PLUGIN_FOLDER}/ if not given, with --project here."),
    ] = None,
    project: Annotated[
        bool, typer.Option("--project", help="Files of a project (.claude/, .mcp.json) instead of a plugin.")
    ] = False,
    agents: Annotated[
        list[str] | None,
        typer.Option(
            metavar="A,B",
            help="For these agents; else your own ones, else nine that flatfield knows. Can be given several times.",
            autocompletion=known_agents,
        ),
    ] = None,
    program: Annotated[
        str, typer.Option(metavar="COMMAND", help="How Claude Code starts flatfield.", show_default=True)
    ] = _PROGRAM,
    wrapper_model: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Claude Code's model that passes prompts on, such as haiku.", show_default=True
        ),
    ] = "inherit",
    ignore_base_urls: Annotated[
        bool, typer.Option("--ignore-base-urls", help="Agents leave out Claude Code's ANTHROPIC_BASE_URL and the like.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there and differ.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write sub-agents, commands, a skill, hooks and the MCP server's entry, as a plugin or into a project."""
    from flatfield.faces.claude_code.parts import PLUGIN, PROJECT, files
    from flatfield.faces.claude_code.writing import write as put

    if not shlex.split(program):
        raise FlatfieldError("--program is empty: say how flatfield is started, such as flatfield")
    if not _MODEL.fullmatch(wrapper_model):
        raise FlatfieldError("--wrapper-model is one word: inherit, or a model's name as Claude Code knows it")
    layout = PROJECT if project else PLUGIN
    target = folder.expanduser() if folder is not None else Path("." if project else PLUGIN_FOLDER)
    found = settings(context).project()
    notes(found.notes)
    chosen = _chosen(comma_list(agents, "--agents"), found)
    wanted = files(chosen, layout, program, wrapper_model=wrapper_model, ignores_base_urls=ignore_base_urls)
    kept = () if force else _kept(wanted, target)
    result = put({path: text for path, text in wanted.items() if path not in kept}, target, force=force)
    kept = (*kept, *result.kept)
    ledger_of().made(target / path for path in (*result.written, *result.unchanged))
    if as_json:
        print_json({"dir": str(target), "written": result.written, "unchanged": result.unchanged, "kept": kept})
        return
    write("".join(f"{target / path}\n" for path in result.written))
    note(_summary(len(result.written), len(result.unchanged), chosen))
    if kept:
        shown = ", ".join(kept[:SHOWN]) + (f" and {len(kept) - SHOWN} more" if len(kept) > SHOWN else "")
        note(f"kept as they are, though they differ from what is written now: {shown}; --force replaces them")
    note(_next(target, project=project))
    if shutil.which(shlex.split(program)[0]) is None:
        note(f"note: {program} is not found from here; name its path with --program, or install flatfield")


def _chosen(names: Sequence[str] | None, project: Project) -> tuple[AgentConfig, ...]:
    """The agents that are wrapped: those named, else the user's own, else the shipped line-up."""
    from datetime import date

    from flatfield.faces.claude_code.parts import LINEUP
    from flatfield.tasks.agents import is_control, select_agents
    from flatfield.tasks.roster import notice

    own = [_wrapped(one, project) for one in project.roster if not one.is_shipped and not is_control(one)]
    again = tuple(dict.fromkeys((*(name for name in LINEUP if name in own), *own)))
    chosen = select_agents(names or again or LINEUP, project.roster)
    today = date.today()  # noqa: DTZ011 - a vendor's date, seen from the user's calendar
    notes([text for agent in chosen if (text := notice(agent, today))])
    specs = [agent.name for agent in chosen if agent.name not in {one.name for one in project.roster}]
    if specs:
        raise FlatfieldError(f"{specs[0]} is not configured: the server would not know it; add it to flatfield.toml")
    return chosen


def _wrapped(agent: AgentConfig, project: Project) -> str:
    """The agent's name; of a sub-agent that was written here before, that of the agent which it is for."""
    from flatfield.tasks.agents import fingerprint, wrapper_name

    others = (one for one in project.roster if one.name != agent.name and wrapper_name(one.name) == agent.name)
    return next((one.name for one in others if fingerprint(one) == fingerprint(agent)), agent.name)


def _kept(wanted: Mapping[str, str], target: Path) -> tuple[str, ...]:
    """The files that are there with another text, which may be the user's: those that are added to are not among them.

    Raises:
        FlatfieldError: one cannot be read.
    """
    from flatfield.faces.claude_code.writing import SHARED

    there = [path for path in wanted if path not in SHARED and (target / path).is_file()]
    try:
        return tuple(path for path in there if (target / path).read_bytes() != wanted[path].encode())
    except OSError as error:
        raise FlatfieldError(f"{error.filename} cannot be read: {error.strerror}; choose another --dir") from None


def _summary(written: int, unchanged: int, agents: Sequence[AgentConfig]) -> str:
    from flatfield.faces.wording import many

    if not written:
        return f"nothing to write: {many(unchanged, 'file')} here already; sub-agents for: {_named(agents)}"
    same = f", {unchanged} unchanged" if unchanged else ""
    return f"{many(written, 'file')} written{same}; sub-agents for: {_named(agents)}"


def _named(agents: Sequence[AgentConfig]) -> str:
    return ", ".join(agent.name for agent in agents)


def _next(folder: Path, *, project: bool) -> str:
    if project:
        where = "" if folder == Path() else f"cd {shlex.quote(str(folder))} && "
        return f"next: {where}claude, then /perf:hop_evaluate_nano_agents lop_eval_1"
    shown = shlex.quote(str(folder))
    return f"next: claude --plugin-dir {shown}, then /flatfield:perf:hop_evaluate_nano_agents lop_eval_1"
