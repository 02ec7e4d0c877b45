"""The report as a page: one file that opens from disk, with everything in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.records import ReportTraits

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flatfield.records import RunResult, TrialRecord

TRAITS = ReportTraits(media_type="text/html", is_file=True)


def render(result: RunResult, records: Iterable[TrialRecord] = ()) -> str:
    """The page; `records`: the run's trials with their transcripts."""
    from flatfield.faces.pages.page import document

    return document(result, records)
