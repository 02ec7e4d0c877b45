"""Asks the user whether a folder's contents are trusted: on a terminal; elsewhere nobody is asked."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from flatfield.faces.cli.common import note

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flatfield.faces.cli.environment import Environment
    from flatfield.tasks.access import Access, Answer, Want
    from flatfield.tasks.ledger import Ledger
    from flatfield.tasks.project import Project

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


def wants_in(folder: str, project: Project, environ: Environment) -> Iterator[Want]:
    """What the agents of a folder want, and those that are asked at an address of its `.env`; each once."""
    from flatfield.runs.readiness import agent_wants
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
