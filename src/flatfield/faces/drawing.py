"""Draws sections and tables on a terminal, or as plain text of at most 100 columns."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

from flatfield.faces.wording import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    from flatfield.faces.blocks import Section, Table

WIDTH = 100
GAP = "  "
NAMES = frozenset({"agent", "agents", "control", "set by", "set by "})
"""Columns that hold agents' names, which may end in `@HOST:PORT`."""
STYLES = {"S": "bold green", "A": "green", "B": "cyan", "C": "yellow", "D": "magenta", "F": "red"}
_LETTERS = re.compile(r"(?:[SABCDF·] )+[SABCDF·]|[SABCDF](?=$| \(| · )|[SABCDF] → [SABCDF]")


def open_console(*, stderr: bool = False) -> Console:
    """A console of at most 100 columns; plain text when piped."""
    from rich.console import Console

    made = Console(stderr=stderr, highlight=False, emoji=False, markup=False)
    if not made.is_terminal or made.width > WIDTH:
        made = Console(stderr=stderr, highlight=False, emoji=False, markup=False, width=WIDTH)
    return made


def plain_console(width: int = WIDTH) -> Console:
    """A console that draws plain text, for `capture`."""
    from rich.console import Console

    return Console(
        width=width,
        force_terminal=False,
        color_system=None,
        highlight=False,
        emoji=False,
        markup=False,
        legacy_windows=False,
    )


def draw(section: Section, console: Console) -> None:
    """Print a section."""
    console.print()
    console.print(printable(section.title), style="bold")
    for paragraph in section.paragraphs:
        wrapped(paragraph, console, style="dim")
    for point in section.points:
        wrapped(point, console, first="- ", then="  ")
    for line in packed(section.items, console.width):
        say(line, console)
    for table in section.tables:
        if table.rows:
            draw_table(table, console)


def draw_table(table: Table, console: Console) -> None:
    """Print a table; in plain text, lines end where their text ends."""
    if console.is_terminal:
        console.print(rich_table(table, console.width))
        return
    plain = plain_console(console.width)
    with plain.capture() as capture:
        plain.print(rich_table(table, console.width))
    for line in capture.get().splitlines():
        say(line.rstrip(), console)


def wrapped(text: str, console: Console, *, first: str = "", then: str = "", style: str = "") -> None:
    """Print text in lines that fit, the later ones behind `then`; a word that does not fit is not broken."""
    for line in _lines(f"{first}{printable(text)}", console.width, then):
        say(line, console, style)


def say(line: str, console: Console, style: str = "") -> None:
    """Print one line as it is, however long."""
    console.print(line, style=style, no_wrap=True, overflow="ignore", crop=False)


def packed(items: Iterable[str], width: int) -> Iterator[str]:
    """Short items, as many to a line as fit, none broken that fits a line."""
    line = ""
    for item in map(printable, items):
        longer = f"{line}{GAP}{item}" if line else item
        if line and len(longer) > width:
            yield from _lines(line, width)
            longer = item
        line = longer
    yield from _lines(line, width)


def _lines(text: str, width: int, then: str = "") -> list[str]:
    return textwrap.wrap(
        text, width=width, subsequent_indent=then, break_long_words=False, break_on_hyphens=False, tabsize=4
    )


def rich_table(table: Table, width: int) -> RichTable:
    """The table as rich draws it: only the columns that may fold do, agents' names at their `@` first."""
    from rich.table import Table as RichTable

    drawn = RichTable(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in table.columns:
        drawn.add_column(
            printable(column.strip()),
            justify="right" if column in table.right else "left",
            overflow="fold",
            no_wrap=column not in table.fold,
        )
    tight = _natural_width(table) > width
    for row in table.rows:
        cells = zip(table.columns, row, strict=True)
        drawn.add_row(*(_lettered(cell.replace("@", "\n@") if tight and c in NAMES else cell) for c, cell in cells))
    return drawn


def _natural_width(table: Table) -> int:
    columns = zip(table.columns, *table.rows, strict=True)
    return sum(max(map(len, cells)) + len(GAP) for cells in columns) - len(GAP)


def _lettered(cell: str) -> Text:
    """A cell's text, its grade letters in their colours."""
    from rich.text import Text

    text = Text(printable(cell))
    found = _LETTERS.match(text.plain)
    for position in range(found.end() if found else 0):
        style = STYLES.get(text.plain[position])
        if style:
            text.stylize(style, position, position + 1)
    return text
