"""Which names nobody's agent may write or read in a user's own folder: data of protected.toml, compared by name.

A name is compared as the most careless file system would: in any case, in any Unicode form, with letters that are not
seen, with dots and blanks at its end, as an NTFS stream or short name. All here is about text; links are followed, and
folders looked into, by those who ask (guarding.py).
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


BEGINNING_BYTES = 4096
"""Enough of a file to see how it begins."""
HELD_BYTES = 4 * 1024**2
"""How much is looked through of a file that begins like a secret."""

_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Letters that some file systems ignore when they compare names (Unicode's Default_Ignorable_Code_Point)."""
_SHORT = re.compile(r"(?P<begin>[^~]{1,6})~[0-9]{1,6}(\.[^.]{0,3})?")
_SHORT_HASHED = re.compile(r"(?P<begin>[^~]{2})[0-9a-f]{4}~[0-9](\.[^.]{0,3})?")
"""The two forms of a short name of NTFS: `GITMOD~1`, and `GI7EBA~1` where four of the first are taken."""
_COMMENTS = re.compile(r"\s*(?:[#;][^\n]*\n\s*)*")


class Rule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Names that are protected, why, and how far; see the head of protected.toml."""

    kind: str
    names: tuple[str, ...]
    reason: str
    exceptions: tuple[str, ...] = msgspec.field(default=(), name="except")
    beside: str = ""
    sealed: bool = False
    always: bool = False
    closed: bool = False


class Shape(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A folder that is known by the names in it: all of one of the lists of `folder`."""

    kind: str
    folder: tuple[tuple[str, ...], ...]
    reason: str


class KnownContent(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file that is known by what it holds; with `names`, only files that are called so.

    `begins` and `holds` are patterns; `early` is a text that stands in its first bytes.
    """

    kind: str
    reason: str
    example: str
    names: tuple[str, ...] = ()
    begins: str = ""
    early: str = ""
    holds: str = ""


class Worktrees(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Folders below protected ones in which people and assistants work as in any other."""

    names: tuple[str, ...]


class ProtectedNames(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of protected.toml."""

    name: tuple[Rule, ...]
    shape: tuple[Shape, ...]
    content: tuple[KnownContent, ...]
    worktrees: tuple[Worktrees, ...]


class Claim(Struct, frozen=True, kw_only=True):
    """Why a path is protected: `at` is the part of it that is, from the root on."""

    at: tuple[str, ...]
    reason: str
    sealed: bool = False
    always: bool = False
    closed: bool = False
    beside: str = ""
    beside_at: tuple[str, ...] = ()


@cache
def table() -> ProtectedNames:
    """What protected.toml says."""
    text = Path(__file__).with_name("protected.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), ProtectedNames)


@lru_cache(maxsize=65536)
def folded(name: str) -> str:
    """One part of a path as the most careless file system compares it; may hold `/` where it holds a backslash."""
    before = None
    while name != before:
        before = name
        name = unicodedata.normalize("NFKC", _UNSEEN.sub("", name)).casefold()
        name = "/".join(part.partition(":")[0].rstrip(". ") or part[:2] for part in name.replace("\\", "/").split("/"))
    return name


def claims(parts: Sequence[str], *, last_only: bool = False) -> Iterator[Claim]:
    """All that protects a path below a root, given by its parts; those with `beside` hold on a condition.

    With `last_only`, what protects a folder on the way is left out: for those who have asked there.
    """
    if last_only and not any(map(_ending, folded(parts[-1]).split("/"))):
        return  # nearly all paths
    plain = [(inner, index) for index, part in enumerate(parts) for inner in folded(part).split("/")]
    for end, (last, owner) in enumerate(plain):
        if last_only and owner < len(parts) - 1:
            continue
        for rule, pattern in _ending(last):
            start = end + 1 - len(pattern)
            if start >= 0 and all(map(_matches, pattern, (inner for inner, _ in plain[start : end + 1]))):
                yield Claim(
                    at=tuple(parts[: owner + 1]),
                    reason=rule.reason,
                    sealed=rule.sealed,
                    always=rule.always,
                    closed=rule.closed,
                    beside=rule.beside,
                    beside_at=tuple(parts[: plain[start][1]]),
                )


def completes(name: str, there: Sequence[str]) -> Shape | None:
    """The shape that a folder which holds the names `there` gets, or has, with `name`; None when it has none."""
    held = {folded(other) for other in there} | {folded(name)}
    for shape in table().shape:
        for needed in shape.folder:
            if {folded(other) for other in needed} <= held:
                return shape
    return None


@cache
def shape_names() -> frozenset[str]:
    """All names, folded, that shapes are made of."""
    return frozenset(folded(name) for shape in table().shape for needed in shape.folder for name in needed)


def secret_in(name: str, beginning: bytes) -> bool:
    """Whether a file of this name that begins so may hold a secret: then look with `secret`."""
    return next(_possible(name, _text(beginning)), None) is not None


def secret(name: str, data: bytes) -> KnownContent | None:
    """What is secret in a file with this content; None for nothing that is known here."""
    text = _text(data)
    return next((content for content in _possible(name, text) if re.search(content.holds, text)), None)


def _possible(name: str, text: str) -> Iterator[KnownContent]:
    """The contents that a file of this name may have by the way it begins."""
    comments = _COMMENTS.match(text)
    start = comments.end() if comments else 0
    for content, names, begins in _contents():
        if names and folded(name) not in names:
            continue
        if content.early in text and begins.match(text, start):
            yield content


@cache
def _contents() -> tuple[tuple[KnownContent, frozenset[str], re.Pattern[str]], ...]:
    """The contents, each with its names, folded, and the pattern of its beginning."""
    return tuple(
        (content, frozenset(map(folded, content.names)), re.compile(content.begins)) for content in table().content
    )


def in_worktree(parts: Sequence[str]) -> int:
    """How many of an absolute path's parts lead to the innermost worktree that it lies in; 0 for none."""
    plain = [folded(part) for part in parts]
    found = 0
    for group in table().worktrees:
        for name in group.names:
            pattern = _pattern(name)
            for end in range(len(pattern), len(plain) + 1):
                if all(map(_matches, pattern, plain[end - len(pattern) : end])):
                    found = max(found, end)
    return found


def _text(data: bytes) -> str:
    if data[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return data.decode("utf-16", errors="replace")
    return data.removeprefix(b"\xef\xbb\xbf").decode(errors="replace")


Pattern = tuple[str, ...]


@cache
def _pattern(name: str) -> Pattern:
    return tuple(folded(part) for part in name.split("/"))


@lru_cache(maxsize=65536)
def _ending(last: str) -> tuple[tuple[Rule, Pattern], ...]:
    """The rules, each with its pattern, whose last part is a name like this."""
    if "~" not in last and last not in _exact_ends() and _glob_ends().fullmatch(last) is None:
        return ()  # nearly all names
    found = []
    for rule in table().name:
        if any(_matches(folded(exception), last) for exception in rule.exceptions):
            continue
        patterns = map(_pattern, rule.names)
        found += [(rule, pattern) for pattern in patterns if _matches(pattern[-1], last)]
    return tuple(found)


@cache
def _exact_ends() -> frozenset[str]:
    return frozenset(_pattern(name)[-1] for rule in table().name for name in rule.names)


@cache
def _glob_ends() -> re.Pattern[str]:
    return re.compile("|".join(_glob(end).pattern for end in sorted(_exact_ends()) if "*" in end), re.DOTALL)


def _matches(pattern: str, name: str) -> bool:
    return name == pattern or ("*" in pattern and _glob(pattern).fullmatch(name) is not None) or _short(pattern, name)


@cache
def _glob(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)


def _short(pattern: str, name: str) -> bool:
    """Whether a name looks like the short name that NTFS gives to what the pattern means."""
    if "~" not in name or pattern.startswith("*"):
        return False
    begin, star, _ = pattern.partition("*")
    letters = begin.rpartition(".")[0].lstrip(".") or begin.lstrip(".")
    letters = re.sub(r"[. ]", "", letters)
    if not letters:
        return False
    short, hashed = _SHORT.fullmatch(name), _SHORT_HASHED.fullmatch(name)
    if hashed and hashed["begin"] == letters[:2]:
        return True
    return bool(short and (short["begin"] == letters[:6] or (star and short["begin"].startswith(letters[:6]))))


def listed() -> list[dict[str, Any]]:
    """The table as rows for people: kind, names, what is refused, why."""
    rows: list[dict[str, Any]] = []
    for rule in table().name:
        names = [f"`{name}`" for name in rule.names]
        if rule.exceptions:
            names.append("not " + ", ".join(f"`{name}`" for name in rule.exceptions))
        if rule.beside:
            names.append(f"beside a `{rule.beside}`, and in the folder itself")
        rows.append({"kind": rule.kind, "names": names, "reads": rule.sealed, "reason": rule.reason})
    for shape in table().shape:
        names = [f"a folder with {' and '.join(f'`{name}`' for name in needed)}" for needed in shape.folder]
        rows.append({"kind": shape.kind, "names": names, "reads": False, "reason": shape.reason})
    for content in table().content:
        called = f" called {', '.join(f'`{name}`' for name in content.names)}" if content.names else ""
        names = [f"a file{called} with a content like `{content.example.splitlines()[-1].strip()}`"]
        rows.append({"kind": content.kind, "names": names, "reads": True, "reason": content.reason})
    return rows
