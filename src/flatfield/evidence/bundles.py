"""A run as one file for others: without what names its maker's person, machine, folders and keys, and sealed.

The file begins with a line that holds the digest of all behind it: a line of JSON for what it is, one for the run, then
one for each trial and verdict, compressed with gzip. The digest tells that nothing was changed on the way; who made it,
it does not tell.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import zlib
from collections import Counter
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_origin
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct, structs

from flatfield.errors import FlatfieldError
from flatfield.http.secrecy import HIDDEN, Needles
from flatfield.json_text import plain
from flatfield.records import AgentConfig, Evaluation, Imported, Reply, Run, Task, TrialRecord, Verdict
from flatfield.saying import many

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from io import BufferedReader
    from pathlib import Path

T = TypeVar("T")

FORMAT = 1
SEAL = "flatfield-bundle {format} sha256:{digest}\n"
_SEAL = re.compile(rb"flatfield-bundle (?P<format>[1-9][0-9]{0,3}) sha256:(?P<digest>[0-9a-f]{64})\n")
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
"""What a run may be called: it becomes the name of files."""
MOST_TIMES, LEAST_ROOM, LONGEST_LINE = 200, 256_000_000, 256_000_000
"""A file may unpack to so many times its size, or so many bytes where it is small, and each record to so many: what
unpacks to more was made to fill a memory, not of a run."""
PIECE_BYTES = 1024 * 1024
LEAST_NAME = 3
"""A user's or a machine's name that is shorter is part of too many words."""
NOBODY = frozenset(
    {
        *("root", "user", "users", "admin", "administrator", "runner", "ubuntu", "debian", "fedora", "vagrant"),
        *("vscode", "codespace", "jovyan", "guest", "nobody", "localhost", "home", "host", "server", "docker"),
    }
)
"""Names of users and machines that tell nothing of whose they are."""
USER, HOME, FOLDER, HOST = "user", "/home/user", "/project", "host"
KEPT = frozenset(
    {
        *("provider", "verifier", "kind", "digest", "task_digest", "agent_fingerprint", "tools_digest", "attempt"),
        *("continues", "started_at"),
    }
)
"""Fields that hold words of flatfield's own, or digests: nothing of a person stands there."""
_HOMES = re.compile(r"(?:/home|/Users|[A-Za-z]:\\+Users|/var/home)[/\\]+(?!user\b)[^/\\\s\"'`:;,<>|*?]+")
_KEY_LIKE = re.compile(
    r"\b(?:sk|pk|rk)-[A-Za-z0-9_-]{16,}|\bAIza[0-9A-Za-z_-]{30,}|\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_\w{20,}"
    r"|\bxox[abprs]-[\w-]{10,}|\bA[KS]IA[0-9A-Z]{16}\b|\bhf_[A-Za-z0-9]{20,}"
    r"|\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{5,}|\bBearer [\w.~+/-]{16,}=*"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    re.DOTALL,
)


class Private(Struct, frozen=True, kw_only=True):
    """What of its maker must not be in a bundle, as it is written where it was made."""

    users: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    homes: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


class Outline(Struct, frozen=True, kw_only=True):
    """What a bundle says of itself: `digests` are those of the run, of all trials and of all verdicts."""

    made_by: str
    run: str
    title: str
    trials: int
    verdicts: int
    digests: dict[str, str]
    changed: tuple[str, ...] = ()


class Bundle(Struct, frozen=True, kw_only=True):
    """What was read: the records, what the file says of itself, and its digest."""

    outline: Outline
    digest: str
    imported: Imported


# What names the maker goes out of every text, the same way everywhere, so that what refers to each other still does.


class Redaction:
    """Takes out of records what is private; `changed` counts what it took, by what it was."""

    def __init__(self, private: Private) -> None:
        self.changed: Counter[str] = Counter()
        self._needles = Needles(private.keys)
        self._has_keys = bool(private.keys)
        swaps = [
            *((path, FOLDER, "folders of the project → " + FOLDER) for path in _longest_first(private.folders)),
            *((path, HOME, "home folders → " + HOME) for path in _longest_first(private.homes)),
        ]
        self._paths = [(re.compile(rf"{re.escape(path)}(?![\w.-])"), new, what) for path, new, what in swaps]
        self._words = [
            (re.compile(rf"(?<![A-Za-z0-9]){re.escape(word)}(?![A-Za-z0-9])", re.IGNORECASE), new, what)
            for words, new, what in (
                (private.hosts, HOST, f"host names → {HOST}"),
                (private.users, USER, f"user names → {USER}"),
            )
            for word in _longest_first(words)
            if len(word) >= LEAST_NAME and word.lower() not in NOBODY
        ]

    def text(self, text: str) -> str:
        """The text without names of users and hosts, and without folders of projects and homes."""
        for pattern, new, what in (*self._paths, (_HOMES, HOME, "home folders → " + HOME), *self._words):
            text, times = pattern.subn(new, text)  # none of them holds a backslash
            self.changed[what] += times
        text, times = _KEY_LIKE.subn(HIDDEN, text)
        self.changed[f"keys → {HIDDEN}"] += times
        if self._has_keys:
            data = text.encode("utf-8", "surrogatepass")
            without = self._needles.hidden(data)
            if without != data:
                self.changed[f"keys → {HIDDEN}"] += 1
                text = without.decode("utf-8", "surrogatepass")
        return text

    def record(self, record: T) -> T:
        """A record without it: texts, names of files, and what of whole fields tells of the machine."""
        return self._walked(record)  # type: ignore[no-any-return]

    def _walked(self, value: Any) -> Any:  # noqa: ANN401 - any part of a record
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Struct):
            value = self._bared(value)
            kept = _kept_fields(type(value))
            parts = {name: getattr(value, name) for name in value.__struct_fields__ if name not in kept}
            found = {name: self._walked(part) for name, part in parts.items()}
            return structs.replace(value, **{name: part for name, part in found.items() if part is not parts[name]})
        if isinstance(value, dict):
            return {self._walked(name): self._walked(part) for name, part in value.items()} if value else value
        if isinstance(value, list | tuple) and value:
            return type(value)(map(self._walked, value))
        return value

    def _bared(self, value: Struct) -> Struct:
        """A record without the fields that are of use on its machine alone."""
        if isinstance(value, TrialRecord) and value.unanswered:
            self.changed[_WIRES] += 1
            return structs.replace(value, unanswered=())
        if isinstance(value, Reply) and value.wire:
            self.changed[_WIRES] += 1
            return structs.replace(value, wire=())
        if isinstance(value, AgentConfig):
            told = sum(each != HIDDEN for each in value.headers.values())
            self.changed["headers of agents: values left out"] += told
            headers = dict.fromkeys(value.headers, HIDDEN)
            return structs.replace(value, headers=headers, folder="", source=_name(value.source))
        if isinstance(value, Task):
            return structs.replace(value, path=_name(value.path), workspace=value.workspace and _name(value.workspace))
        if isinstance(value, Evaluation):
            return structs.replace(value, path=_name(value.path))
        return structs.replace(value, source="") if isinstance(value, Run) else value

    def said(self) -> tuple[str, ...]:
        """What was taken out, a line for each kind."""
        return tuple(f"{what}: {many(times, 'place')}" for what, times in sorted(self.changed.items()) if times)


_WIRES = "exchanges with servers, byte for byte: left out"


def _name(path: str) -> str:
    """The last part of a path of the maker's; what is no path of a file system stays."""
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1] if path.startswith("/") or ":\\" in path else path


def _longest_first(texts: Iterable[str]) -> list[str]:
    return sorted({text for text in texts if text.strip("/\\")}, key=len, reverse=True)


def _kept_fields(kind: type[Struct]) -> frozenset[str]:
    """Fields that no text of a person stands in."""
    literal = {field.name for field in structs.fields(kind) if get_origin(field.type) is Literal}
    return KEPT | literal | ({"output"} if kind is AgentConfig else set())


def own_servers(agents: Sequence[AgentConfig], public: Iterable[str]) -> tuple[str, ...]:
    """The hosts of the agents' addresses that are neither this machine nor a vendor's."""
    known = {"localhost", "127.0.0.1", "::1", *public}
    hosts = (urlsplit(agent.base_url).hostname for agent in agents if agent.base_url)
    return tuple(dict.fromkeys(host for host in hosts if host and host not in known))


# The file.


def write(
    path: Path, redaction: Redaction, run: Run, trials: Iterable[TrialRecord], verdicts: Sequence[Verdict]
) -> str:
    """Write the records, which are redacted already, and seal the file; its digest.

    Raises:
        FlatfieldError: two names that differed are the same now.
        OSError: it cannot be written.
    """
    names = [agent.name for agent in run.agents], [task.id for task in run.tasks]
    if any(len(set(each)) < len(each) for each in names):
        raise FlatfieldError("without private names two agents or tasks are called the same: rename one, and run again")
    with path.open("xb") as file:
        file.write(SEAL.format(format=FORMAT, digest="0" * 64).encode())
        with gzip.GzipFile(fileobj=file, mode="wb", mtime=0, filename="") as packed:
            _, own = _put(packed, "run", [run])
            stored, all_trials = _put(packed, "trial", trials)
            given, all_verdicts = _put(packed, "verdict", verdicts)
            outline = Outline(
                made_by=f"flatfield {run.versions.get('flatfield', '')}".strip(),
                run=run.id,
                title=run.evaluation.title,
                trials=stored,
                verdicts=given,
                digests={"run": own, "trials": all_trials, "verdicts": all_verdicts},
                changed=redaction.said(),
            )
            packed.write(_line("outline", outline))
    digest = _digest_of(path)
    with path.open("r+b") as file:
        file.write(SEAL.format(format=FORMAT, digest=digest).encode())
    return digest


def _put(packed: gzip.GzipFile, name: str, records: Iterable[Struct]) -> tuple[int, str]:
    """Write a line for each record; how many they were, and the digest of all."""
    digest, count = hashlib.sha256(), 0
    for count, record in enumerate(records, start=1):  # noqa: B007 - the last number is how many there are
        line = _line(name, record)
        digest.update(line)
        packed.write(line)
    return count, digest.hexdigest()


def _line(name: str, record: Struct) -> bytes:
    try:
        return msgspec.json.encode({name: record}) + b"\n"
    except UnicodeEncodeError:  # half a character: its escape
        return msgspec.json.encode({name: plain(msgspec.to_builtins(record))}) + b"\n"


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        file.readline(len(SEAL) + 100)
        return hashlib.file_digest(file, "sha256").hexdigest()


class _Read(Struct, frozen=True):
    """A line of the file; one of them is there."""

    run: Run | None = None
    trial: TrialRecord | None = None
    verdict: Verdict | None = None
    outline: Outline | None = None


def read(path: Path) -> Bundle:
    """What the file holds, if it is as it was made.

    Raises:
        FlatfieldError: it cannot be read, is no bundle, is of a newer form, or was changed.
    """
    try:
        with path.open("rb") as file:
            digest = _sealed(path, file)
            room = max(MOST_TIMES * os.fstat(file.fileno()).st_size, LEAST_ROOM)
            with gzip.GzipFile(fileobj=file, mode="rb") as packed:
                return _unpacked(path, digest, _lines(path, packed, room))
    except OSError as error:
        raise FlatfieldError(f"{path} cannot be read: {error.strerror or error}") from None
    except (EOFError, zlib.error):
        raise FlatfieldError(f"{path} cannot be unpacked: get it again from whoever made it") from None


def _sealed(path: Path, file: BufferedReader) -> str:
    """The digest that the file bears, which is that of its content; the file stands where that begins."""
    match = _SEAL.fullmatch(file.readline(200))
    if match is None:
        raise FlatfieldError(f"{path} is no bundle of a run: make one with `flatfield bundle RUN`")
    if int(match["format"]) > FORMAT:
        raise FlatfieldError(f"{path} was made by a newer flatfield (form {int(match['format'])}): upgrade this one")
    begin, sealed = file.tell(), match["digest"].decode()
    found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sealed:
        raise FlatfieldError(
            f"{path} is not as it was made: its content has the digest {found[:12]}…, its first line says "
            f"{sealed[:12]}…; get it again from whoever made it"
        )
    file.seek(begin)
    return sealed


def _lines(path: Path, packed: gzip.GzipFile, room: int) -> Iterator[bytes]:
    while line := packed.readline(LONGEST_LINE + 1):
        room -= len(line)
        if room < 0 or len(line) > LONGEST_LINE:
            raise FlatfieldError(f"{path} unpacks to far more than a run has: it is no bundle of a run")
        yield line


def _unpacked(path: Path, digest: str, lines: Iterable[bytes]) -> Bundle:
    found: dict[str, list[Any]] = {"run": [], "trial": [], "verdict": [], "outline": []}
    sums = {name: hashlib.sha256() for name in found}
    for line in lines:
        try:
            read = msgspec.json.decode(line, type=_Read)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise FlatfieldError(f"{path} holds a record that cannot be read ({error}): upgrade flatfield") from None
        parts = [(name, part) for name in found if (part := getattr(read, name)) is not None]
        if len(parts) != 1:
            raise _false(path, "a line of it is no record")
        ((name, part),) = parts
        found[name].append(part)
        sums[name].update(line)
    _agree(path, found, {name: each.hexdigest() for name, each in sums.items()})
    imported = Imported(run=found["run"][0], trials=tuple(found["trial"]), verdicts=tuple(found["verdict"]))
    return Bundle(outline=found["outline"][0], digest=digest, imported=imported)


def _agree(path: Path, found: Mapping[str, Sequence[Any]], sums: Mapping[str, str]) -> None:
    """Raise where the file is not what it says of itself, or no run as flatfield makes them."""
    if not len(found["run"]) == len(found["outline"]) == 1:
        raise _false(path, "it has no run, or several")
    (outline,), (run,) = found["outline"], found["run"]
    given = {"run": sums["run"], "trials": sums["trial"], "verdicts": sums["verdict"]}
    other = [name for name, digest in given.items() if outline.digests.get(name) != digest]
    if other:
        raise _false(path, f"the digest of its {' and its '.join(other)} is another one")
    if not _RUN_ID.fullmatch(run.id):
        raise _false(path, "its run has an id that no run has")
    agents, tasks = {agent.name for agent in run.agents}, {task.id for task in run.tasks}
    for one in (*found["trial"], *found["verdict"]):
        if one.run != run.id or one.agent not in agents or one.task not in tasks:
            raise _false(path, "it holds what is not of its run")
    keys = [(each.agent, each.task, each.repeat, each.task_digest, each.agent_fingerprint) for each in found["trial"]]
    if len(set(keys)) < len(keys):
        raise _false(path, "it holds a trial twice")


def _false(path: Path, why: str) -> FlatfieldError:
    return FlatfieldError(f"{path} is not what it says of itself, {why}: get it again from whoever made it")
