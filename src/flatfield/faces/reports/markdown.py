"""The report as Markdown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from flatfield.faces.advice import counted
from flatfield.faces.reports._content import in_brief, whole
from flatfield.faces.reports._escape import markdown
from flatfield.faces.wording import beginning
from flatfield.records import ReportTraits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flatfield.faces.blocks import Section, Table
    from flatfield.records import RunResult

MOST_LINES = 60
TRAITS = ReportTraits(media_type="text/markdown", is_prose=True)


def render(result: RunResult) -> str:
    """The whole report."""
    return "\n".join(_lines(result)) + "\n"


def brief(result: RunResult) -> str:
    """The report in at most 60 lines, whatever the size of the run: good as a comment. A small run's is the whole."""
    if len(result.trials) <= MOST_LINES:
        text = render(result)
        if text.count("\n") <= MOST_LINES:
            return text
    return "\n".join((*_head(result), *(line for section in in_brief(result) for line in _section(section)))) + "\n"


def shorter(text: str, characters: int) -> str:
    """The report without its longest sections, as many of them as must go; each leaves its heading."""
    head, *sections = re.split(r"(?m)^(?=## )", text)
    for section in sorted(sections, key=len, reverse=True):
        if len(head) + sum(map(len, sections)) <= characters:
            break
        title = section.split("\n", 1)[0]
        sections[sections.index(section)] = f"{title}\n\n(left out here; the resource has it)\n\n"
    return beginning(head + "".join(sections), characters)


def _lines(result: RunResult) -> Iterator[str]:
    yield from _head(result)
    for section in whole(result):
        yield from _section(section)


def _head(result: RunResult) -> Iterator[str]:
    yield f"# {markdown(result.run.evaluation.title)}"
    yield ""
    kind = f" · imported from {markdown(result.run.origin)}" if result.run.imported else ""
    yield f"Run `{result.run.id}` · {counted(result)}{kind}"


def _section(section: Section) -> Iterator[str]:
    yield from ("", f"## {markdown(section.title)}")
    for paragraph in section.paragraphs:
        yield from ("", markdown(paragraph))
    for listed in (section.points, section.items):
        if listed:
            yield ""
            yield from (f"- {markdown(entry)}" for entry in listed)
    for table in section.tables:
        if table.rows:
            yield ""
            yield from _table(table)


def _table(table: Table) -> Iterator[str]:
    yield _row(column.strip() for column in table.columns)
    yield "|" + "|".join("---:" if column in table.right else "---" for column in table.columns) + "|"
    yield from (_row(row) for row in table.rows)


def _row(cells: Iterator[str] | tuple[str, ...]) -> str:
    return "| " + " | ".join(markdown(cell) for cell in cells) + " |"
