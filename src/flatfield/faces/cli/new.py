"""`flatfield new`: working files to begin with, with what was found on this machine filled in."""

from __future__ import annotations

import asyncio
import os
import shlex
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flatfield.errors import FlatfieldError
from flatfield.faces.cli.common import (
    AsJson,
    comma_list,
    environ_of,
    examples,
    note,
    notes,
    outside_of,
    print_json,
    settings,
    write,
)
from flatfield.faces.cli.completing import agents as known_agents
from flatfield.faces.cli.trust import access_of, ledger_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flatfield.faces.found import Here
    from flatfield.records import AgentConfig
    from flatfield.runs.commit_task import CommitTask
    from flatfield.tasks.project import Project

COUNTED = 5

app = typer.Typer(
    help="Write working files to begin with: a task, an evaluation, a configuration, an agent, a verifier, a vendor.",
    epilog=examples("flatfield new task --from-commit HEAD", "flatfield new config", "flatfield new hop mornings"),
    no_args_is_help=True,
    rich_markup_mode=None,
)
Name = Annotated[str, typer.Argument(metavar="NAME", help="What it is called, and its file.")]
Force = Annotated[bool, typer.Option("--force", help="Replace what is there of that name.")]
Agents = Annotated[
    list[str] | None,
    typer.Option(
        metavar="A,B",
        help="The agents to compare; else your own, or those that were found. Can be given several times.",
        autocompletion=known_agents,
    ),
]


@app.command(
    "task",
    epilog=examples(
        "flatfield new task orders                    a task to be rewritten, orders.md",
        "flatfield new task --from-commit HEAD~3      of this repository's own history",
        "flatfield new task --from-commit 1a2b3c4 --repo ../shop --env ../shop/.venv",
        'flatfield new task --from-commit HEAD --check "python -m pytest -q tests/unit"',
    ),
)
def task(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="What it is called, and its file; not with --from-commit.")
    ] = None,
    from_commit: Annotated[
        str | None,
        typer.Option("--from-commit", metavar="SHA", help="Make it of a commit: its tests check the work it did."),
    ] = None,
    repo: Annotated[
        Path, typer.Option("--repo", metavar="DIR", help="The commit's repository.", show_default=False)
    ] = Path(),
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="The new folder; else one named after the commit, here."),
    ] = None,
    check: Annotated[
        str | None,
        typer.Option("--check", metavar="COMMAND", help="How the tests are run, where that is not found out."),
    ] = None,
    env: Annotated[
        Path | None,
        typer.Option(
            "--env", metavar="DIR", help="An environment with what the tests need; else .venv beside the repository."
        ),
    ] = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Write a task (LOP): one to be rewritten, or one made of a commit.

    Of a commit, the message becomes the prompt, to be edited; the files before it are the
    workspace, its tests are hidden, and all else that it changed is the solution. It is proved at
    once: the tests fail before, pass after, and no agent passes that does no work. Only git's
    objects are read. Where nothing would be measured, it is refused with the reason.
    """
    from flatfield.faces.starters import checked_name, task_file

    if from_commit is None:
        given = {"--repo": repo != Path(), "--out": out, "--check": check, "--env": env}
        if odd := next((option for option, value in given.items() if value), None):
            raise FlatfieldError(f"{odd} belongs to --from-commit SHA; leave it out, or name a commit")
        if name is None:
            raise FlatfieldError("a new task needs a name, or a commit: flatfield new task NAME, or --from-commit SHA")
        name = checked_name(name.removesuffix(".md"), "task")
        path = f"{name}.md"
        _put({path: task_file(name)}, Path(), force=force, as_json=as_json)
        _next(f"edit it, then flatfield tasks check {shlex.quote(path)}", as_json=as_json)
        return
    if name is not None:
        raise FlatfieldError("a task of a commit is named by its folder; write --out DIR in the place of NAME")
    _of_commit(context, from_commit, repo, out, check, env, force=force, as_json=as_json)


def _of_commit(
    context: typer.Context,
    commit: str,
    repo: Path,
    out: Path | None,
    check: str | None,
    env: Path | None,
    *,
    force: bool,
    as_json: bool,
) -> None:
    from flatfield.runs.commit_task import CommitOrder, make_task

    project = settings(context).project()
    order = CommitOrder(repository=repo, commit=commit, out=out, check=check, packages_from=env, force=force)
    access = access_of(project, environ_of(project), asks=False)
    made = asyncio.run(make_task(order, access, say=note))
    if as_json:
        print_json(made)
        return
    path = Path(made.path)
    shown = str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
    write(f"{shown}\n")
    notes(made.notes)
    note(_proved(made))
    _next(f"edit the prompt in {shlex.quote(shown)}, then flatfield eval {shlex.quote(shown)}", as_json=False)


def _proved(made: CommitTask) -> str:
    from flatfield.saying import few, many

    if not made.counts:
        return f"proved: {made.command} fails before the commit and passes after it ({made.proof})"
    guards = f"; passing before, which must go on: {many(made.guards, 'case')}" if made.guards else ""
    cases = f"from failing to passing: {many(len(made.counts), 'case')} ({few(made.counts, COUNTED)})"
    return f"proved: {cases}{guards} ({made.proof})"


@app.command(
    "hop", epilog=examples("flatfield new hop mornings", "flatfield new hop mornings --agents gpt-6-luna,my-qwen")
)
def hop(
    context: typer.Context, name: Name, agents: Agents = None, force: Force = False, as_json: AsJson = False
) -> None:
    """Write an evaluation (HOP) that compares your agents, or those that were found here."""
    from flatfield.faces.starters import checked_name, hop_file
    from flatfield.tasks.agents import select_agents

    name = checked_name(name.removesuffix(".md"), "hop")
    project = settings(context).project()
    chosen = comma_list(agents, "--agents")
    if chosen is None:
        chosen = asyncio.run(_look(project)).specs()
    if not chosen:
        raise FlatfieldError(
            "no agent was found here to compare: name some with --agents A,B; flatfield doctor says more"
        )
    select_agents(chosen, project.roster)
    unpriced = [one for one in chosen if all(map(_is_served_here, select_agents([one], project.roster)))]
    _put({f"{name}.md": hop_file(name, chosen, unpriced)}, Path(), force=force, as_json=as_json)
    _next(f"flatfield eval {shlex.quote(f'{name}.md')} TASK.md", as_json=as_json)


def _is_served_here(agent: AgentConfig) -> bool:
    """Whether a server of the user's own serves it: what that costs is not known, unless they say so."""
    from flatfield.http.connecting import leads_here

    return leads_here(agent.base_url or "")


@app.command("config", epilog=examples("flatfield new config"))
def config(context: typer.Context, force: Force = False, as_json: AsJson = False) -> None:
    """Write a flatfield.toml, with an agent for each model on this machine's servers and each that is pulled."""
    from flatfield.faces.starters import config_file
    from flatfield.tasks.project import CONFIG_NAME

    here = asyncio.run(_look(settings(context).project()))
    text = _read_back(config_file(here))
    _put({CONFIG_NAME: text}, Path(), force=force, as_json=as_json)
    _next("flatfield agents", as_json=as_json)


@app.command(
    "agent",
    epilog=examples(
        "flatfield new agent careful --model gpt-6-luna", "flatfield new agent careful --model ollama:qwen3:8b"
    ),
)
def agent(
    context: typer.Context,
    name: Name,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="AGENT",
            help="Whose model it has: an agent, or PROVIDER:MODEL[@URL]; else the first that was found here.",
            autocompletion=known_agents,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Add an agent of your own to flatfield.toml: a model with a prompt, tools and settings to specialise it by."""
    from flatfield.faces.starters import checked_name, specialised
    from flatfield.tasks.agents import select_agents
    from flatfield.tasks.project import CONFIG_NAME

    checked_name(name, "agent")
    project = settings(context).project()
    if any(one.name == name for one in project.roster):
        raise FlatfieldError(f"there is an agent {name!r} already: flatfield agents show {name}; choose another name")
    here = asyncio.run(_look(project))
    wanted = model or next(iter(here.specs()), None)
    if wanted is None:
        raise FlatfieldError("no model was found here: name one with --model PROVIDER:MODEL[@URL]")
    chosen = select_agents([wanted], project.roster)[0]
    path = project.config or Path(CONFIG_NAME)
    before = path.read_text(encoding="utf-8").rstrip() + "\n\n" if project.config else ""
    text = _read_back(before + specialised(name, chosen, here, wanted))
    _put({path.name: text}, path.parent, force=True, as_json=as_json)
    whether = f"flatfield vary {shlex.quote(name)} suite:basic --over system_prompt=default --repeats 3"
    _next(f"edit its prompt in {path}; whether that helps: {whether}", as_json=as_json)


@app.command("verifier", epilog=examples("flatfield new verifier few-words"))
def verifier(name: Name, force: Force = False, as_json: AsJson = False) -> None:
    """Write a package that adds a verifier, and a task that uses it."""
    from flatfield.faces.starters import checked_name, verifier_package

    folder = _package_folder(checked_name(name, "verifier"), "verifier")
    _put(verifier_package(name), folder, force=force, as_json=as_json)
    _next(f"pip install -e {folder}, then flatfield tasks check {folder}/example.md", as_json=as_json)


@app.command("vendor", epilog=examples("flatfield new vendor acme"))
def vendor(name: Name, force: Force = False, as_json: AsJson = False) -> None:
    """Write a package that adds a vendor whose servers speak chat completions, ready to be made another."""
    from flatfield.faces.starters import checked_name, vendor_package

    folder = _package_folder(checked_name(name, "vendor"), "provider")
    _put(vendor_package(name), folder, force=force, as_json=as_json)
    _next(f"pip install -e {folder}, then set its address and key, and flatfield doctor", as_json=as_json)


def _package_folder(name: str, kind: str) -> Path:
    """Where a package goes.

    Raises:
        FlatfieldError: there is one of that name.
    """
    from flatfield import plugins

    if name in plugins.names(kind):
        raise FlatfieldError(f"there is a {kind} {name!r} already; choose another name")
    return Path(f"flatfield-{name}")


# ---------------------------------------------------------------------------- what may stand in such files


SCHEMA_EPILOG = examples(
    "flatfield schema config > flatfield.schema.json",
    "flatfield schema lop > lop.schema.json",
    after="""\b
An editor that reads TOML with schemas takes it from the file's first line:
  #:schema ./flatfield.schema.json""",
)


class WrittenFile(StrEnum):
    """What there is a schema of."""

    LOP = "lop"
    HOP = "hop"
    CONFIG = "config"


def schema(
    form: Annotated[WrittenFile, typer.Argument(help="The front matter of a LOP or a HOP, or flatfield.toml.")],
) -> None:
    """Print the JSON Schema of a kind of file, with which editors complete its keys and check it."""
    from flatfield.tasks.file_schemas import schema_of_file

    print_json(schema_of_file(form.value))


# ---------------------------------------------------------------------------- what is here


async def _look(project: Project) -> Here:
    from flatfield.faces.found import look
    from flatfield.runs.world import open_world

    environ = environ_of(project)
    async with open_world(outside_of(project, environ, access_of(project, environ, asks=False))) as world:
        return await look(project, world.services)


# ---------------------------------------------------------------------------- writing


def _read_back(text: str) -> str:
    """A flatfield.toml's text, which has been read as one.

    Raises:
        InvalidFiles: it has mistakes, of its user's.
    """
    from flatfield.tasks.config import read_config
    from flatfield.tasks.project import CONFIG_NAME

    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder, CONFIG_NAME)
        draft.write_text(text, encoding="utf-8")
        read_config(draft, CONFIG_NAME)
    return text


def _put(files: Mapping[str, str], folder: Path, *, force: bool, as_json: bool) -> None:
    """Write the files, and trust what was written; where one is there, none.

    Raises:
        FlatfieldError: one is there and differs, or the folder cannot be written.
    """
    if link := next((path for path in files if (folder / path).is_symlink()), None):
        raise FlatfieldError(
            f"{folder / link} is a link, and what it leads to stays as it is; take the link away first"
        )
    there = [
        path for path, text in files.items() if os.path.lexists(folder / path) and not _is_same(folder / path, text)
    ]
    if there and not force:
        raise FlatfieldError(f"{folder / there[0]} is there already, and nothing was written; --force replaces it")
    try:
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(text.encode())
    except OSError as error:
        raise FlatfieldError(
            f"{error.filename or folder} cannot be written: {error.strerror}; go to another folder"
        ) from error
    written = [folder / path for path in files]
    ledger_of().made(written)
    if as_json:
        print_json({"written": [str(path) for path in written]})
    else:
        write("".join(f"{path}\n" for path in written))


def _is_same(path: Path, text: str) -> bool:
    try:
        return path.read_bytes() == text.encode()
    except OSError:
        return False


def _next(text: str, *, as_json: bool) -> None:
    if not as_json:
        note(f"next: {text}")
