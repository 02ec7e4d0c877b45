"""The environment that providers look keys and addresses up in: the real one, and behind it those of `.env` files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from flatfield import plugins
from flatfield.errors import FlatfieldError
from flatfield.tasks.access import folder_of
from flatfield.tasks.agents import variables

if TYPE_CHECKING:
    from flatfield.tasks.project import Project

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
