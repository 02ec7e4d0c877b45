"""Decides what the contents of a folder may do: run code as the user, or be sent a key.

A folder is trusted, not its contents. What the user typed and what flatfield brings along needs no trust; whatever a
project's files say does. Plain tasks and commands in the sandbox never come here.
"""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

import flatfield
from flatfield.errors import NotTrusted
from flatfield.tasks.ledger import CODE, CODE_BEGINNINGS, CODE_NAMES, KeyHost, Ledger, TrustedFolder, sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from flatfield.records import AgentConfig
    from flatfield.tasks.ledger import Contents


Answer = Literal["once", "always", "no"]
LINE_CHARACTERS = 300
SHOWN_CHARACTERS = 100_000
PROJECT_MARKS = (".git", "flatfield.toml", ".flatfield")
"""What the top folder of a project holds one of."""


class Sends(Struct, frozen=True, kw_only=True):
    """Where an agent's requests go, and the variables whose values they bring.

    `url_variable` is the variable that names the address where the agent does not, `own_variables` are the vendor's,
    whose values may go to `own_host` unasked. `runs_code`: the agent is a program that runs as the user.
    """

    url: str = ""
    variables: tuple[str, ...] = ()
    url_variable: str = ""
    own_variables: tuple[str, ...] = ()
    own_host: str = ""
    runs_code: bool = False


class Want(Struct, frozen=True, kw_only=True):
    """One thing that a folder's contents want: to run `code`, a file or a program, or to be sent a key.

    `what` says it to people, `detail` shows it whole. `written`: code that an agent of flatfield's wrote and that
    would run with it.
    """

    folder: str
    what: str
    detail: str = ""
    file: str = ""
    program: str = ""
    key: KeyHost | None = None
    written: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class TrustQuestion:
    """How a user is asked: `ask` gets a folder and its wants; `further` tells what else the folder's agents want."""

    ask: Callable[[str, Sequence[Want]], Answer]
    further: Callable[[str], Sequence[Want]] = lambda _folder: ()


class _Once:
    """What was allowed for as long as this process lasts."""

    def __init__(self) -> None:
        self._folders: set[str] = set()
        self._keys: set[tuple[str, KeyHost]] = set()
        self._seen: set[str] = set()

    def add(self, wants: Sequence[Want]) -> None:
        for want in wants:
            self._seen.update(want.written)
            if want.key is None:
                self._folders.add(want.folder)
            else:
                self._keys.add((want.folder, want.key))

    def covers(self, want: Want) -> bool:
        if not self._seen.issuperset(want.written):
            return False
        return want.folder in self._folders if want.key is None else (want.folder, want.key) in self._keys


@dataclass(frozen=True, slots=True)
class Access:
    """What may be done now, by the ledger and by what was answered since.

    `now` is the time as the ledger keeps it. `origins`: variables that were read from a file, with the folder that it
    lies in. `home` is the folder of the project in force: files below it that lie in no other project belong to it.
    `asking` None: nobody can be asked, what is not trusted is refused. `everything`: the user said `--trust`. `strict`:
    programs that were not seen when their folder was trusted are asked for too, because nobody watches this process.
    """

    ledger: Ledger
    _: KW_ONLY
    now: Callable[[], str] = lambda: ""
    origins: Mapping[str, str] = field(default_factory=dict)
    asking: TrustQuestion | None = None
    home: Path | None = None
    everything: bool = False
    strict: bool = False
    _once: _Once = field(default_factory=_Once)

    def of_file(self, file: str | Path, what: str) -> tuple[Want, ...]:
        """What running a Python file of a task wants; nothing where it is flatfield's own.

        It runs with what lies beside it, so a link to somebody else's file wants what its own folder and theirs want.
        """
        written = Path(file).parent.resolve() / Path(file).name
        path = written.resolve()
        own = Path(flatfield.__file__).resolve().parent
        home = self.home.resolve() if self.home else None
        places = dict.fromkeys((written, path))
        if all(place.is_relative_to(own) for place in places):
            return ()
        folders = dict.fromkeys(str(project_of(place, home)) for place in places if not place.is_relative_to(own))
        said = _line(f"run code: {written} ({what})")
        return tuple(Want(folder=folder, what=said, detail=_code(path), file=str(path)) for folder in folders)

    def of_agent(self, agent: AgentConfig, sends: Sends) -> tuple[Want, ...]:
        """What an agent wants: to run its program, and the keys that go to an address that no user typed."""
        wants = []
        if sends.runs_code and agent.folder:
            shown = shlex.join(agent.command) or agent.model
            what = f"run a program: {shown} (agent {agent.name}, {agent.source})"
            wants.append(Want(folder=agent.folder, what=_line(what), detail=shown, program=_program(agent)))
        wants.extend(self._keys(agent, sends))
        return tuple(wants)

    def _keys(self, agent: AgentConfig, sends: Sends) -> Iterator[Want]:
        host = host_of(sends.url)
        own_host = sends.url.startswith("https://") and f".{host}".endswith(f".{sends.own_host or '/'}")
        by_user = not agent.base_url and sends.url_variable not in self.origins
        for variable in sends.variables:
            own = variable in sends.own_variables
            if own and (own_host or by_user):
                continue
            folder = agent.folder
            where = f"agent {agent.name}, {agent.source}"
            if not agent.base_url and not by_user and not (own and own_host):
                folder, where = self.origins[sends.url_variable], f"{sends.url_variable} in .env, agent {agent.name}"
            # A project's own key that goes where the project says is nothing of the user's.
            if folder and self.origins.get(variable) != folder:
                what = f"be sent a key: {variable} goes to {host} ({where})"
                key = KeyHost(variable=variable, host=host)
                yield Want(folder=folder, what=_line(what), detail=sends.url, key=key)

    def allow(self, wants: Sequence[Want]) -> None:
        """Return when all of it may be done; the user is asked where that is possible, once for each folder.

        Raises:
            NotTrusted: it may not; one sentence that names the folder, what it wants and what to do.
        """
        if self.everything or not wants:
            return
        contents = self.ledger.contents()
        looked = [_with_written(want, contents) for want in wants]
        open_wants = [want for want in looked if not self._once.covers(want) and not self._trusted(want, contents)]
        for folder in dict.fromkeys(want.folder for want in open_wants):
            self._settle(folder, [want for want in open_wants if want.folder == folder], contents)

    def allows(self, wants: Sequence[Want]) -> bool:
        """Whether all of it may be done, without asking anybody."""
        if not wants:
            return True
        contents = self.ledger.contents()
        looked = [_with_written(want, contents) for want in wants]
        return self.everything or all(self._once.covers(want) or self._trusted(want, contents) for want in looked)

    def _settle(self, folder: str, wants: Sequence[Want], contents: Contents) -> None:
        if self.asking is None:
            raise NotTrusted(refusal(folder, wants, strict=self.strict))
        further = [
            want
            for want in self.asking.further(folder)
            if want not in wants and not self._trusted(_with_written(want, contents), contents)
        ]
        asked = (*wants, *further)
        answer = self.asking.ask(folder, asked)
        if answer == "no":
            raise NotTrusted(refusal(folder, wants, strict=self.strict))
        self._once.add(asked)
        if answer == "always":
            self.remember(folder, asked)

    def remember(self, folder: str, wants: Sequence[Want]) -> None:
        """Trust a folder from now on, with what it wants."""
        self.ledger.trust(
            TrustedFolder(
                folder=folder,
                owner=Path(folder).stat().st_uid,
                since=self.now(),
                keys=tuple(sorted({want.key for want in wants if want.key is not None})),
                programs=tuple(sorted({want.program for want in wants if want.program})),
            ),
            seen=[path for want in wants for path in want.written],
        )

    def _trusted(self, want: Want, contents: Contents) -> bool:
        if not want.written and want.file in contents.made and _made_by_us(Path(want.file), contents):
            return True
        trusted = covering(want.folder, contents)
        if trusted is None or want.written:
            return False
        if want.key is not None:
            return want.key in trusted.keys
        return not (self.strict and want.program) or want.program in trusted.programs


def nobody() -> Access:
    """Access that nobody has given any trust to: only what needs none is allowed."""
    return Access(Ledger(None))


def everything() -> Access:
    """Access to all, as `--trust` gives it."""
    return Access(Ledger(None), everything=True)


def refusal(folder: str, wants: Sequence[Want], *, strict: bool = False) -> str:
    """Why it is refused, and what to do, in one sentence; strict access is given by the ledger alone."""
    written = tuple(dict.fromkeys(path for want in wants for path in want.written))
    if written:
        why = f"an agent wrote {', '.join(written)}, which nobody has looked at since, and it is to be run"
    else:
        first, more = wants[0].what, len(wants) - 1
        why = f"{folder} is not trusted with what it wants to do: {first}{f' and {more} more' if more else ''}"
    command = f"flatfield trust {shlex.quote(folder)}"
    return f"{why}; look at it, then run `{command}`{'' if strict else ' (or give --trust, where nobody can be asked)'}"


def covering(folder: str, contents: Contents) -> TrustedFolder | None:
    """The trusted folder that this one is, or lies in; None where there is none.

    Between them may lie neither another repository nor a folder of another owner: somebody else put those there.
    """
    here = Path(folder)
    for place in (here, *here.parents):
        trusted = contents.of(str(place))
        try:
            owner = place.stat().st_uid
        except OSError:
            return None
        if trusted is not None and trusted.owner == owner:
            return trusted if _unbroken(here, place, owner) and (here == place or not is_broad(place)) else None
    return None


def is_broad(folder: Path) -> bool:
    """Whether a folder is everybody's or everything's: `/`, the home folder, and what lies above it."""
    home = Path.home().resolve()
    return folder == home or folder in home.parents or folder.parent == folder


def _unbroken(here: Path, top: Path, owner: int) -> bool:
    between = [here, *here.parents][: len(here.parts) - len(top.parts)]
    return all(not (place / ".git").exists() and place.stat().st_uid == owner for place in between)


def project_of(path: Path, home: Path | None = None) -> Path:
    """The project that a file or folder belongs to: the nearest folder with a mark of one.

    Where there is none, `home`, the folder of the project in force, if it lies below that; else its own folder.
    """
    own = path if path.is_dir() else path.parent
    users = Path.home().resolve()
    for place in (own, *own.parents):
        if place in {users, place.parent}:
            break
        if any((place / mark).exists() for mark in PROJECT_MARKS):
            return place
    return home if home and own.is_relative_to(home) and not is_broad(home) else own


def folder_of(path: str) -> str:
    """The project of a file, as a text; "" where there is no file: the user typed it."""
    return str(project_of(Path(path).resolve())) if path else ""


def host_of(url: str) -> str:
    """The host of an address in lower case, with its port where that is not the scheme's own."""
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return url
    usual = {"https": 443, "http": 80}.get(parts.scheme)
    plain = "" if parts.scheme == "https" else f"{parts.scheme}://"
    return f"{plain}{host}" if port in {None, usual} else f"{plain}{host}:{port}"


def is_code(path: Path, head: bytes) -> bool:
    """Whether a file may be run: by its name, or because it begins as scripts and programs do."""
    named = path.suffix.lower() in CODE.split() or path.name.lower() in CODE_NAMES.split()
    return named or head.startswith(CODE_BEGINNINGS)


def _line(text: str) -> str:
    """A text that files may have a part in, as one line of a question: nothing in it can pass for another line."""
    shown = "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
    return shown if len(shown) <= LINE_CHARACTERS else f"{shown[:LINE_CHARACTERS]}…"


def _program(agent: AgentConfig) -> str:
    """A digest of what an external agent runs."""
    whole = msgspec.json.encode([agent.provider, agent.model, agent.command, agent.output, agent.api_key_env])
    return hashlib.sha256(whole).hexdigest()[:16]


def _with_written(want: Want, contents: Contents) -> Want:
    """The want with the code in its folder that an agent wrote: any of it may be imported, or started in turn."""
    if want.key is not None:
        return want
    inside = (path for path in contents.written if Path(path).is_relative_to(want.folder))
    written = [path for path in inside if Path(path).exists()]
    if want.file:
        written += contents.unsettled_about(Path(want.file).parent)
    elif any(_is_file(Path(want.folder) / part) for part in want.detail.split()):
        written += contents.unsettled_about(Path(want.folder))
    return msgspec.structs.replace(want, written=tuple(written))


def _is_file(path: Path) -> bool:
    """Whether it is one; what cannot be a path is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _made_by_us(file: Path, contents: Contents) -> bool:
    """Whether a file, and all code beside it that it could import, is as flatfield itself wrote it."""
    beside = [path for path in file.parent.rglob("*") if is_code(path, b"")]
    return file in beside and all(contents.made.get(str(path)) == sha256(path) for path in beside)


def _code(path: Path) -> str:
    """The code itself, whole, and the names of the files beside it that it may import."""
    try:
        text = path.read_text("utf-8", "replace")
        beside = sorted(one.name for one in path.parent.iterdir() if one != path and is_code(one, b""))
    except OSError:
        return ""
    more = len(text) - SHOWN_CHARACTERS
    rest = f"\n… and {more:,} more characters: read {path}" if more > 0 else ""
    names = f"\nbeside it, to be imported: {', '.join(beside)}" if beside else ""
    return f"{text[:SHOWN_CHARACTERS]}{rest}{names}"
