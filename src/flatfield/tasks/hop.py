"""Reads a HOP into an Evaluation, and tells HOPs from LOPs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.records import Evaluation, LimitChanges, Limits
from flatfield.tasks import frontmatter, markdown, source

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from flatfield.records import Task


# Which limits a trial has: the task's, with those that its evaluation sets in their place.


def limits_for(task: Task, evaluation: Evaluation) -> Limits:
    """The task's limits, with those that the HOP sets in their place: a HOP says how all its tasks are run."""
    own, theirs = task.limits, evaluation.limits
    return Limits(
        turns=own.turns if theirs.turns is None else theirs.turns,
        seconds=own.seconds if theirs.seconds is None else theirs.seconds,
        output_tokens=own.output_tokens if theirs.output_tokens is None else theirs.output_tokens,
        cost_usd=own.cost_usd if theirs.cost_usd is None else theirs.cost_usd,
    )


ARGUMENTS = "$ARGUMENTS"
"""Where Claude Code puts what follows the command: in a HOP, the LOP."""


def is_evaluation(text: str) -> bool:
    """Whether a Markdown file is a HOP: `agents:` in its front matter, or `$ARGUMENTS` in its body.

    A file whose `## Variables` hold a PROMPT is a LOP, also when that prompt speaks of `$ARGUMENTS`.
    """
    part = frontmatter.split(text)
    if frontmatter.has_key(part.matter, "agents"):
        return True
    if ARGUMENTS not in text[part.body_start :]:
        return False
    return "PROMPT" not in markdown.parse(text, part.body_start, source.Findings("")).variables


def foreign_keys(text: str, path: Path) -> tuple[str, ...]:
    """Keys of a HOP's front matter that are somebody else's, and are passed over."""
    return frontmatter.foreign_keys(text, path, _READERS)


def has_own_key(text: str) -> bool:
    """Whether a file's front matter has a key of a HOP's, as far as that can be seen in one with mistakes."""
    matter = text.removeprefix("\ufeff").partition("---")[2]
    return any(frontmatter.has_key(matter.partition("\n---")[0], key) for key in _READERS if key != "title")


def says_how(evaluation: Evaluation) -> bool:
    """Whether a HOP says anything of how to evaluate; a command that only takes `$ARGUMENTS` says nothing."""
    return evaluation != Evaluation(title=evaluation.title, path=evaluation.path, body=evaluation.body)


def read_evaluation(path: Path) -> Evaluation:
    """Read one HOP; what it does not say has the defaults of Evaluation.

    Raises:
        NotFound: there is no such file.
        InvalidFiles: it has mistakes; all of them, with their lines.
    """
    return parse_evaluation(source.decode(source.read_bytes(path), str(path)), path)


def parse_evaluation(text: str, path: Path) -> Evaluation:
    """The HOP whose file, at `path`, holds this text.

    Raises:
        InvalidFiles: it has mistakes; all of them, with their lines.
    """
    found = source.Findings(str(path))
    foreign = foreign_keys(text, path)
    matter = frontmatter.read(text, found, drop=lambda key: key in frontmatter.CLAUDE_KEYS or key in foreign)
    given = source.read_map(matter, _READERS, found, what="the front matter")
    body_start = frontmatter.split(text).body_start
    title = given.pop("title", None) or markdown.parse(text, body_start, source.Findings("")).title or path.stem
    found.settle()
    return Evaluation(title=title, path=str(path.absolute()), body=text[body_start:], **given)


_READERS: dict[str, source.NodeReader] = {
    "title": source.text(),
    "agents": source.texts(single=True, empty=False),
    "repeats": source.integer(1),
    "seed": source.integer(0),
    "jobs": source.integer(1),
    "limits": source.nested(source.LIMITS, LimitChanges),
    "budget_usd": source.number(above=0),
    "budget_ignores": source.texts(single=True),
    "budget_seconds": source.number(above=0),
    "judge": source.texts(single=True, empty=False),
    "judge_weight": source.number(least=0, most=1),
    "weights": source.weights,
    "names": source.choice("neutral", "actual"),
}


def readers() -> Mapping[str, source.NodeReader]:
    """What a HOP's front matter may hold."""
    return _READERS
