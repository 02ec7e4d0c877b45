"""The pieces that reports and lists are put together from: sections, paragraphs, tables."""

from __future__ import annotations

from msgspec import Struct


class Table(Struct, frozen=True, kw_only=True):
    """Rows of text. What a column holds says how it may become narrower; the cells of all others stay as they are.

    `right`: numbers. `names`: of agents, tasks, models, or several with commas between; each stays whole. `fold`: text
    that may take several lines. `cut`: text whose end may go. `drop`: columns to leave out where all do not fit, the
    least important first, then the others from the right; those up to the first names always stay. `whole`: none is
    left out, they go on below.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    fold: frozenset[str] = frozenset()
    cut: frozenset[str] = frozenset()
    drop: tuple[str, ...] = ()
    whole: bool = False


class Section(Struct, frozen=True, kw_only=True):
    """A heading, paragraphs, points, short items that may share a line, tables, points `after` these; plain text.

    `commands`: points that end in a command line, each with what it is for: they can be copied as they stand.
    """

    title: str
    paragraphs: tuple[str, ...] = ()
    points: tuple[str, ...] = ()
    commands: tuple[tuple[str, str], ...] = ()
    items: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    after: tuple[str, ...] = ()
