"""Draws sections and tables on a terminal as wide as it is, or as plain text of 80 columns or what COLUMNS says."""

from __future__ import annotations

import os
import re
from itertools import zip_longest
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from flatfield.faces.wording import UNKNOWN, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from rich.console import Console
    from rich.text import Text

    from flatfield.faces.blocks import Section, Table


# Fits a table into a width: names and numbers whole, text in several lines, columns left out or gone on with below.


GAP = "  "
TEXT_LEAST = 18
"""Terminal columns that text in several lines is given at least; a word of it that is longer is cut."""
LONG = 0.5
"""Text that would take more of the width than this stands below its row, where a table is shown whole and too wide."""
INDENT = "    "
CUT_LEAST = 16
NAME_SHARE, NAMES_SHARE = 0.6, 0.3
"""How much of the width a name is given at least, and each of several in a row; longer ones are cut in their middle."""
NAME_LEAST = 8
"""What of a name is left at least, where not even the names of a row fit side by side."""
ELLIPSIS = "…"


class Part(Struct, frozen=True, kw_only=True):
    """Columns side by side: their headings, widths in characters, which of them stand `right`, and each row's cells.

    A cell is its lines. `below`: lines of text under each row, where there is any.
    """

    columns: tuple[str, ...]
    widths: tuple[int, ...]
    right: frozenset[int]
    rows: tuple[tuple[tuple[str, ...], ...], ...]
    below: tuple[tuple[str, ...], ...] = ()


class Fitted(Struct, frozen=True, kw_only=True):
    """A table as it is drawn: one part, or several below one another; and the headings that are left out."""

    parts: tuple[Part, ...]
    left_out: tuple[str, ...] = ()


def fit(table: Table, width: int, *, full: bool = False) -> Fitted:
    """The table in so many terminal columns; `full` leaves none of its columns out."""
    table = _shortened(_on_lines(table))
    least = _capped(table, {column: _least(table, column) for column in table.columns}, width)
    keys, others = table.columns[: _keys(table)], table.columns[_keys(table) :]
    if full or table.whole:
        texts = [column for column in others if column in table.fold]
        beside = [column for column in table.columns if column not in texts]
        is_long = any(_natural(table, column) > width * LONG for column in texts)
        if is_long and _room(least) > width >= _room({column: least[column] for column in beside}):
            return Fitted(parts=(_text_below(table, beside, texts, width),))
        groups = list(_groups(least, keys, others, width))
        return Fitted(parts=tuple(_part(_only(table, (*keys, *group)), width) for group in groups))
    left_out = _left_out(least, [*_order(table, others)][:-1], width)
    kept = tuple(column for column in table.columns if column not in left_out)
    out = tuple(column.strip() for column in table.columns if column in left_out)
    return Fitted(parts=(_part(_only(table, kept), width),), left_out=out)


def columns_of(text: str) -> int:
    """How many columns of a terminal the text takes: wide characters two, what is put above others none."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def wrap(text: str, width: int) -> list[str]:
    """The text in lines of so many terminal columns, broken between words; a longer word is cut in its middle."""
    lines: list[str] = []
    for word in (cut_middle(word, width) for word in text.split()):
        if lines and columns_of(lines[-1]) + 1 + columns_of(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines or [""]


def cut_end(text: str, width: int) -> str:
    """The beginning of the text in so many terminal columns."""
    if columns_of(text) <= width:
        return text
    return f"{_beginning(text, width - 1).rstrip()}{ELLIPSIS}"


def cut_middle(text: str, width: int, share: float = 1 / 3) -> str:
    """Beginning and end of the text in so many terminal columns; `share` is how much of them the end has."""
    if columns_of(text) <= width:
        return text
    tail = _beginning(text[::-1], int((width - 1) * share))[::-1]
    return f"{_beginning(text, width - 1 - columns_of(tail))}{ELLIPSIS}{tail}"


def _beginning(text: str, width: int) -> str:
    if text.isascii():
        return text[: max(width, 0)]
    found = text[: max(width, 0)]
    while columns_of(found) > width:
        found = found[:-1]
    return found


def _on_lines(table: Table) -> Table:
    """Nothing in a cell is a command to a terminal or ends its line."""
    rows = tuple(tuple(" ".join(printable(cell).split()) for cell in row) for row in table.rows)
    return structs.replace(table, rows=rows)


def _only(table: Table, columns: Sequence[str]) -> Table:
    places = [table.columns.index(column) for column in columns]
    rows = tuple(tuple(row[place] for place in places) for row in table.rows)
    return structs.replace(table, columns=tuple(columns), rows=rows)


def _keys(table: Table) -> int:
    """How many columns say what a row is of: all up to the first names, and those beside them."""
    first = next((place for place, column in enumerate(table.columns) if column in table.names), 0)
    after = (place for place in range(first + 1, len(table.columns)) if table.columns[place] not in table.names)
    return next(after, len(table.columns))


def _cells(table: Table, column: str) -> Iterator[str]:
    place = table.columns.index(column)
    return (row[place] for row in table.rows)


def _natural(table: Table, column: str) -> int:
    return max(map(columns_of, (column.strip(), *_cells(table, column))))


def _least(table: Table, column: str) -> int:
    """The width that a column cannot do without."""
    heading, natural = columns_of(column.strip()), _natural(table, column)
    if column in table.names:
        return max([heading, *(columns_of(word) for cell in _cells(table, column) for word in cell.split())])
    if column in table.fold:
        longest = max((columns_of(word) for cell in _cells(table, column) for word in cell.split()), default=0)
        return max(heading, min(longest, TEXT_LEAST))
    return max(heading, min(natural, CUT_LEAST)) if column in table.cut else natural


def _capped(table: Table, least: Mapping[str, int], width: int) -> Mapping[str, int]:
    """Very long names do with a share of the width, so that there is more to see than these."""
    keys = table.columns[: _keys(table)]
    long = [column for column in table.columns if column in table.names and least[column] > width * NAMES_SHARE]
    is_alone = sum(column in keys for column in long) == 1
    share = {column: NAME_SHARE if column in keys and is_alone else NAMES_SHARE for column in long}
    return {column: min(needs, int(width * share.get(column, 1))) for column, needs in least.items()}


def _room(widths: Mapping[str, int]) -> int:
    return sum(widths.values()) + len(GAP) * (len(widths) - 1)


def _order(table: Table, others: Sequence[str]) -> Iterator[str]:
    """The columns in the order in which they can go, first of all those that know nothing of any row."""
    empty = [column for column in others if set(_cells(table, column)) <= {UNKNOWN, ""}]
    named = [*empty, *(column for column in table.drop if column in others and column not in empty)]
    yield from named
    yield from (column for column in reversed(others) if column not in named)


def _left_out(least: Mapping[str, int], order: Sequence[str], width: int) -> set[str]:
    """The columns that go, the least important first; of these the most important come back where there is room."""
    gone: list[str] = []

    def fits(left_out: Sequence[str]) -> bool:
        return _room({column: needs for column, needs in least.items() if column not in left_out}) <= width

    for column in order:
        if fits(gone):
            break
        gone.append(column)
    for column in reversed(gone):
        without = [each for each in gone if each != column]
        if fits(without):
            gone = without
    return set(gone)


def _groups(
    least: Mapping[str, int], keys: Sequence[str], others: Sequence[str], width: int
) -> Iterator[Sequence[str]]:
    """The columns that stand side by side, each time behind the keys; of nearly equal number."""
    for count in range(1, max(len(others), 1) + 1):
        size = -(-len(others) // count) or 1
        groups = [others[start : start + size] for start in range(0, len(others), size)] or [()]
        if all(_room({column: least[column] for column in (*keys, *group)}) <= width for group in groups):
            break
    yield from groups


def _part(table: Table, width: int) -> Part:
    widths = dict(zip(table.columns, _widths(table, width), strict=True))
    names = {
        column: _cut_names(list(_cells(table, column)), widths[column])
        for column in table.columns
        if column in table.names
    }

    def lines(column: str, cell: str) -> tuple[str, ...]:
        if column in names:
            cell = _renamed(cell, names[column])
        if column in table.cut:
            return (cut_end(cell, widths[column]),)
        return tuple(wrap(cell, widths[column])) if column in table.fold or column in names else (cell,)

    return Part(
        columns=tuple(column.strip() for column in table.columns),
        widths=tuple(widths.values()),
        right=frozenset(place for place, column in enumerate(table.columns) if column in table.right),
        rows=tuple(tuple(map(lines, table.columns, row)) for row in table.rows),
    )


def _text_below(table: Table, beside: Sequence[str], texts: Sequence[str], width: int) -> Part:
    """Each row on its line, and below it the texts that have no room beside it, each behind its heading."""
    places = [(column.strip(), table.columns.index(column)) for column in texts]
    below = (
        (f"{name}: {row[place]}" for name, place in places if row[place] not in {"", UNKNOWN}) for row in table.rows
    )
    lines = tuple(
        tuple(f"{INDENT}{line}" for text in said for line in wrap(text, width - len(INDENT))) for said in below
    )
    return structs.replace(_part(_only(table, beside), width), below=lines)


def _widths(table: Table, width: int) -> list[int]:
    """As wide as they are; where that is too much, text becomes narrower, and in the end names do."""
    natural = [_natural(table, column) for column in table.columns]
    widths = list(_capped(table, {column: _least(table, column) for column in table.columns}, width).values())
    room = width - len(GAP) * (len(widths) - 1)
    names = [place for place, column in enumerate(table.columns) if column in table.names]
    while sum(widths) > room and (wide := [place for place in names if widths[place] > NAME_LEAST]):
        widths[max(wide, key=widths.__getitem__)] -= 1
    while sum(widths) < room and (narrow := [place for place, most in enumerate(natural) if widths[place] < most]):
        widths[min(narrow, key=widths.__getitem__)] += 1
    return widths


def _renamed(cell: str, names: Mapping[str, str]) -> str:
    """A cell of one name or several, with commas between them, under other names."""
    return " ".join(names.get(word.rstrip(","), word.rstrip(",")) + "," * word.endswith(",") for word in cell.split())


def _cut_names(cells: Sequence[str], width: int) -> Mapping[str, str]:
    """Names that are wider, cut in their middle so that no two of them look alike."""
    words = list(dict.fromkeys(word.rstrip(",") for cell in cells for word in cell.split()))
    width -= any("," in cell for cell in cells)
    if all(columns_of(word) <= width for word in words):
        return {}
    for share in (1 / 3, 1 / 2, 2 / 3, 1 / 6, 5 / 6, 0.0, 1.0):
        found = {word: cut_middle(word, width, share) for word in words}
        if len(set(found.values())) == len(found):
            return found
    return {word: cut_middle(word, width) for word in words}


def _shortened(table: Table) -> Table:
    """Agents written as PROVIDER:MODEL@HOST, by their model where that says which one is meant."""
    from flatfield.tasks.agents import short_names

    places = [place for place, column in enumerate(table.columns) if column in table.names]
    words = dict.fromkeys(word.rstrip(",") for row in table.rows for place in places for word in row[place].split())
    short = short_names(words)
    rows = tuple(
        tuple(_renamed(cell, short) if place in places else cell for place, cell in enumerate(row))
        for row in table.rows
    )
    return structs.replace(table, rows=rows)


WIDTH = 100
"""Lines of text are no longer, however wide the terminal is: nobody reads them well."""
PIPED_WIDTH = 80
LEAST_WIDTH = 20
FULL = "--full"
STYLES = {"S": "bold green", "A": "green", "B": "cyan", "C": "yellow", "D": "magenta", "F": "red"}
_WORDS = re.compile(r"(\s*)(\S*\d (?:s|min|h)\b(?: \d+ (?:s|min|h)\b)?\S*|\S+)")
"""Words; an amount of time is one, `2 min 31 s`."""
_SHELL_WORDS = re.compile(r"""(?:[^\s'"\\]|\\.|'[^']*'|"(?:\\.|[^"\\])*")+""")
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
    for line in _commands(section, min(console.width, WIDTH)):
        say(line, console)
    for line in packed(section.items, console.width):
        say(line, console)
    for number, table in enumerate(each for each in section.tables if each.rows):
        if number and full:
            console.print()
        draw_table(table, console, full=full, more=more)
    for point in section.after:
        wrapped(point, console, style="dim")


def _commands(section: Section, width: int) -> Iterator[str]:
    """Each on the line of what it is for, or below it, broken between a shell's words where a shell goes on reading."""
    for what, command in ((printable(what), printable(command)) for what, command in section.commands):
        whole = f"- {what}: {command}"
        if columns_of(whole) <= width:
            yield whole
            continue
        yield from _lines(f"- {what}:", width, "  ")
        line = "   "
        for word in _SHELL_WORDS.findall(command):
            if line.strip() and columns_of(line) + 1 + columns_of(word) + len(" \\") > width:
                yield f"{line} \\"
                line = "     "
            line += f" {word}"
        yield line


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
    for gap, word in _WORDS.findall(re.sub(r"\n", " ", text.expandtabs(4))):
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
    for row, below in zip_longest(part.rows, part.below, fillvalue=()):
        for number in range(max(map(len, row))):
            cells = tuple(lines[number] if number < len(lines) else "" for lines in row)
            line = Text(_beside(part, cells))
            start = 0
            for place, (width, cell) in enumerate(zip(part.widths, cells, strict=True)):
                pad = max(width - columns_of(cell), 0)
                _colour(line, cell, start + (pad if place in part.right else 0))
                start += len(cell) + pad + len(GAP)
            yield line
        yield from (Text(line, style="dim") for line in below)


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
