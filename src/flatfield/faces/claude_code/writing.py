"""Puts our files into a folder, all of them or none; in files that hold what others wrote too, ours is added."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from flatfield.errors import FlatfieldError, InvalidFiles
from flatfield.faces.claude_code.json_edits import line_of, parsed, rewritten
from flatfield.faces.claude_code.parts import NAME
from flatfield.records import Mistake

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from flatfield.faces.claude_code.json_edits import JsonPart

    Merge = Callable[["There", dict[str, Any], bool], "Merged"]

SPEAKS = ("speak", "--hook")
"""What a command of ours that is a hook ends with, since there have been any."""
_SPEAKING = re.compile(r"\bflatfield\b.*\bspeak\b.*--hook\b")
_SHELL = re.compile(r"[;&|<>\n`]")
_STARTING = ("command", "args")
_BYTE_ORDER_MARK = "\ufeff"


class There(Struct, frozen=True, kw_only=True):
    """What a file holds, as others and older versions of ours wrote it."""

    path: str
    text: str
    root: JsonPart

    def need(self, what: str, *at: str | int, holds: bool) -> None:
        """Refuse the file where something is not what Claude Code takes.

        Raises:
            InvalidFiles: it does not hold; the mistake names the line.
        """
        if not holds:
            line = line_of(self.text, self.root.part(*at))
            raise InvalidFiles([Mistake(path=self.path, line=line, problem=what, fix="mend it, and say it again")])


class Merged(Struct, frozen=True, kw_only=True):
    """What the file is to hold, and whether something of ours in it was left as its user has it."""

    value: Any
    kept: bool = False


def added(text: str, ours: str, path: str, merge: Merge, *, force: bool) -> tuple[str, bool]:
    """The text of a file with ours in it, and whether something of ours was left as it is there.

    `force`: ours replaces what is there of ours; what is others' stays in any case.

    Raises:
        InvalidFiles: the file is broken; the mistake names the line.
    """
    mark = _BYTE_ORDER_MARK if text.startswith(_BYTE_ORDER_MARK) else ""
    there = There(path=path, text=text.removeprefix(mark), root=parsed(text.removeprefix(mark), path))
    there.need("this is no object: { … }", holds=isinstance(there.root.value, dict))
    merged = merge(there, json.loads(ours), force)
    return mark + rewritten(there.text, there.root, merged.value), merged.kept


def with_server(there: There, ours: dict[str, Any], force: bool) -> Merged:  # noqa: FBT001 - a Merge
    """The servers with ours among them: how it is started stays as it is there, and what it lacks is added."""
    value, wanted = there.root.value, ours["mcpServers"][NAME]
    servers = value.get("mcpServers", {})
    there.need("`mcpServers` is no object: { … }", "mcpServers", holds=isinstance(servers, dict))
    old = servers.get(NAME, {})
    there.need(f"the server `{NAME}` is no object: {{ … }}", "mcpServers", NAME, holds=isinstance(old, dict))
    lacking = {key: item for key, item in wanted.items() if key not in old}
    if old and not force:  # arguments belong to a command, and a server at an address has neither
        lacking = {key: item for key, item in lacking.items() if key not in _STARTING}
    new = {**old, **(wanted if force else lacking)}
    merged = {**value, "mcpServers": {**servers, NAME: new}}
    return Merged(value=merged, kept=any(new.get(key) != item for key, item in wanted.items()))


def with_hooks(there: There, ours: dict[str, Any], force: bool) -> Merged:  # noqa: FBT001 - a Merge
    """The settings with our hooks, each in the place of the one that an older version wrote for the same event.

    How an older one starts flatfield is kept, unless `force`. A command of flatfield's that its user wrote in another
    way stays, and its event gets none of ours beside it.
    """
    value, wanted = there.root.value, ours["hooks"]
    hooks = value.get("hooks", {})
    _check(there, hooks)
    usual = next(hook["command"] for groups in wanted.values() for group in groups for hook in group["hooks"])
    older = (
        each["command"] for groups in hooks.values() for group in groups for each in group["hooks"] if _is_ours(each)
    )
    command = usual if force else next(older, usual)
    new: dict[str, Any] = {}
    for event in (*hooks, *(event for event in wanted if event not in hooks)):
        groups = hooks.get(event, [])
        made = _groups(groups, wanted[event][0] if event in wanted else None, command)
        if made or not groups:
            new[event] = made
    return Merged(value={**value, "hooks": new}, kept=command != usual)


def _check(there: There, hooks: object) -> None:
    """Refuse hooks that Claude Code would refuse too, and with them all of the file."""
    there.need("`hooks` is no object: { … }", "hooks", holds=isinstance(hooks, dict))
    for event, groups in hooks.items() if isinstance(hooks, dict) else ():
        there.need(f"`{event}` is no list: [ … ]", "hooks", event, holds=isinstance(groups, list))
        for index, group in enumerate(groups):
            inner = group.get("hooks") if isinstance(group, dict) else None
            is_right = isinstance(inner, list) and all(isinstance(each, dict) for each in inner)
            there.need(f"this of `{event}` has no list of `hooks`", "hooks", event, index, holds=is_right)


def _groups(groups: Sequence[Mapping[str, Any]], wanted: Mapping[str, Any] | None, command: str) -> list[Any]:
    """An event's groups with our hook in them, once for each matcher; `wanted` None: none of ours belongs there."""
    placed = {None for group in groups for each in group["hooks"] if _is_ours_otherwise(each)}
    made: list[Any] = []
    for group in groups:
        inner: list[Any] = []
        for each in group["hooks"]:
            if not _is_ours(each):
                inner.append(each)
            elif wanted is not None and _fits(group, wanted) and group.get("matcher") not in placed:
                renewed = {**wanted["hooks"][0], "command": command}
                inner.append(each if each == renewed else renewed)
                placed.add(group.get("matcher"))
        if inner or not group["hooks"]:
            made.append({**group, "hooks": inner})
    if wanted is not None and not placed:
        made.append({**wanted, "hooks": [{**wanted["hooks"][0], "command": command}]})
    return made


def _fits(group: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether our hook may stay in a group: a narrower choice of sub-agents or messages is its user's."""
    return "matcher" not in wanted or group.get("matcher") == wanted["matcher"]


def _is_ours(hook: Mapping[str, Any]) -> bool:
    """Whether some version of `init` wrote it: `PROGRAM speak --hook`, and nothing else."""
    command = hook.get("command")
    if not isinstance(command, str) or _SHELL.search(command):
        return False
    try:
        words = shlex.split(command)
    except ValueError:
        return False
    return tuple(words[-2:]) == SPEAKS and any(PurePath(word).stem == NAME for word in words[:-2])


def _is_ours_otherwise(hook: Mapping[str, Any]) -> bool:
    command = hook.get("command")
    return isinstance(command, str) and not _is_ours(hook) and _SPEAKING.search(command) is not None


SHARED = {".mcp.json": with_server, ".claude/settings.json": with_hooks}
"""Files that hold what others wrote too, and how ours is added to it."""


class WrittenFiles(Struct, frozen=True, kw_only=True):
    """Paths that were written, those that were there already, and shared ones with something of ours left as it was."""

    written: tuple[str, ...]
    unchanged: tuple[str, ...]
    kept: tuple[str, ...] = ()


def write(files: Mapping[str, str], folder: Path, *, force: bool = False) -> WrittenFiles:
    """Write every file under `folder`; `force` replaces what differs.

    Raises:
        InvalidFiles: a shared file is broken.
        FlatfieldError: files are there that differ (all of them are named), or one cannot be read or written.
    """
    try:
        there = {path: _read(folder / path) for path in files if (folder / path).is_file()}
        differing = [path for path in there if path not in SHARED and there[path] != files[path]]
        if differing and not force:
            shown = ", ".join(differing[:5]) + (f" and {len(differing) - 5} more" if len(differing) > 5 else "")
            raise FlatfieldError(
                f"{folder}: {shown} differ from what would be written, and nothing was; --force replaces them, --dir "
                "names another folder"
            )
        shared = [path for path in there if path in SHARED]
        merged = {
            path: added(there[path], files[path], str(folder / path), SHARED[path], force=force) for path in shared
        }
        texts = {**files, **{path: text for path, (text, _) in merged.items()}}
        unchanged = tuple(path for path in texts if there.get(path) == texts[path])
        for path in texts.keys() - set(unchanged):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(texts[path].encode())
    except OSError as error:
        raise FlatfieldError(f"{error.filename} cannot be written: {error.strerror}; choose another --dir") from None
    except UnicodeDecodeError:
        raise FlatfieldError(f"a file in {folder} is no UTF-8 text; move it away, or choose another --dir") from None
    written = tuple(path for path in texts if path not in unchanged)
    return WrittenFiles(
        written=written, unchanged=unchanged, kept=tuple(path for path, (_, kept) in merged.items() if kept)
    )


def _read(path: Path) -> str:
    """A file's text with its own line ends: what is others' in it is written again as it is."""
    return path.read_bytes().decode()
