"""What checking a judge showed, as sections of text and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.faces.blocks import Section, Table
from flatfield.faces.wording import UNKNOWN, dollars, many, one_line, seconds
from flatfield.scoring.judge.fitness import confusion
from flatfield.scoring.judge.reply import LETTERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flatfield.runs.verdicts.fitness import Examination
    from flatfield.scoring.judge.fitness import Fitness
    from flatfield.scoring.judge.labelled_set import LabelledSet

WORST = 6


def fitness_sections(found: Examination, figures: Fitness, cases: LabelledSet) -> tuple[Section, ...]:
    """Where it errs, by letter and by kind of trial; what it took; the conditions of passing, last."""
    return (_letters(found), _kinds(figures), *_errors(found, cases), _conditions(found, figures))


def _letters(found: Examination) -> Section:
    counted = confusion(found.outcomes)
    columns = ("known", *LETTERS, "none")
    given = (*LETTERS, None)
    rows = tuple((wanted, *(str(counted.get((wanted, each), "·")) for each in given)) for wanted in LETTERS)
    text = "Known letters down, given letters across; right are those on the diagonal."
    return Section(
        title="Letters", paragraphs=(text,), tables=(Table(columns=columns, rows=rows, right=frozenset(columns[1:])),)
    )


def _kinds(figures: Fitness) -> Section:
    columns = ("kind of trial", "n", "exact", "within one", "bias")
    rows = tuple(
        (
            each.category,
            str(each.n),
            f"{each.exact}/{each.n}",
            f"{each.within_one}/{each.n}",
            UNKNOWN if each.bias is None else f"{each.bias:+.1f}",
        )
        for each in figures.categories
    )
    return Section(
        title="Where it errs",
        paragraphs=("Bias: letters too kind (+) or too strict (−) on average.",),
        tables=(Table(columns=columns, rows=rows, right=frozenset(columns[1:])),),
    )


def _errors(found: Examination, cases: LabelledSet) -> Iterator[Section]:
    """The errors of two letters and more, with what is right."""
    why = {case.id: case.why for case in cases.cases}
    wrong = [
        (abs(LETTERS.index(each.letter) - LETTERS.index(each.wanted)), each)
        for each in found.outcomes
        if each.letter is not None
    ]
    worst = sorted((pair for pair in wrong if pair[0] >= 2), key=lambda pair: (-pair[0], pair[1].case))
    if worst:
        points = tuple(
            f"{each.case.partition('/')[0]} ({each.category}): {each.letter}, known is {each.wanted}."
            f" It says: {one_line(each.reason, 150)} Right is: {why.get(each.case, UNKNOWN)}"
            for _, each in worst[:WORST]
        )
        more = len(worst) - len(points)
        yield Section(
            title="Worst errors", points=(*points, *([f"and {more} more of two letters or more"] if more else []))
        )


def _conditions(found: Examination, figures: Fitness) -> Section:
    columns = ("", "condition", "found")
    rows = tuple(("ok" if each.holds else "FAILS", each.name, each.found) for each in figures.criteria)
    paragraph = (
        f"{many(figures.n, 'trial')} of {figures.total} judged, {figures.answered} with a letter, {figures.quoted} with"
        f" a quote that was found; model time {seconds(figures.seconds)}, cost {dollars(figures.cost_usd)};"
        f" last {found.checked_at or 'now'}."
    )
    table = Table(columns=columns, rows=rows, fold=frozenset({"condition", "found"}))
    return Section(title=f"Is {found.agent} fit to judge?", paragraphs=(paragraph,), tables=(table,))
