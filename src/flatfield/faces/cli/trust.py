"""`flatfield trust`, and how a user is asked whether a folder's contents may run code and be sent keys."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flatfield.errors import FlatfieldError, NotFound
from flatfield.faces.cli.common import AsJson, environ_of, examples, note, print_json, settings, write

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flatfield.faces.cli.common import Environment
    from flatfield.records import Run
    from flatfield.tasks.access import Access, Answer, Want
    from flatfield.tasks.ledger import Contents, Ledger
    from flatfield.tasks.project import Project


# Asks the user whether a folder's contents are trusted: on a terminal; elsewhere nobody is asked.


Trust = Annotated[
    bool, typer.Option("--trust", help="Trust what is used, this once: for CI, where nobody can be asked.")
]
QUESTION = "Trust it?  y: this once   a: always here   s: show it   n: no  "


def ledger_of() -> Ledger:
    """The user's ledger of trust."""
    from flatfield.tasks.cache import data_folder
    from flatfield.tasks.ledger import NAME, Ledger

    return Ledger(data_folder(os.environ) / NAME)


def access_of(
    project: Project, environ: Environment, *, everything: bool = False, asks: bool = True, strict: bool = False
) -> Access:
    """What may be done in this project: by the ledger and, on a terminal, by what the user says.

    `everything`: `--trust` was given. `asks` False: never ask; `strict`: as `Access` says.
    """
    from datetime import UTC, datetime

    from flatfield.tasks.access import Access, TrustQuestion

    terminal = asks and sys.stdin.isatty() and sys.stderr.isatty()
    return Access(
        ledger_of(),
        now=lambda: datetime.now(UTC).isoformat(timespec="seconds"),
        origins=environ.origins,
        home=project.folder,
        asking=TrustQuestion(ask=ask, further=lambda folder: tuple(wants_in(folder, project, environ)))
        if terminal
        else None,
        everything=everything,
        strict=strict,
    )


def remember_typed(run: Run, project: Project) -> None:
    """Remember what the user typed for a run that begins, so that going on with it asks no more than this did."""
    from flatfield.runs.order import typed_for

    if typed := typed_for(run, project.folder):
        with suppress(FlatfieldError):  # where there is no place for it, going on asks
            ledger_of().typed(run.id, typed)


def wants_in(folder: str, project: Project, environ: Environment) -> Iterator[Want]:
    """What the agents of a folder want, and those that are asked at an address of its `.env`; each once."""
    from flatfield.runs.permission import agent_wants
    from flatfield.tasks.access import Access
    from flatfield.tasks.ledger import Ledger

    access = Access(Ledger(None), origins=environ.origins)
    seen: set[object] = set()
    for agent in project.roster:
        for want in agent_wants(agent, environ, access, pretend=True):
            same = want.key or want.program
            if want.folder == folder and same not in seen:
                seen.add(same)
                yield want


def ask(folder: str, wants: Sequence[Want]) -> Answer:
    """Put the question on standard error until it is answered; the end of the input means no."""
    note(f"\n{folder} is not trusted yet. What lies in it wants to")
    tell(wants)
    answers: dict[str, Answer] = {"y": "once", "a": "always", "n": "no"}
    while True:
        sys.stderr.write(QUESTION)
        sys.stderr.flush()
        said = sys.stdin.readline()
        letter = said.strip().lower()[:1]
        if not said:
            return "no"
        if letter == "s":
            show(wants)
        elif letter in answers:
            return answers[letter]


def tell(wants: Sequence[Want]) -> None:
    """One line for each thing that is wanted, and what of the code is an agent's."""
    told: set[object] = set()
    for want in wants:
        if want.key is None or want.key not in told:
            note(f"  - {want.what}")
        told.add(want.key)
    for path in dict.fromkeys(path for want in wants for path in want.written):
        note(f"  ! {path} was written by an agent, and nobody has looked at it since")


def show(wants: Sequence[Want]) -> None:
    """The code itself, the whole commands and addresses: each line behind a bar, so that none passes for ours."""
    for want in wants:
        note(f"── {want.what}")
        for line in want.detail.splitlines():
            note(f"  │ {line}")


# ---------------------------------------------------------------------------- the command


PASSED_OVER = frozenset({".git", "node_modules", ".venv", ".flatfield", "__pycache__"})
EPILOG = examples(
    "flatfield trust                  this project, with what its files want now",
    "flatfield trust --show           look first: nothing is trusted by it",
    "flatfield trust ~/work/project",
    "flatfield trust --list",
    "flatfield trust --forget ~/work/project",
    after=(
        "A folder is trusted with the keys and hosts that its files name now; a new pair of them asks again, and so"
        " does code that an agent of flatfield's wrote there. Plain tasks, and commands in the sandbox, need no trust."
    ),
)


def command(
    context: typer.Context,
    folder: Annotated[
        Path | None, typer.Argument(metavar="DIR", show_default=False, help="A project's folder; else this one's.")
    ] = None,
    only_show: Annotated[bool, typer.Option("--show", help="Show what its files want, and trust nothing.")] = False,
    list_: Annotated[bool, typer.Option("--list", help="List the folders that are trusted.")] = False,
    forget: Annotated[bool, typer.Option("--forget", help="Trust it no more.")] = False,
    as_json: AsJson = False,
) -> None:
    """Trust a project's folder: its files may run code as you, and have keys sent to the hosts that they name."""
    from flatfield.tasks.access import is_broad, project_of

    if only_show + list_ + forget > 1:
        raise FlatfieldError("--show, --list and --forget do different things: give one of them")
    if list_:
        _list(ledger_of().contents(), as_json=as_json)
        return
    given = (folder or Path()).expanduser()
    if not given.is_dir():
        raise NotFound(f"{given} is no folder; name the folder of a project")
    place = project_of(given.resolve(), settings(context).project().folder.resolve())
    if forget:
        _forget(str(place))
        return
    if is_broad(place):
        raise FlatfieldError(
            f"{place} holds everything, and trust would cover all that is put there; name a project's folder"
        )
    wants = _wants(context, place)
    if only_show:
        if as_json:
            print_json({"folder": str(place), "wants": [{"what": want.what, "detail": want.detail} for want in wants]})
        else:
            show(wants)
        return
    _trust(context, place, wants, as_json=as_json)


def _wants(context: typer.Context, place: Path) -> tuple[Want, ...]:
    """What the files of the folder want now: its agents, and code in it that an agent of flatfield's wrote."""
    from flatfield.tasks.access import Want
    from flatfield.tasks.project import find_project

    config = settings(context).config
    project = find_project(place, config, os.environ)
    environ = environ_of(replace(project, folder=place))
    contents = ledger_of().contents()
    written = tuple(path for path in contents.written if Path(path).is_relative_to(place))
    written += contents.unsettled_about(place)
    code = (Want(folder=str(place), what="run its tasks' code", file=str(place), written=written),) if written else ()
    return (*code, *dict.fromkeys(_task_wants(place)), *wants_in(str(place), project, environ))


def _task_wants(place: Path) -> Iterator[Want]:
    """What the code of the tasks in the folder wants: verifiers, and functions that make tasks."""
    from flatfield.runs.permission import wants_of
    from flatfield.tasks import generating
    from flatfield.tasks.access import Access
    from flatfield.tasks.ledger import Ledger
    from flatfield.tasks.lop import looks_like_task, read_task

    access = Access(Ledger(None), home=place)
    for path in _markdown_in(place):
        try:
            text = path.read_text("utf-8")
            if not looks_like_task(text):
                continue
            if generating.generates(text):
                yield from access.of_file(generating.maker_file(path, text), f"makes the task {path.name}")
            else:
                yield from wants_of((read_task(path, access=access),), (), {}, access)
        except (FlatfieldError, OSError, UnicodeDecodeError):
            continue  # no task that could run


def _markdown_in(place: Path) -> Iterator[Path]:
    for folder, names, files in os.walk(place):
        names[:] = sorted(name for name in names if name not in PASSED_OVER)
        yield from (Path(folder) / name for name in sorted(files) if name.endswith(".md"))


def _trust(context: typer.Context, place: Path, wants: Sequence[Want], *, as_json: bool) -> None:
    project = settings(context).project()
    access_of(project, environ_of(project), asks=False).remember(str(place), wants)
    if as_json:
        print_json(ledger_of().contents().of(str(place)))
        return
    write(f"{place} is trusted: its files may run code as you\n")
    tell(wants)


def _list(contents: Contents, *, as_json: bool) -> None:
    if as_json:
        print_json(contents.folders)
        return
    for one in contents.folders:
        keys = ", ".join(f"{key.variable} to {key.host}" for key in one.keys) or "no keys"
        write(f"{one.folder}  since {one.since or 'before'}: {keys}\n")
    if not contents.folders:
        note("no folder is trusted")


def _forget(folder: str) -> None:
    if not ledger_of().forget(folder):
        raise NotFound(f"{folder} was not trusted; flatfield trust --list says what is")
    note(f"{folder} is trusted no more")
