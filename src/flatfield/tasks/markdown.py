"""The structure of a Markdown prompt: title, sections, variables and agent lines, cut from the source unchanged."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from functools import cache
from itertools import zip_longest
from typing import TYPE_CHECKING

from flatfield.tasks.source import Findings, Lines, closest, lettered

if TYPE_CHECKING:
    from markdown_it import MarkdownIt


SECTIONS = ("Instructions", "Variables", "Agents", "Expected Output", "Grading rubric")
"""The `##` headings that mean something in a LOP; case does not count."""

_BY_NAME = {name.lower(): name for name in SECTIONS}
_OPENER = re.compile(r'([A-Z][A-Z0-9_]*): "')
_HEADING = re.compile(r"##[ \t]+(.*?)[ \t]*#*[ \t]*")
_FENCE = re.compile(r"[ \t]*(?:(`{3,})[^`]*|(~{3,}).*)")
_AGENT = re.compile(r"\s*(?:[-*+][ \t]+)?@agent-([^\W_][\w.:+-]*)[ \t]+PROMPT[ \t]*")
_ALMOST_AGENT = re.compile(r"\s*(?:[-*+][ \t]+)?@(?:agent-|nano-agent-)\S*.*")


@dataclass(frozen=True, slots=True)
class Variable:
    """One `NAME: "value"` below `## Variables`; `line` counts from 1; value None when it is never closed."""

    name: str
    value: str | None
    line: int


@dataclass(frozen=True, slots=True)
class PromptSection:
    """What stands below one of the known headings; `line` (from 1) is the heading's."""

    name: str
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Prompt:
    """A Markdown body taken apart; `others` are second-level headings that mean nothing here, with their lines."""

    title: str = ""
    sections: dict[str, PromptSection] = field(default_factory=dict)
    variables: dict[str, Variable] = field(default_factory=dict)
    others: tuple[tuple[str, int], ...] = ()

    def text(self, section: str) -> str:
        """The text of a section without the blank lines around it, "" when it is not there."""
        return self.sections[section].text.strip() if section in self.sections else ""


@dataclass(frozen=True, slots=True)
class _Heading:
    index: int
    level: int
    title: str

    @property
    def name(self) -> str | None:
        return _known(self.title) if self.level == 2 else None


def parse(text: str, body_start: int, found: Findings) -> Prompt:
    """Take the body of a file apart, which starts at offset `body_start`; mistakes go into `found`.

    Values may hold anything (open fences, headings, HTML), so markdown-it sees only the text before and behind them.
    """
    lines = Lines.of(text)
    first = lines.number(body_start) - 1 if body_start < len(text) else len(lines)
    headings = _headings(lines, first)
    variables: dict[str, Variable] = {}
    split = next((heading for heading in headings if heading.name == "Variables"), None)
    if split is not None:
        end = _variables(lines, split.index + 1, variables, found)
        before = [heading for heading in headings if heading.index <= split.index]
        headings = [*before, *_headings(lines, end)]
    return Prompt(
        title=next((heading.title for heading in headings if heading.level == 1), ""),
        sections=_sections(lines, headings, found),
        variables=variables,
        others=tuple((h.title, h.index + 1) for h in headings if h.level == 2 and h.name is None),
    )


def agent_lines(section: PromptSection, found: Findings) -> tuple[str, ...]:
    """The names in the `@agent-NAME PROMPT` lines of a section, in order; fenced code and comments do not count."""
    lines = Lines.of(section.text)
    hidden: set[int] = set()
    for token in _parser().parse(section.text):
        if token.type in {"fence", "html_block"} and token.map:
            hidden.update(range(*token.map))
    names: list[str] = []
    for index in sorted(set(range(len(lines))) - hidden):
        line = lines.line(index)
        match = _AGENT.fullmatch(lettered(line))
        if match:
            names.append(unicodedata.normalize("NFC", line[match.start(1) : match.end(1)]))
        elif _ALMOST_AGENT.fullmatch(line):
            number = section.line + 1 + index
            found.add(number, f"{line.strip()!r} is not an agent's line", "write `@agent-NAME PROMPT`, nothing else")
    return tuple(names)


def suggest_sections(prompt: Prompt, found: Findings) -> None:
    """Point out headings that were probably meant to be one of the known ones."""
    missing = [name for name in SECTIONS if name not in prompt.sections]
    for title, line in prompt.others:
        close = closest(title, missing)
        if close:
            found.add(line, f"`## {title}` is not a heading that a LOP has", f"did you mean `## {close}`?")


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    # Setext headings would make `---` below a line of a prompt a heading; inline text is never needed.
    return MarkdownIt("commonmark").disable(["inline", "lheading", "reference"])


def _headings(lines: Lines, first: int) -> list[_Heading]:
    """The top-level ATX headings from line `first` (from 0) on."""
    tokens = _parser().parse(lines.text[lines.start(first) :])
    return [
        _Heading(first + token.map[0], len(token.markup), _clean(tokens[index + 1].content))
        for index, token in enumerate(tokens)
        if token.type == "heading_open" and token.level == 0 and token.map
    ]


def _clean(title: str) -> str:
    return " ".join(title.split())


def _known(title: str) -> str | None:
    return _BY_NAME.get(_clean(title).rstrip(":").lower())


def _sections(lines: Lines, headings: list[_Heading], found: Findings) -> dict[str, PromptSection]:
    sections: dict[str, PromptSection] = {}
    parts = [heading for heading in headings if heading.level <= 2]
    for heading, following in zip_longest(parts, parts[1:]):
        name = heading.name
        if name is None:
            continue
        if name in sections:
            found.add(heading.index + 1, f"`## {name}` stands twice", f"keep one (see line {sections[name].line})")
            continue
        end = lines.start(following.index) if following else len(lines.text)
        sections[name] = PromptSection(name, lines.text[lines.start(heading.index + 1) : end], heading.index + 1)
    return sections


def _variables(lines: Lines, index: int, into: dict[str, Variable], found: Findings) -> int:
    """Read values from line `index` on; returns the line (from 0) of the heading that ends them, or the line count."""
    while index < len(lines) and not _is_section(lines.line(index)):
        opener = _OPENER.match(lines.line(index))
        if opener is None:
            index += 1
            continue
        name = opener.group(1)
        stop, end = _extent(lines, index, len(opener.group()))
        if end is None:
            found.add(index + 1, f"the value of {name} is never closed", 'end its last line with `"`')
        elif name in into:
            found.add(index + 1, f"{name} stands twice", f"keep one (see line {into[name].line})")
        if name not in into:
            start = lines.start(index) + len(opener.group())
            into[name] = Variable(name, None if end is None else lines.text[start:end], index + 1)
        index = stop
    return index


def _extent(lines: Lines, first: int, skip: int) -> tuple[int, int | None]:
    """Where the value that opens on line `first` stops: the next stop's line, and its closing quote's offset.

    Stops inside a fence of the value do not count; but a fence that is still open where the value ends is none, and
    then they do.
    """
    fenced = _fenced(lines, first, skip)
    stops = [index for index in range(first + 1, len(lines)) if _is_stop(lines.line(index))]
    stop = next((index for index in stops if index not in fenced), len(lines))
    end = _closing_quote(lines, first, skip, stop)
    if end is None or fenced.get(lines.number(end) - 1, False):
        stop = stops[0] if stops else len(lines)
        end = _closing_quote(lines, first, skip, stop)
    return stop, end


def _closing_quote(lines: Lines, first: int, skip: int, stop: int) -> int | None:
    """The offset of the last `"` that closes a line before line `stop`."""
    for index in range(stop - 1, first - 1, -1):
        line = lines.line(index).rstrip(" \t")
        if line.endswith('"') and (index > first or len(line) > skip):
            return lines.start(index) + len(line) - 1
    return None


def _fenced(lines: Lines, first: int, skip: int) -> dict[int, bool]:
    """The lines from `first` on that belong to a fence, and whether the fence is still open behind each.

    A closing fence may carry the value's closing quote, which CommonMark would not take as a closing fence. When one
    fence seems to open inside another, the first was never meant as a fence, and nothing counts as fenced.
    """
    fenced: dict[int, bool] = {}
    marker = ""
    for index in range(first, len(lines)):
        line = lines.line(index)[skip if index == first else 0 :]
        if marker:
            bare = line.strip().removesuffix('"').rstrip()
            closes = len(bare) >= len(marker) and set(bare) == {marker[0]}
            if not closes and _opens_with_info(line, marker):
                return {}
            fenced[index] = not closes
            marker = "" if closes else marker
            continue
        match = _FENCE.fullmatch(line)
        if match:
            marker = match.group(1) or match.group(2)
            fenced[index] = True
    return fenced


def _opens_with_info(line: str, marker: str) -> bool:
    match = _FENCE.fullmatch(line)
    return match is not None and line.strip().startswith(marker) and line.strip(" \t`~") != ""


def _is_stop(line: str) -> bool:
    return _OPENER.match(line) is not None or _is_section(line)


def _is_section(line: str) -> bool:
    match = _HEADING.fullmatch(line)
    return match is not None and _known(match.group(1)) is not None
