"""`bundle`: a run that somebody made one file of with `flatfield bundle`, as it was measured there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from flatfield.evidence.bundles import read as unsealed
from flatfield.records import Gathered

if TYPE_CHECKING:
    from pathlib import Path

    from flatfield.records import ImportChoices


def read(path: Path, how: ImportChoices) -> Gathered:
    """The run with its trials and verdicts, marked imported; nothing in it is run, read from disk or asked for."""
    found = unsealed(path)
    run = found.imported.run
    origin = run.origin if run.imported else f"a run of {found.outline.made_by} on another machine"
    title = replace(run.evaluation, title=how.title) if how.title else run.evaluation
    versions = {**run.versions, "import": f"bundle {found.digest}"}
    taken = replace(run, imported=True, origin=origin, evaluation=title, versions=versions)
    notes = tuple(f"left out by its maker: {each}" for each in found.outline.changed)
    return Gathered(runs=(replace(found.imported, run=taken),), notes=notes)
