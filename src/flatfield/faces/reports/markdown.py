"""The report as Markdown: good as a comment, whatever the size of the run; `--full` has everything."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec.structs import replace

from flatfield.faces.advice import counted
from flatfield.faces.reports._content import First, Shown, cut, first, folded, rest
from flatfield.faces.reports._escape import markdown
from flatfield.faces.wording import beginning
from flatfield.records import ReportTraits

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flatfield.faces.blocks import Section, Table
    from flatfield.records import RunResult

MOST_LINES = 60
MOST = Shown(points=9, agents=10, letters=10, failed=8, tasks=12, notes=4, beside=12)
SMALLER = (
    ("notes", 2), ("failed", 5), ("letters", 8), ("failed", 3), ("letters", 5), ("notes", 0), ("agents", 8),
    ("letters", 3), ("agents", 5), ("points", 7), ("failed", 1), ("letters", 1), ("agents", 3), ("points", 3),
)  # fmt: skip
"""What gives room, in this order, until the report fits."""
HOP = {"Letters by Task": "Results Summary", "What Failed and Why": "Agent Responses"}
"""What the evaluation's response format calls a section."""
TRAITS = ReportTraits(media_type="text/markdown", is_prose=True)


def render(result: RunResult) -> str:
    """The whole report."""
    others = rest(result)
    inside = [line for section in others for line in _section(section)]
    lines = (
        *_opening(result, cut(first(result, Shown(beside=MOST.beside)), Shown()).sections),
        *_folded(_named(others), inside),
    )
    return "\n".join(lines) + "\n"


def brief(result: RunResult) -> str:
    """The report in at most 60 lines, whatever the size of the run."""
    found = first(result, MOST)
    room, lines = MOST, _brief(result, found, MOST)
    for name, least in SMALLER:
        while len(lines) > MOST_LINES and getattr(room, name) > least:
            room = replace(room, **{name: getattr(room, name) - 1})
            lines = _brief(result, found, room)
    return "\n".join(lines) + "\n"


def _brief(result: RunResult, found: First, room: Shown) -> list[str]:
    others = folded(result, room)
    inside = [line for section in others for line in _section(section)]
    more = f"Everything else (each trial, each task, what every agent received): `{_command(result)}`"
    return [*_opening(result, cut(found, room).sections), *_folded(_named(others), [*inside, "", more])]


def _command(result: RunResult) -> str:
    return f"flatfield report {result.run.id} --format markdown --full > report.md"


def shorter(text: str, characters: int) -> str:
    """The report without its longest sections, as many of them as must go; each leaves its heading."""
    head, *sections = re.split(r"(?m)^(?=## )", text)
    for section in sorted(sections, key=len, reverse=True):
        if len(head) + sum(map(len, sections)) <= characters:
            break
        title = section.split("\n", 1)[0]
        sections[sections.index(section)] = f"{title}\n\n(left out here; the resource has it)\n\n"
    return beginning(head + "".join(sections), characters)


def _opening(result: RunResult, sections: Sequence[Section]) -> Iterator[str]:
    """What is seen at once."""
    yield f"# {markdown(result.run.evaluation.title)}"
    yield ""
    kind = f" · imported from {markdown(result.run.origin)}" if result.run.imported else ""
    yield f"Run `{result.run.id}` · {counted(result)}{kind}"
    for number, section in enumerate(sections):
        yield from _section(section, bold=not number)


def _folded(named: str, lines: Sequence[str]) -> Iterator[str]:
    """What is seen when somebody opens it; Markdown inside needs an empty line before it."""
    yield from ("", "<details>", f"<summary>{named}</summary>")
    yield from lines
    yield from ("", "</details>")


def _named(sections: Sequence[Section]) -> str:
    return ", ".join(markdown(section.title) for section in sections)


def _section(section: Section, *, bold: bool = False) -> Iterator[str]:
    """Headings have their text right below them: it reads the same, and leaves room."""
    yield from ("", f"## {markdown(HOP.get(section.title, section.title))}")
    text = [markdown(paragraph) for paragraph in section.paragraphs]
    text = [f"**{paragraph}**" for paragraph in text] if bold else text
    if section.items:
        text = [*text[:-1], " ".join([*text[-1:], f"{', '.join(map(markdown, section.items))}."])]
    for number, paragraph in enumerate(text):
        yield from ("", paragraph) if number else (paragraph,)
    yield from _points(section.points, apart=bool(text))
    for number, table in enumerate(each for each in section.tables if each.rows):
        if number or text or section.points:
            yield ""
        yield from _table(table)
    yield from _points(section.after, apart=True)


def _points(points: Sequence[str], *, apart: bool) -> Iterator[str]:
    if points:
        yield from ("",) if apart else ()
        yield from (f"- {markdown(point)}" for point in points)


def _table(table: Table) -> Iterator[str]:
    yield _row(column.strip() for column in table.columns)
    yield "|" + "|".join("---:" if column in table.right else "---" for column in table.columns) + "|"
    yield from (_row(row) for row in table.rows)


def _row(cells: Iterator[str] | tuple[str, ...]) -> str:
    return "| " + " | ".join(markdown(cell) for cell in cells) + " |"
