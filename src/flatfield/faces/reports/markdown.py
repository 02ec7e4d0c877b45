"""The report as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.faces.reports._content import content

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flatfield.faces.reports._blocks import Section, Table
    from flatfield.records import RunResult


def render(result: RunResult) -> str:
    """The whole report."""
    return "\n".join(_lines(result)) + "\n"


def _lines(result: RunResult) -> Iterator[str]:
    yield f"# {result.run.evaluation.title}"
    yield ""
    kind = "published figures, imported" if result.run.imported else "measured"
    yield f"Run `{result.run.id}` · {len(result.run.agents)} agents · {len(result.run.tasks)} tasks · {kind}"
    for section in content(result):
        yield from _section(section)


def _section(section: Section) -> Iterator[str]:
    yield ""
    yield f"## {section.title}"
    for paragraph in section.paragraphs:
        yield from ("", paragraph)
    for table in section.tables:
        if table.rows:
            yield ""
            yield from _table(table)


def _table(table: Table) -> Iterator[str]:
    yield "| " + " | ".join(column.strip() for column in table.columns) + " |"
    yield "|" + "|".join("---:" if column in table.right else "---" for column in table.columns) + "|"
    for row in table.rows:
        yield "| " + " | ".join(_cell(text) for text in row) + " |"


def _cell(text: str) -> str:
    """A table's cell is one line in which `|` and tags are text: a model's answer must not draw the report."""
    for character, written in (("\\", "\\\\"), ("|", "\\|"), ("<", "&lt;"), ("`", "\\`"), ("\n", " "), ("\r", " ")):
        text = text.replace(character, written)
    return text
