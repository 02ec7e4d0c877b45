"""settings.toml holds the right tables, and the files beside it are as they were."""

import json
import tomllib
from pathlib import Path

from checking import changed, graded

# The rule that decides about the value of a key; where a key is written is held apart from that.
RULES = {
    "retries": "2 defaults",
    "timeout_seconds": "2 defaults",
    "port": "4 keys that stand twice",
    "colour": "5 comments",
    "note": "5 comments",
    "data_path": "6 references and percent signs",
    "label": "6 references and percent signs",
    "url": "6 references and percent signs",
    "tls": "7 booleans",
    "verbose": "7 booleans",
    "enabled": "7 booleans",
    "account": "9 quoted values",
    "hosts": "10 arrays",
}

def tables(trial, files):
    expected = json.loads((Path(__file__).parent / "expected.json").read_text())
    try:
        found = tomllib.loads(files.read_text("settings.toml"))
    except tomllib.TOMLDecodeError as error:
        return 0.0, f"settings.toml is not TOML: {error}"
    wrong = {_rule(path) for path, value in _leaves(expected) if not _same(_at(found, path), value)}
    named = {path for path, _ in _leaves(found)} == {path for path, _ in _leaves(expected)}
    every = sorted({_rule(path) for path, _ in _leaves(expected)})
    return graded([(named, "1, 3 tables and keys"), *((rule not in wrong, rule) for rule in every)])


def _rule(path):
    return RULES.get(path[-1], "8, 11 numbers and other values")


def old_files_kept(trial, files):
    touched = [path for path in changed(trial) if path in ("settings.ini", "MIGRATION.md")]
    if touched:
        return 0.0, f"changed: {', '.join(touched)}"
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
