"""The report as a picture of pixels: the same as `svg`, for where only such pictures are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.records import ReportTraits

if TYPE_CHECKING:
    from flatfield.records import RunResult

TRAITS = ReportTraits(media_type="image/png", is_file=True)


def render(result: RunResult) -> bytes:
    """The picture."""
    from flatfield.faces.pages.pictures import as_png

    return as_png(result)
