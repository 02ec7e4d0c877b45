"""The report as a picture that scales: the scatter and the letters, for READMEs, comments and chats."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.records import ReportTraits

if TYPE_CHECKING:
    from flatfield.records import RunResult

TRAITS = ReportTraits(media_type="image/svg+xml", is_file=True)


def render(result: RunResult) -> str:
    """The picture."""
    from flatfield.faces.pages.pictures import as_svg

    return as_svg(result)
