"""The tool that replaces one piece of a file."""

from __future__ import annotations

import difflib
import heapq
from itertools import islice
from typing import TYPE_CHECKING, Any

from flatfield.agent.tools import _wording
from flatfield.errors import ToolError
from flatfield.records import Probe, ProbeStep, ToolSpec, ToolTraits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flatfield.agent.files.confined import ConfinedFiles
    from flatfield.agent.workspace import Workspace


# Where a text stands in a file, exactly or nearly: pure functions behind edit_file and its errors.


LINES_COMPARED = 2000  # bounds the comparing to some 50 ms, whatever a model sends
LETTERS_COMPARED = 200
LINES_SHOWN = 12
ALIKE = 0.6  # difflib's own cutoff for "close"


def offsets(text: str, part: str, most: int) -> list[int]:
    """Where `part` starts in `text`, overlapping places included, at most `most` of them."""
    found: list[int] = []
    at = text.find(part)
    while at >= 0 and len(found) < most:
        found.append(at)
        at = text.find(part, at + 1)
    return found


def line_numbers(text: str, places: list[int]) -> list[int]:
    """The line, from 1, that each offset is on."""
    return [text.count("\n", 0, place) + 1 for place in places]


def only_crlf(text: str) -> bool:
    """Whether every line ends in CR LF."""
    return "\r\n" in text and text.count("\n") == text.count("\r\n")


def to_crlf(text: str) -> str:
    """The text with every line end as CR LF."""
    return text.replace("\r\n", "\n").replace("\n", "\r\n")


def closest(text: str, part: str) -> str:
    """The lines of `text` that come closest to `part`, each with its number; "" when none does."""
    lines = text.split("\n")
    wanted = part.strip("\n").split("\n")
    first = next((line for line in wanted if line.strip()), "")
    lead = wanted.index(first) if first else 0
    at = _closest_line(lines, first)
    if at is None:
        return ""
    start = max(0, at - lead)
    shown = lines[start : start + min(len(wanted), LINES_SHOWN)]
    return "\n".join(f"{start + number}: {_short(line)}" for number, line in enumerate(shown, 1))


def _closest_line(lines: list[str], wanted: str) -> int | None:
    """The index of the line most like `wanted`: the same but for blanks, else by difflib's ratio."""
    bare = "".join(wanted.split())
    if not bare:
        return None
    for index, line in enumerate(lines):
        if "".join(line.split()) == bare:
            return index
    matcher = difflib.SequenceMatcher(None, autojunk=False)
    matcher.set_seq2(wanted.strip()[:LETTERS_COMPARED])
    promising = []
    for index, line in enumerate(islice(lines, LINES_COMPARED)):
        matcher.set_seq1(line.strip()[:LETTERS_COMPARED])
        if matcher.real_quick_ratio() >= ALIKE and (quick := matcher.quick_ratio()) >= ALIKE:
            promising.append((quick, -index))
    best = None
    reached = ALIKE
    for _, negative in heapq.nlargest(10, promising):  # the exact ratio is quadratic: only for a few
        matcher.set_seq1(lines[-negative].strip()[:LETTERS_COMPARED])
        if (ratio := matcher.ratio()) >= reached and (best is None or ratio > reached):
            best, reached = -negative, ratio
    return best


def _short(line: str) -> str:
    line = line.rstrip("\r")
    return line if len(line) <= LETTERS_COMPARED else line[:LETTERS_COMPARED] + "…"


LIMIT_BYTES = 10_000_000
PLACES_SHOWN = 10

TRAITS = ToolTraits(
    default_place=4,
    path_argument="file_path",
    aliases=(
        "edit",
        "multi_edit",
        "replace",
        "replace_in_file",
        "str_replace",
        "str_replace_editor",
        "str_replace_based_edit_tool",
        "apply_patch",
        "apply_diff",
        "search_replace",
    ),
)

SPEC = ToolSpec(
    name="edit_file",
    description="Replace one piece of a file. old_str must occur exactly once, blanks and line breaks included.",
    parameters={
        "type": "object",
        "properties": {
            "file_path": {"type": "string", "description": "Path of the file, relative to the workspace."},
            "old_str": {"type": "string", "description": "The text to replace, with enough around it to be unique."},
            "new_str": {"type": "string", "description": "The text to put there instead."},
        },
        "required": ["file_path", "old_str", "new_str"],
        "additionalProperties": False,
    },
)

PROBES = (
    Probe(
        prompt="In the file road.txt, replace the text turn left by the text turn right.",
        steps=(
            ProbeStep(
                arguments={"file_path": "road.txt", "old_str": "turn left", "new_str": "turn right"},
                result="edited road.txt at line 1",
            ),
        ),
    ),
)


class EditFile:
    """Replaces exactly one match; in a file whose lines end in CR LF, a plain line feed stands for CR LF."""

    spec = SPEC

    def __init__(self, files: ConfinedFiles) -> None:
        self._files = files

    async def call(self, arguments: Mapping[str, Any]) -> str:
        """Says on which line the replacement starts."""
        path: str = arguments["file_path"]
        text = self._read(path)
        shown = _wording.name(path)
        changed, line = _replaced(text, arguments["old_str"], arguments["new_str"], shown)
        try:
            data = changed.encode()
        except UnicodeEncodeError:
            raise ToolError("new_str is not valid Unicode; send it in plain characters") from None
        self._files.write_bytes(path, data)
        return f"edited {shown} at line {line}"

    def _read(self, path: str) -> str:
        shown = _wording.name(path)
        try:
            data = self._files.read_bytes(path, limit_bytes=LIMIT_BYTES)
        except (FileNotFoundError, NotADirectoryError):
            raise _wording.not_found(self._files, path) from None
        except IsADirectoryError:
            raise ToolError(f"{shown} is a folder; give the path of a file in it") from None
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise ToolError(f"{shown} is binary, not UTF-8 text; it cannot be edited") from None


def _replaced(text: str, old: str, new: str, shown: str) -> tuple[str, int]:
    """The text with its one match replaced, and the line of it; raises ToolError when there is not exactly one."""
    if not old:
        raise ToolError("old_str is empty; give the text to replace, or use write_file to replace the whole file")
    if old == new:
        raise ToolError("old_str and new_str are the same: nothing would change; give the new text as new_str")
    if only_crlf(text):
        old, new = to_crlf(old), to_crlf(new)
    places = offsets(text, old, PLACES_SHOWN + 1)
    lines = line_numbers(text, places)
    if len(places) == 1:
        at = places[0]
        return text[:at] + new + text[at + len(old) :], lines[0]
    if not places:
        near = closest(text, old)
        hint = (
            f"; these lines come closest:\n{near}" if near else "; no line comes close: read_file shows what is there"
        )
        raise ToolError(f"old_str was not found in {shown}{hint}")
    more = len(places) > PLACES_SHOWN
    count = f"more than {PLACES_SHOWN}" if more else str(len(places))
    numbers = ", ".join(str(number) for number in lines[:PLACES_SHOWN]) + (", …" if more else "")
    raise ToolError(
        f"old_str occurs {count} times in {shown}, from lines {numbers}; add lines around it so that it occurs once"
    )


def create(workspace: Workspace) -> EditFile:
    """The tool, bound to one workspace."""
    return EditFile(workspace.files)
