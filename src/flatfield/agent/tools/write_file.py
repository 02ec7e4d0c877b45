"""The tool that writes a whole file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flatfield.agent.tools import _wording
from flatfield.errors import ToolError
from flatfield.records import Probe, ProbeStep, ToolSpec, ToolTraits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flatfield.agent.files.confined import ConfinedFiles
    from flatfield.agent.workspace import Workspace

TRAITS = ToolTraits(
    default_place=3,
    path_argument="file_path",
    content_argument="content",
    aliases=("write", "write_to_file", "create", "create_file", "create_new_file", "save_file", "fs_write"),
)

SPEC = ToolSpec(
    name="write_file",
    description="Create a file, or replace its whole content. Missing folders are created.",
    parameters={
        "type": "object",
        "properties": {
            "file_path": {"type": "string", "description": "Path of the file, relative to the workspace."},
            "content": {"type": "string", "description": "The whole content, written exactly as given."},
        },
        "required": ["file_path", "content"],
        "additionalProperties": False,
    },
)

PROBES = (
    Probe(
        prompt="Create the file cup.txt. Its text is: two spoons",
        steps=(
            ProbeStep(arguments={"file_path": "cup.txt", "content": "two spoons"}, result="wrote 10 bytes to cup.txt"),
        ),
    ),
)


class WriteFile:
    """Puts a text into a file."""

    spec = SPEC

    def __init__(self, files: ConfinedFiles) -> None:
        self._files = files

    async def call(self, arguments: Mapping[str, Any]) -> str:
        """Says how much was written where."""
        path: str = arguments["file_path"]
        content: str = arguments["content"]
        try:
            data = content.encode()
        except UnicodeEncodeError as error:
            raise ToolError(f"content is not valid Unicode at character {error.start}; send it without that") from None
        try:
            self._files.write_bytes(path, data)
        except IsADirectoryError:
            raise ToolError(f"{_wording.name(path)} is a folder; give the path of a file in it") from None
        except (NotADirectoryError, FileNotFoundError):
            shown = _wording.name(path)
            raise ToolError(f"{shown} cannot be created: a part of its path is a file; choose another path") from None
        return f"wrote {_wording.size(len(data))} to {_wording.name(path)}"


def create(workspace: Workspace) -> WriteFile:
    """The tool, bound to one workspace."""
    return WriteFile(workspace.files)
