"""The pieces that reports and lists are put together from: sections, paragraphs, tables."""

from __future__ import annotations

from msgspec import Struct


class Table(Struct, frozen=True, kw_only=True):
    """Rows of text; the columns named in `right` hold numbers, those in `fold` may take several lines."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: frozenset[str] = frozenset()
    fold: frozenset[str] = frozenset()


class Section(Struct, frozen=True, kw_only=True):
    """A heading, then paragraphs, a list of points, short items that may share a line, and tables; all plain text."""

    title: str
    paragraphs: tuple[str, ...] = ()
    points: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
