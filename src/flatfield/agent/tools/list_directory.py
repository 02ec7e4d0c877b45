"""The tool that lists a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flatfield.agent.tools import _wording
from flatfield.errors import ToolError
from flatfield.records import Probe, ProbeStep, ToolSpec, ToolTraits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flatfield.agent.files.confined import ConfinedFiles
    from flatfield.agent.workspace import Workspace

NAMES_SHOWN = 1000

TRAITS = ToolTraits(
    default_place=2,
    looks_only=True,
    aliases=("ls", "list", "list_dir", "list_files", "list_folder", "list_directory_contents", "print_tree"),
)

SPEC = ToolSpec(
    name="list_directory",
    description="List a folder, one name a line, sorted; folders end in /.",
    parameters={
        "type": "object",
        "properties": {
            "directory_path": {
                "type": "string",
                "description": "Path of the folder, relative to the workspace. Left out: the workspace itself.",
            }
        },
        "required": [],
        "additionalProperties": False,
    },
)

PROBES = (
    Probe(
        prompt="List what is in the directory attic.",
        steps=(ProbeStep(arguments={"directory_path": "attic"}, result="ladder.md\nlantern.md"),),
        answer="lantern",
    ),
)


class ListDirectory:
    """Returns the names in a folder."""

    spec = SPEC

    def __init__(self, files: ConfinedFiles) -> None:
        self._files = files

    async def call(self, arguments: Mapping[str, Any]) -> str:
        """The names; the first 1,000 of a larger folder, which is said."""
        path: str = arguments.get("directory_path", ".")
        try:
            entries = self._files.entries(path)
        except FileNotFoundError:
            raise _wording.not_found(self._files, path) from None
        except NotADirectoryError:
            if self._files.exists(path):
                raise ToolError(f"{_wording.name(path)} is a file, not a folder; read it with read_file") from None
            raise _wording.not_found(self._files, path) from None
        return _wording.listing(entries, NAMES_SHOWN)


def create(workspace: Workspace) -> ListDirectory:
    """The tool, bound to one workspace."""
    return ListDirectory(workspace.files)
