"""settings.toml holds the right tables, and the files beside it are as they were."""

import json
import tomllib
from pathlib import Path

from checking import graded, others


def tables(trial, files):
    expected = json.loads((Path(__file__).parent / "expected.json").read_text())
    try:
        found = tomllib.loads(files.read_text("settings.toml"))
    except tomllib.TOMLDecodeError as error:
        return 0.0, f"settings.toml is not TOML: {error}"
    parts = []
    for path, value in _leaves(expected):
        parts.append((_same(_at(found, path), value), ".".join(path)))
    extra = [".".join(path) for path, _ in _leaves(found) if _at(expected, path) is None]
    score, reason = graded(parts)
    return (score, reason) if not extra else (score * 0.5, f"{reason}; not expected: {', '.join(extra)}")


def old_files_kept(trial, files):
    touched = others(trial, "settings.toml")
    if touched:
        return 0.0, f"touched as well: {', '.join(touched)}"
    return (1.0, "the old files are as they were") if files.exists("settings.toml") else (0.0, "nothing was done")


def _leaves(table, path=()):
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key), value


def _at(table, path):
    for key in path:
        table = table.get(key) if isinstance(table, dict) else None
    return table


def _same(found, expected):
    return type(found) is type(expected) and found == expected
