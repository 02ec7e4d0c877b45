"""`file`: looks at what the agent left at one path of the workspace."""

from __future__ import annotations

import asyncio
import posixpath
from typing import TYPE_CHECKING, Any

from msgspec import UNSET, Struct, UnsetType, field
from msgspec.structs import replace

from flatfield.agent.workspace import changes
from flatfield.errors import ToolError
from flatfield.records import Check, VerifierTraits
from flatfield.scoring.protocols import listing, read_map
from flatfield.scoring.verifying import matching
from flatfield.scoring.verifying.reading import NotThere, absent, read_file

if TYPE_CHECKING:
    from flatfield.agent.files.confined import ConfinedFiles, Entry
    from flatfield.scoring.protocols import VerifyContext

TRAITS = VerifierTraits(runs_code=False)


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What must hold at `path`, relative to the workspace; all keys that are given must hold.

    `exists: true` (or `absent: false`): a file is there, or, where `path` ends in `/`, a folder. `absent: true` (or
    `exists: false`): nothing is there, no link either. `equals`: its text is this one, character for character, line
    ends included. `matches`: Python's `re.search` with MULTILINE finds this pattern in its text. `json`: it is JSON
    equal to this value (1 equals 1.0; the order of an object's keys does not matter). `unchanged: true`: it is as it
    was before the agent started; a folder with all that is in it.
    """

    path: str
    exists: bool | UnsetType = UNSET
    absent: bool | UnsetType = UNSET
    equals: str | UnsetType = UNSET
    matches: str | UnsetType = UNSET
    json_value: Any = field(default=UNSET, name="json")
    unchanged: bool | UnsetType = UNSET

    @property
    def wants_nothing(self) -> bool:
        """Whether nothing may be at the path."""
        return self.absent is True or self.exists is False

    @property
    def reads(self) -> bool:
        """Whether a file's content is looked at."""
        return any(value is not UNSET for value in (self.equals, self.matches, self.json_value))


def parse(value: object) -> Options:
    """The options as written in a LOP.

    Raises:
        ValueError: one sentence with what is wrong and what would be right.
    """
    options = read_map(value, Options, "file")
    others = ["exists", "absent", "equals", "matches", "json", "unchanged"]
    parts = options.path.split("/")
    if not options.path.strip() or options.path.startswith("/") or ".." in parts or "\0" in options.path:
        raise ValueError("`file`: `path` is relative to the workspace and stays in it, such as `path: out/result.json`")
    if len(_given(options)) == 0:
        raise ValueError(f"`file` says nothing about {options.path}; add at least one of {listing(others)}")
    wants_something = (
        options.exists is True or options.absent is False or options.unchanged is not UNSET or options.reads
    )
    if options.wants_nothing and wants_something:
        raise ValueError(f"`file` cannot want {options.path} to be absent and to be there; leave one of the keys out")
    if options.unchanged is False:
        raise ValueError("`file`: `unchanged` is true or left out; state what the file must be instead")
    if options.reads and options.path.endswith("/"):
        raise ValueError(f"`file`: {options.path} is a folder, which has no text; leave out the `/` at its end")
    if options.matches is not UNSET and (problem := matching.pattern_problem(options.matches)):
        raise ValueError(f"`file`: {problem}; write the pattern in single quotes")
    if problem := matching.json_problem(options.json_value):
        raise ValueError(f"`file`: {problem}")
    return options


def _given(options: Options) -> list[str]:
    """The keys besides `path` that were written."""
    return [name for name in Options.__struct_fields__ if name != "path" and getattr(options, name) is not UNSET]


def wanted_path(options: Options) -> str | None:
    """The path where something has to be; of a folder, it ends in `/`. None: nothing may be there."""
    return None if options.wants_nothing else options.path


def create(options: Options) -> FileVerifier:
    """The verifier for these options."""
    return FileVerifier(options)


class FileVerifier:
    """Scores 1 when all that the options state holds, else 0; reads through the confined door only."""

    def __init__(self, options: Options) -> None:
        self._options = options

    async def verify(self, context: VerifyContext) -> Check:
        """Look; the reason names the first key that does not hold."""
        try:
            found = await self._found(context)
        except NotThere as error:
            found = matching.Match(holds=False, reason=str(error))
        if found.holds is None:
            return Check(verifier="file", label="", score=None, reason=found.reason, trouble=found.trouble)
        return Check(verifier="file", label="", score=float(found.holds), reason=found.reason)

    async def _found(self, context: VerifyContext) -> matching.Match:
        options, path = self._options, self._options.path
        if options.wants_nothing:
            return _absent(context.files, path)
        reasons = []
        if options.exists is True or options.absent is False:
            reasons.append(_present(context.files, path))
        if options.unchanged is True:
            reasons.append(await asyncio.to_thread(_unchanged, context, path))
        if options.reads:
            reasons.append(await self._content(read_file(context.files, path), context.least_seconds))
        failed = next((found for found in reasons if not found.holds), None)
        return failed or matching.Match(holds=True, reason="; ".join(found.reason for found in reasons))

    async def _content(self, data: bytes, least_seconds: float) -> matching.Match:
        options, path = self._options, self._options.path
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            return matching.Match(
                holds=False, reason=f"{path} is not UTF-8 text (byte {error.start} is 0x{data[error.start]:02x})"
            )
        reasons = []
        if options.equals is not UNSET:
            reasons.append(matching.equal_text(options.equals, text))
        if options.matches is not UNSET:
            reasons.append(await matching.search(options.matches, text, least_seconds=least_seconds))
        if options.json_value is not UNSET:
            reasons.append(_json(options.json_value, text))
        found = next((found for found in reasons if not found.holds), reasons[0])
        return replace(found, reason=f"{path}: {found.reason}")


def _json(expected: object, text: str) -> matching.Match:
    try:
        return matching.equal_json(expected, matching.parse_json(text))
    except ValueError as error:
        return matching.Match(holds=False, reason=f"is not JSON ({error})")


def _present(files: ConfinedFiles, path: str) -> matching.Match:
    wanted = "folder" if path.endswith("/") else "file"
    try:
        kind = files.stat(path).kind
    except (FileNotFoundError, NotADirectoryError):
        return matching.Match(holds=False, reason=absent(files, path, wanted))
    except (OSError, ToolError) as error:
        return matching.Match(holds=False, reason=f"{path} cannot be looked at: {error}")
    if kind != wanted:
        return matching.Match(holds=False, reason=f"{path} is {_KINDS[kind]}, not a {wanted}")
    return matching.Match(holds=True, reason=f"{path} is there")


_KINDS = {"file": "a file", "folder": "a folder", "link": "a link", "other": "a device, pipe or socket"}


def _absent(files: ConfinedFiles, path: str) -> matching.Match:
    """A link that leads nowhere is something too, which `stat` would not show: the folder's entries do."""
    name = posixpath.normpath(path)
    try:
        entry = _entry(files, name)
    except (FileNotFoundError, NotADirectoryError):
        entry = None
    except (OSError, ToolError) as error:
        return matching.Match(holds=False, reason=f"{path} cannot be looked at: {error}")
    if entry is not None:
        return matching.Match(holds=False, reason=f"{path} is there ({_KINDS[entry.kind]}), and should not be")
    return matching.Match(holds=True, reason=f"{path} is absent")


def _entry(files: ConfinedFiles, name: str) -> Entry | None:
    entries = files.entries(posixpath.dirname(name) or ".")
    base = posixpath.basename(name)
    return next((entry for entry in entries if posixpath.basename(entry.path) == base), None)


def _unchanged(context: VerifyContext, path: str) -> matching.Match:
    name = posixpath.normpath(path)

    def inside(other: str) -> bool:
        return name in {".", other} or other.startswith(f"{name}/")

    if not any(inside(known) for known in context.before.files):
        return matching.Match(
            holds=None, reason=f"{path} was not in the workspace when the trial began: nothing to compare with"
        )
    changed = [change for change in changes(context.before, context.files) if inside(change.path)]
    if changed:
        more = f", and {len(changed) - 1} more" if len(changed) > 1 else ""
        return matching.Match(holds=False, reason=f"{changed[0].path} was {changed[0].kind}{more}")
    return matching.Match(holds=True, reason=f"{path} is unchanged")
