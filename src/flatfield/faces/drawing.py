"""Draws sections and tables on a terminal as wide as it is, or as plain text of 80 columns or what COLUMNS says."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from flatfield.faces.fitting import GAP, columns_of, fit
from flatfield.faces.wording import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import Console
    from rich.text import Text

    from flatfield.faces.blocks import Section, Table
    from flatfield.faces.fitting import Part

WIDTH = 100
"""Lines of text are no longer, however wide the terminal is: nobody reads them well."""
PIPED_WIDTH = 80
LEAST_WIDTH = 20
FULL = "--full"
STYLES = {"S": "bold green", "A": "green", "B": "cyan", "C": "yellow", "D": "magenta", "F": "red"}
_LETTERS = re.compile(r"(?:[SABCDF·] )+[SABCDF·]|[SABCDF](?=$| \(| · )|[SABCDF] → [SABCDF]")


def open_console(*, stderr: bool = False) -> Console:
    """A console as wide as the terminal; where there is none, plain text of 80 columns or what COLUMNS says."""
    from rich.console import Console

    made = Console(stderr=stderr, highlight=False, emoji=False, markup=False)
    wanted = os.environ.get("COLUMNS", "")
    width = int(wanted) if wanted.isdecimal() and int(wanted) else made.width if made.is_terminal else PIPED_WIDTH
    return Console(stderr=stderr, highlight=False, emoji=False, markup=False, width=max(width, LEAST_WIDTH))


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


def draw(section: Section, console: Console, *, full: bool = False, more: str = FULL) -> None:
    """Print a section; `full` leaves out no column of its tables, `more` says where columns are that are left out."""
    console.print()
    wrapped(section.title, console, style="bold")
    for paragraph in section.paragraphs:
        wrapped(paragraph, console, style="dim")
    for point in section.points:
        wrapped(point, console, first="- ", then="  ")
    for line in packed(section.items, console.width):
        say(line, console)
    for table in section.tables:
        if table.rows:
            draw_table(table, console, full=full, more=more)


def draw_table(table: Table, console: Console, *, full: bool = False, more: str = FULL) -> None:
    """Print a table: no name, no number and no line is broken by the terminal's end."""
    fitted = fit(table, console.width, full=full)
    for number, part in enumerate(fitted.parts):
        if number:
            console.print()
        for line in _drawn(part):
            console.print(line, no_wrap=True, overflow="ignore", crop=False)
    if fitted.left_out:
        wrapped(f"not shown, for want of width: {', '.join(fitted.left_out)} ({more})", console, style="dim")


def wrapped(text: str, console: Console, *, first: str = "", then: str = "", style: str = "") -> None:
    """Print text in lines that fit, the later ones behind `then`; a word that does not fit is not broken."""
    for line in _lines(f"{first}{printable(text)}", min(console.width, WIDTH), then):
        say(line, console, style)


def say(line: str, console: Console, style: str = "") -> None:
    """Print one line as it is, however long."""
    console.print(line, style=style, no_wrap=True, overflow="ignore", crop=False)


def packed(items: Iterable[str], width: int) -> Iterator[str]:
    """Short items, as many to a line as fit, none broken that fits a line."""
    line = ""
    for item in map(printable, items):
        longer = f"{line}{GAP}{item}" if line else item
        if line and columns_of(longer) > width:
            yield from _lines(line, width)
            longer = item
        line = longer
    yield from _lines(line, width)


def _lines(text: str, width: int, then: str = "") -> Iterator[str]:
    """Lines broken between words; blanks inside of them stay, and a line's end in the text is a blank."""
    line = ""
    for gap, word in re.findall(r"(\s*)(\S+)", re.sub(r"\n", " ", text.expandtabs(4))):
        if not line:
            line = f"{gap}{word}"
        elif columns_of(line) + len(gap) + columns_of(word) <= width:
            line += f"{gap}{word}"
        else:
            yield line
            line = f"{then}{word}"
    if line:
        yield line


def _drawn(part: Part) -> Iterator[Text]:
    """The lines of a table, its headings first."""
    from rich.text import Text

    yield Text(_beside(part, part.columns), style="dim")
    for row in part.rows:
        for number in range(max(map(len, row))):
            cells = tuple(lines[number] if number < len(lines) else "" for lines in row)
            line = Text(_beside(part, cells))
            start = 0
            for place, (width, cell) in enumerate(zip(part.widths, cells, strict=True)):
                pad = max(width - columns_of(cell), 0)
                _colour(line, cell, start + (pad if place in part.right else 0))
                start += len(cell) + pad + len(GAP)
            yield line


def _beside(part: Part, cells: Iterable[str]) -> str:
    """Cells side by side, each in its column; the line ends where its text ends."""
    shown = []
    for place, (width, cell) in enumerate(zip(part.widths, cells, strict=True)):
        pad = " " * max(width - columns_of(cell), 0)
        shown.append(f"{pad}{cell}" if place in part.right else f"{cell}{pad}")
    return GAP.join(shown).rstrip()


def _colour(line: Text, cell: str, start: int) -> None:
    """Give the grade letters of a cell their colours, in the line where it begins at `start`."""
    found = _LETTERS.match(cell)
    for position in range(found.end() if found else 0):
        style = STYLES.get(cell[position])
        if style:
            line.stylize(style, start + position, start + position + 1)
