"""Puts files into a folder: all of them or none, and nothing that is there is lost."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from flatfield.errors import FlatfieldError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


SHARED = frozenset({".mcp.json", ".claude/settings.json"})
"""Files that hold what others wrote too: ours is added to it."""


class WrittenFiles(Struct, frozen=True, kw_only=True):
    """Paths that were written, and those that were there already as they should be."""

    written: tuple[str, ...]
    unchanged: tuple[str, ...]


def write(files: Mapping[str, str], folder: Path, *, force: bool = False) -> WrittenFiles:
    """Write every file under `folder`; `force` replaces what differs.

    Raises:
        FlatfieldError: files are there that differ (all of them are named), or one cannot be read or written.
    """
    try:
        texts = {path: _text(folder / path, path, text, force=force) for path, text in files.items()}
        there = {path: (folder / path).read_text(encoding="utf-8") for path in texts if (folder / path).is_file()}
        differing = [path for path in there if path not in SHARED and there[path] != texts[path]]
        if differing and not force:
            shown = ", ".join(differing[:5]) + (f" and {len(differing) - 5} more" if len(differing) > 5 else "")
            raise FlatfieldError(
                f"{folder}: {shown} differ from what would be written, and nothing was; --force replaces them, --dir "
                "names another folder"
            )
        unchanged = tuple(path for path in texts if there.get(path) == texts[path])
        for path in texts.keys() - set(unchanged):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(texts[path], encoding="utf-8")
    except OSError as error:
        raise FlatfieldError(f"{error.filename} cannot be written: {error.strerror}; choose another --dir") from None
    except UnicodeDecodeError:
        raise FlatfieldError(f"a file in {folder} is no UTF-8 text; move it away, or choose another --dir") from None
    return WrittenFiles(written=tuple(path for path in texts if path not in unchanged), unchanged=unchanged)


def _text(path: Path, name: str, text: str, *, force: bool) -> str:
    """What the file is to hold: ours, or for a shared one ours beside what is there."""
    if name not in SHARED or not path.is_file():
        return text
    try:
        there = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise FlatfieldError(f"{path} is not JSON: mend it, so that ours can be added to it") from None
    merged = _merged(there, json.loads(text), force=force)
    return json.dumps(merged, indent=2, ensure_ascii=False) + "\n" if merged != there else path.read_text("utf-8")


def _merged(there: Any, ours: Any, *, force: bool) -> Any:  # noqa: ANN401 - any JSON value
    """Both: what is there stays, unless `force` and it is a plain value that is ours too."""
    if isinstance(there, dict) and isinstance(ours, dict):
        both = {name: _merged(there[name], ours[name], force=force) for name in ours if name in there}
        return {**ours, **there, **both}
    if isinstance(there, list) and isinstance(ours, list):
        return [*there, *(item for item in ours if item not in there)]
    return ours if force else there
