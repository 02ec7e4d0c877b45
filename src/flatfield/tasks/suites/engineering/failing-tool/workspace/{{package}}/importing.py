"""Imports a file, or takes back what an interrupted import booked."""

import hashlib
from pathlib import Path

from {{package}}.errors import Problem
from {{package}}.reading import read


def import_file(path, settings, store):
    """Book all rows of a delivery; returns how many."""
    if held := store.lock():
        raise Problem(f"locked by import {held['import']} of {held['file']} (pid {held['pid']}): see RUNBOOK.md")
    rows = read(path, settings["units"])
    digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]
    serial = store.begin(path)
    for item, grams in rows:
        store.book(item, grams)
    store.end(f"import {serial} {path} {digest} {len(rows)} rows {sum(grams for _, grams in rows)} grams")
    return len(rows)


def undo(store):
    """Take back what the journal of an interrupted import holds; returns how many rows."""
    held = store.lock()
    if not held:
        raise Problem("there is nothing to undo: no import was interrupted")
    rows = store.journal()
    for item, grams in rows:
        store.change(item, -grams)
    store.end(f"undo {held['import']} {held['file']} {len(rows)} rows {sum(grams for _, grams in rows)} grams")
    return len(rows)
