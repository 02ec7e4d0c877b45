"""What the commands share: the project in force, the console, and how values are printed."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flatfield.errors import FlatfieldError

if TYPE_CHECKING:
    from rich.console import Console

    from flatfield.records import Weights
    from flatfield.runs.store import Store
    from flatfield.tasks.project import Project

WIDTH = 100

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What stands before the command: `--config FILE`."""

    config: Path | None = None

    def project(self) -> Project:
        """The project in force: flatfield.toml, the roster, and the folder that `.flatfield/` lies in."""
        from flatfield.tasks.project import find_project

        return find_project(Path.cwd(), self.config, os.environ)

    def store(self, project: Project) -> Store:
        """The project's store of runs."""
        from flatfield.runs.store import Store

        return Store(project.folder / ".flatfield")


def settings(context: typer.Context) -> Settings:
    """The settings that the top of the command line left in the context."""
    found = context.obj
    return found if isinstance(found, Settings) else Settings()


def console(*, stderr: bool = False) -> Console:
    """A console of at most 100 columns; plain text when piped."""
    from rich.console import Console

    made = Console(stderr=stderr, highlight=False, soft_wrap=False)
    if not made.is_terminal or made.width > WIDTH:
        made = Console(stderr=stderr, highlight=False, soft_wrap=False, width=WIDTH)
    return made


def print_json(value: object) -> None:
    """Print a value as indented JSON, records included."""
    import msgspec

    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")


def note(text: str) -> None:
    """Say something beside the result: on stderr, so that piped output stays clean."""
    sys.stderr.write(text + "\n")


def parse_weights(text: str | None) -> Weights | None:
    """`performance=0.5,speed=0.25,cost=0.25` as Weights; what is left out counts 0.

    Raises:
        FlatfieldError: an unknown name, a number that is none or negative, or all zero.
    """
    if text is None:
        return None
    from flatfield.records import Weights

    given = {"performance": 0.0, "speed": 0.0, "cost": 0.0}
    for item in text.split(","):
        name, _, number = item.strip().partition("=")
        try:
            weight = float(number)
        except ValueError:
            weight = -1.0
        if name not in given or not 0 <= weight < float("inf"):
            raise FlatfieldError(f"--weights {item.strip()!r}: write e.g. performance=0.5,speed=0.25,cost=0.25")
        given[name] = weight
    if not any(given.values()):
        raise FlatfieldError(f"--weights {text!r}: at least one weight must be above 0")
    return Weights(**given)


def comma_list(text: str | None) -> tuple[str, ...]:
    """`a, b` as ("a", "b")."""
    return tuple(item.strip() for item in (text or "").split(",") if item.strip())
