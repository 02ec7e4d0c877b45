"""The tool that reads a text file."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Any

from flatfield.agent.tools import _wording
from flatfield.errors import ToolError
from flatfield.records import Probe, ProbeStep, ToolSpec, ToolTraits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flatfield.agent.files.confined import ConfinedFiles
    from flatfield.agent.workspace import Workspace

LIMIT_BYTES = 200_000
NAMES_SHOWN = 100

TRAITS = ToolTraits(
    default_place=1,
    looks_only=True,
    aliases=("read", "view", "view_file", "cat", "open", "open_file", "fs_read", "read_text_file", "get_file_contents"),
)

SPEC = ToolSpec(
    name="read_file",
    description=f"Read a text file. Returns its content exactly; of a larger file the first {LIMIT_BYTES:,} bytes.",
    parameters={
        "type": "object",
        "properties": {"file_path": {"type": "string", "description": "Path of the file, relative to the workspace."}},
        "required": ["file_path"],
        "additionalProperties": False,
    },
)

PROBES = (
    Probe(
        prompt="What does the file bell.txt say? Answer with its text only.",
        steps=(ProbeStep(arguments={"file_path": "bell.txt"}, result="seventeen ducks\n"),),
        answer="seventeen ducks",
    ),
    Probe(
        prompt="The file harbour/depth.txt names another file. Read both. Which number is in the other one?",
        steps=(
            ProbeStep(arguments={"file_path": "harbour/depth.txt"}, result="The depth is in quay.txt.\n"),
            ProbeStep(arguments={"file_path": "quay.txt"}, result="63 metres\n"),
        ),
        answer="63",
    ),
)


class ReadFile:
    """Returns a file's text."""

    spec = SPEC

    def __init__(self, files: ConfinedFiles) -> None:
        self._files = files

    async def call(self, arguments: Mapping[str, Any]) -> str:
        """The text, byte for byte; a cut is said in a last line."""
        path: str = arguments["file_path"]
        try:
            content = self._files.read(path, limit_bytes=LIMIT_BYTES)
        except (FileNotFoundError, NotADirectoryError):
            raise _wording.not_found(self._files, path) from None
        except IsADirectoryError:
            held = _wording.listing(self._files.entries(path), NAMES_SHOWN)
            raise ToolError(f"{_wording.name(path)} is a folder, not a file. It holds:\n{held}") from None
        cut = content.size_bytes > len(content.data)
        try:
            text = codecs.getincrementaldecoder("utf-8")().decode(content.data, final=not cut)
        except UnicodeDecodeError:
            text = "\0"
        if "\0" in text:
            whole = _wording.size(content.size_bytes)
            raise ToolError(f"{_wording.name(path)} is binary, not UTF-8 text ({whole}); get_file_info describes it")
        if not cut:
            return text
        return f"{text}\n[file is {_wording.size(content.size_bytes)}; first {len(content.data):,} bytes shown]"


def create(workspace: Workspace) -> ReadFile:
    """The tool, bound to one workspace."""
    return ReadFile(workspace.files)
