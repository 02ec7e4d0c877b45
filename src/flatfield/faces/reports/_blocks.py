"""The pieces that reports are put together from: sections, paragraphs, tables."""

from __future__ import annotations

from msgspec import Struct


class Table(Struct, frozen=True, kw_only=True):
    """Rows of text; the columns named in `right` hold numbers."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: frozenset[str] = frozenset()


class Section(Struct, frozen=True, kw_only=True):
    """A heading, paragraphs and tables; `detail` ones are left to reports that have the room."""

    title: str
    paragraphs: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    detail: bool = False
