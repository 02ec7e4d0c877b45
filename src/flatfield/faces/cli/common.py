"""What the commands share: the project in force, the environment, options, and how values are printed."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from flatfield.errors import FlatfieldError, NotFound
from flatfield.faces.cli import completing
from flatfield.faces.storing import store_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.faces.blocks import Table
    from flatfield.records import KindOfWork, Preferences, Weights
    from flatfield.runs.store.store import Store
    from flatfield.runs.world import Outside
    from flatfield.scoring.prices.pricing import Prices
    from flatfield.tasks.access import Access
    from flatfield.tasks.project import Project


# The environment that providers look keys and addresses up in: the real one, and behind it those of `.env` files.


NAME = ".env"
_USUAL = re.compile(r"[A-Z0-9_]+_(?:API_KEY|AUTH_TOKEN|BASE_URL)")
"""How variables that hold a key or an address are called as a rule; vendors state those that are called otherwise."""

_OURS = re.compile(
    r"(?:FLATFIELD|SSL|XDG|PYTHON|LD|DYLD|GIT|REQUESTS|CURL|NODE|UV|PIP)_\w*|\w*_PROXY|\w*CA_BUNDLE|PATH|HOME|TMPDIR|USER",
    re.IGNORECASE,
)
"""What says how flatfield itself works: where it keeps things, whom it trusts on the wire. No file sets it."""


class Environment(Mapping[str, str]):
    """The real environment, and `more` names that are found only by asking for them.

    Going through it shows the real one alone: so a copy of it, such as a subprocess is started with, holds no key that
    was read from a file.
    """

    def __init__(self, real: Mapping[str, str], more: Mapping[str, str], folders: Mapping[str, str]) -> None:
        self._real = real
        self._more = more
        self.origins = {name: folders[name] for name in more if name not in real}
        """The names that are taken from a file, with the folder that it lies in."""

    def __getitem__(self, name: str) -> str:
        """The real value, else the one that was read."""
        return self._real[name] if name in self._real else self._more[name]

    def __iter__(self) -> Iterator[str]:
        """The names of the real environment."""
        return iter(self._real)

    def __len__(self) -> int:
        """How many names the real environment has."""
        return len(self._real)


def read_environment(project: Project, cwd: Path, real: Mapping[str, str]) -> tuple[Environment, tuple[str, ...]]:
    """The environment with the `.env` of `cwd`, then of the project's folder; and notes on lines that were passed over.

    What is set in the real environment wins. Only keys and addresses of providers are taken, and the variables that
    agents name with `api_key_env` or in `headers`.

    Everything else in such a file is some other program's affair.

    Raises:
        FlatfieldError: such a file is there and cannot be read.
    """
    from flatfield.tasks.access import folder_of
    from flatfield.tasks.agents import variables

    named = {name for agent in project.roster for name in (agent.api_key_env, *variables(agent.headers))}
    more: dict[str, str] = {}
    folders: dict[str, str] = {}
    notes: list[str] = []
    for path in dict.fromkeys(folder.absolute() / NAME for folder in (cwd, project.folder)):
        values, odd = _read(path)
        wanted = {name: value for name, value in values if name in named or _is_looked_up(name)}
        wanted = {name: value for name, value in wanted.items() if not _OURS.fullmatch(name)}
        folders = dict.fromkeys(wanted, folder_of(str(path))) | folders
        more = wanted | more
        notes += [f"{path}:{line}: this is no KEY=VALUE; the line is passed over" for line in odd]
    return Environment(real, more, folders), tuple(notes)


def _is_looked_up(name: str) -> bool:
    """Whether vendors look for a key or an address in this variable."""
    from flatfield import plugins

    return _USUAL.fullmatch(name) is not None or any(
        name == vendor.url_variable or name in vendor.key_variables for vendor in plugins.all_traits()
    )


def _read(path: Path) -> tuple[Iterable[tuple[str, str]], list[int]]:
    """The pairs of a file, as they stand (`$` means nothing), and the numbers of lines that are none."""
    from dotenv.parser import parse_stream

    values: list[tuple[str, str]] = []
    odd: list[int] = []
    try:
        with path.open(encoding="utf-8-sig") as stream:
            for binding in parse_stream(stream):
                if binding.error:
                    odd.append(binding.original.line)
                elif binding.key is not None and binding.value is not None:
                    values.append((binding.key, binding.value))
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return [], []
    except (OSError, UnicodeDecodeError) as error:
        reason = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise FlatfieldError(f"{path} cannot be read: {reason}; mend it, or move it away") from None
    return values, odd


# ---------------------------------------------------------------------------- the project in force, and options


_NAMES = re.compile(r"\{(\w+) names\}")
WEIGHTS = "performance=0.5,speed=0.25,cost=0.25"
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Full = Annotated[bool, typer.Option("--full", help="Show all columns, below one another where they do not fit.")]
RunArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="RUN",
        show_default=False,
        help="Its id or the beginning of it, or last; else the newest.",
        autocompletion=completing.runs,
    ),
]
WeightsOption = Annotated[str | None, typer.Option(metavar="WEIGHTS", help=f"How much each counts: {WEIGHTS}")]


For = Annotated[
    str | None,
    typer.Option("--for", metavar="PROFILE", help="What matters, as [profiles.PROFILE] of flatfield.toml says."),
]
ForWork = Annotated[
    list[str] | None,
    typer.Option(
        "--for",
        metavar="PROFILE|KIND",
        help="What matters, as [profiles.PROFILE] of flatfield.toml says, or a kind of work; both: give it twice.",
    ),
]
SolvedUsd = Annotated[
    float | None,
    typer.Option(metavar="N", min=0, help="Choose by money: so many dollars is a solved task worth."),
]
HourUsd = Annotated[
    float | None, typer.Option(metavar="N", min=0, help="With --solved-usd: what an hour of waiting costs.")
]


class NamingCommand(TyperCommand):
    """A command whose help names what there is: `{KIND names}` in the help of an option stands for these.

    They are looked up when the help is asked for: it would take each command some milliseconds.
    """

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - typer's own types, or click's in older ones
        """Write the help."""
        for parameter in self.params:
            parameter.help = _NAMES.sub(_named, getattr(parameter, "help", None) or "") or None  # type: ignore[attr-defined]
        super().format_help(ctx, formatter)


def _named(match: re.Match[str]) -> str:
    from flatfield import plugins

    *others, last = plugins.names(match[1])
    return f"{', '.join(others)} or {last}" if others else last


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandSettings:
    """What stands before the command (`--config FILE`), and all arguments as they were given."""

    config: Path | None = None
    arguments: tuple[str, ...] = field(default_factory=lambda: tuple(sys.argv[1:]))

    def project(self) -> Project:
        """The project in force: flatfield.toml, the roster, and the folder that `.flatfield/` lies in."""
        from flatfield.tasks.project import find_project

        return find_project(Path.cwd(), self.config, os.environ)

    def store(self) -> Store:
        """The project's store of runs."""
        return store_of(self.project())


def environ_of(project: Project) -> Environment:
    """What providers look keys and addresses up in: the environment, and behind it `.env` files.

    Raises:
        FlatfieldError: a `.env` cannot be read.
    """
    found, odd = read_environment(project, Path.cwd(), os.environ)
    notes(odd)
    return found


def prices_of(project: Project) -> Prices:
    """The prices in force: the user's own of flatfield.toml, then genai-prices', updated ones if there are any."""
    from flatfield.machine.models import cache_folder
    from flatfield.scoring.prices.pricing import Prices

    return Prices(project.prices, cache=cache_folder(os.environ))


def outside_of(project: Project, environ: Environment, access: Access) -> Outside:
    """What a project's runs, judges and forecasts are given from outside."""
    from flatfield.runs.world import Outside

    return Outside(environ=environ, access=access, prices=prices_of(project), lane_limits=project.lanes)


def settings(context: typer.Context) -> CommandSettings:
    """The settings that the top of the command line left in the context."""
    found = context.obj
    return found if isinstance(found, CommandSettings) else CommandSettings()


def examples(*lines: str, after: str = "") -> str:
    """The end of a command's help: examples, each on a line of its own, and what else is to be said."""
    block = "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)
    return f"{block}\n\n{after}" if after else block


def print_json(value: object) -> None:
    """Print a value as indented JSON, records included."""
    from flatfield.faces.wording import json_of

    write(json_of(value) + "\n")


def write(text: str) -> None:
    """Write text to standard output; nothing in it is a command to a terminal."""
    from flatfield.faces.wording import printable

    sys.stdout.write(printable(text))


def write_answer(text: str) -> None:
    """Write what a model answered and a newline: nothing in it is a command to a terminal; else byte for byte."""
    if sys.stdout.isatty():
        write(text + "\n")
    else:
        sys.stdout.write(text + "\n")


def print_table(table: Table, *, full: bool = False, more: str = "--full") -> None:
    """Print a table to standard output; `more` says where columns are that are left out."""
    from flatfield.faces.drawing import draw_table, open_console

    draw_table(table, open_console(), full=full, more=more)


def note(text: str) -> None:
    """Say something beside the result: on stderr, so that piped output stays clean."""
    from flatfield.faces.wording import printable

    with suppress(OSError):  # what cannot be printed is said at the end
        sys.stdout.flush()
    sys.stderr.write(printable(text) + "\n")
    sys.stderr.flush()


def notes(texts: Sequence[str]) -> None:
    """Say several things beside the result, each once."""
    for text in dict.fromkeys(texts):
        note(f"note: {text}")


def parse_weights(text: str | None) -> Weights | None:
    """`performance=0.5,speed=0.25,cost=0.25` as Weights; what is left out counts 0.

    Raises:
        FlatfieldError: an unknown name, one given twice, a number that is none or negative, or all zero.
    """
    if text is None:
        return None
    from flatfield.records import Weights

    given: dict[str, float] = {}
    for item in text.split(","):
        name, _, number = (part.strip() for part in item.partition("="))
        if name not in Weights.__struct_fields__:
            problem = f"{name!r} is none of {', '.join(Weights.__struct_fields__)}"
        elif name in given:
            problem = f"{name} stands twice"
        elif (weight := _weight(number)) is None:
            problem = f"{number!r} is no weight of 0 or more"
        else:
            given[name] = weight
            continue
        raise FlatfieldError(f"--weights {item.strip()!r}: {problem}; write e.g. {WEIGHTS}")
    if not any(given.values()):
        raise FlatfieldError(f"--weights {text!r}: at least one weight must be above 0")
    return Weights(**(dict.fromkeys(Weights.__struct_fields__, 0.0) | given))


def preferences(project: Project, profile: str | None = None, **given: Any) -> Preferences:  # noqa: ANN401 - its fields
    """What matters: the profile's, and in its place what was given; None is not given.

    Raises:
        NotFound: there is no such profile.
        FlatfieldError: weights and money are given, or an hour's price without a solved task's worth.
    """
    from msgspec.structs import replace

    from flatfield.records import Preferences

    found = Preferences()
    if profile is not None:
        if profile not in project.profiles:
            there = ", ".join(project.profiles) or "none"
            raise NotFound(f"there is no profile {profile!r} in flatfield.toml; there are: {there}")
        found = project.profiles[profile]
    given = {name: value for name, value in given.items() if value is not None and value is not False}
    if "weights" in given and given.keys() & {"solved_usd", "hour_usd"}:
        raise FlatfieldError("--weights and --solved-usd are two ways to say what matters: keep one")
    if "weights" in given:
        given |= {"solved_usd": None, "hour_usd": None}
    if "solved_usd" in given and given["solved_usd"] is not None:
        given["weights"] = None
    found = replace(found, **given)
    if found.hour_usd is not None and not found.solved_usd:
        raise FlatfieldError("--hour-usd needs --solved-usd above 0: what a solved task is worth, in dollars")
    return found


def purposes(project: Project, names: Sequence[str] | None) -> tuple[str | None, KindOfWork | None]:
    """The profile and the kind of work that `--for` names; a profile cannot be called as a kind of work is.

    Raises:
        NotFound: a name is neither.
        FlatfieldError: there are two of one sort.
    """
    from flatfield.evidence.listed import KINDS

    profile: str | None = None
    kind: KindOfWork | None = None
    for name in names or ():
        found = next((each for each in KINDS if each == name), None)
        if (kind if found else profile) is not None:
            sort = "kinds of work" if found else "profiles"
            raise FlatfieldError(f"--for names two {sort}, {kind if found else profile} and {name}: keep one")
        if found is None and name not in project.profiles:
            there = ", ".join(project.profiles) or "none"
            raise NotFound(
                f"there is no profile {name!r} in flatfield.toml; there are: {there};"
                f" nor is it a kind of work: {', '.join(KINDS)}"
            )
        kind, profile = (found, profile) if found else (kind, name)
    return profile, kind


def _weight(text: str) -> float | None:
    try:
        weight = float(text)
    except ValueError:
        return None
    return weight if 0 <= weight < float("inf") else None


def comma_list(given: str | Sequence[str] | None, option: str) -> tuple[str, ...] | None:
    """`a, b` as ("a", "b"), the same for an option that was given twice; None when it was not given.

    Raises:
        FlatfieldError: it was given, but names nothing.
    """
    if given is None or given == []:
        return None
    text = given if isinstance(given, str) else ",".join(given)
    items = tuple(item.strip() for item in text.split(",") if item.strip())
    if not items:
        raise FlatfieldError(f"{option} {text!r} names no agent: write names with commas between them")
    return items
