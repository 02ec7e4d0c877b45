"""The tool that describes a file or folder."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from flatfield.agent.tools import _wording
from flatfield.errors import ProtectedPath
from flatfield.records import ToolSpec, ToolTraits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flatfield.agent.files.confined import ConfinedFiles
    from flatfield.agent.workspace import Workspace

COUNTED_BYTES = 10_000_000
NEWLINE = "\n"

TRAITS = ToolTraits(default_place=5, looks_only=True, aliases=("stat", "file_info"))

SPEC = ToolSpec(
    name="get_file_info",
    description="Describe a file or folder: type, size, time of change, number of lines.",
    parameters={
        "type": "object",
        "properties": {
            "file_path": {"type": "string", "description": "Path of the file or folder, relative to the workspace."}
        },
        "required": ["file_path"],
        "additionalProperties": False,
    },
)


class GetFileInfo:
    """Describes what is at a path."""

    spec = SPEC

    def __init__(self, files: ConfinedFiles) -> None:
        self._files = files

    async def call(self, arguments: Mapping[str, Any]) -> str:
        """One `name: value` a line."""
        path: str = arguments["file_path"]
        try:
            entry = self._files.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            raise _wording.not_found(self._files, path) from None
        lines = [f"path: {_wording.name(entry.path)}"]
        if entry.kind == "file":
            lines += ["type: file", f"size: {entry.size_bytes:,} bytes"]
        elif entry.kind == "folder":
            lines += ["type: folder", f"entries: {len(self._files.entries(path)):,}"]
        else:
            lines.append("type: device, FIFO or socket")
        lines.append(f"modified: {datetime.fromtimestamp(entry.modified, UTC):%Y-%m-%dT%H:%M:%SZ}")
        if entry.kind == "file":
            lines.append(f"lines: {self._lines(path)}")
        return "\n".join(lines)

    def _lines(self, path: str) -> str:
        try:
            return self._count(path)
        except ProtectedPath as error:
            return f"not counted ({error})"

    def _count(self, path: str) -> str:
        content = self._files.read(path, limit_bytes=COUNTED_BYTES)
        if content.size_bytes > len(content.data):
            return f"not counted (over {_wording.size(COUNTED_BYTES)})"
        try:
            text = content.data.decode()
        except UnicodeDecodeError:
            text = "\0"
        if "\0" in text:
            return "none (binary)"
        return f"{text.count(NEWLINE) + (not text.endswith(NEWLINE) and text != ''):,}"


def create(workspace: Workspace) -> GetFileInfo:
    """The tool, bound to one workspace."""
    return GetFileInfo(workspace.files)
