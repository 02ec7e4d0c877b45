"""How a run is graded and what its judges are worth: sentences for the user, and what checking a judge showed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from flatfield.faces.blocks import Section, Table
from flatfield.faces.wording import UNKNOWN, dollars, many, one_line, seconds
from flatfield.machine.models import cache_folder
from flatfield.runs.judge_check import examination
from flatfield.saying import few
from flatfield.scoring.judge.fitness import confusion, labelled_set
from flatfield.scoring.judge.judge import mode_of, rubric_of
from flatfield.scoring.judge.reply import LETTERS
from flatfield.scoring.measures.performance import is_verified

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from flatfield.records import AgentConfig, Run
    from flatfield.runs.judge_check import Examination
    from flatfield.scoring.judge.fitness import Criterion, Fitness, Graded, LabelledSet, ListFitness


def grading_notes(run: Run, judges: Sequence[AgentConfig], environ: Mapping[str, str]) -> tuple[str, ...]:
    """What the user is to know of how a run is graded: what no judge grades, or what its judges are worth."""
    rubrics = [task for task in run.tasks if rubric_of(task)]
    if judges and not rubrics:
        return ("no task has a rubric, so there is nothing for the judge to grade",)
    alone = [task.id for task in rubrics if not is_verified(task)]
    if alone and not judges:
        return (f"without a judge, performance and overall are not measured on: {few(alone)}",)
    return warnings_of(run, judges, environ)


def warnings_of(run: Run, judges: Sequence[AgentConfig], environ: Mapping[str, str]) -> tuple[str, ...]:
    """A sentence for each judge that never passed the check on the labelled set that ships, as this run asks it."""
    modes = frozenset(mode_of(rubric) for rubric in map(rubric_of, run.tasks) if rubric)
    return tuple(_warnings(judges, modes, environ)) if judges else ()


def _warnings(
    judges: Sequence[AgentConfig], modes: frozenset[Literal["item", "list"]], environ: Mapping[str, str]
) -> Iterator[str]:
    cases, folder = labelled_set(), cache_folder(environ)
    for agent in judges:
        found = examination(agent, folder, cases)
        ways: list[tuple[str, Fitness | ListFitness | None]] = []
        if "item" in modes:
            ways.append(("its check", found.fitness))
        if "list" in modes:
            ways.append(("its check with lists, which rubrics that compare need", found.list_fitness))
        unknown = [check for check, figures in ways if figures is None or figures.passed is None]
        if unknown:
            yield (
                f"judge {agent.name} never passed {unknown[0]}, so nobody knows what its letters are worth:"
                f" flatfield judge check {agent.name}"
            )
        for check, figures in ways:
            if figures is not None and figures.passed is False:
                failed = next(each for each in figures.criteria if not each.holds)
                said = f"{failed.name}: {failed.found}"
                yield (
                    f"judge {agent.name} failed {check}, on {found.checked_at[:10]} ({said});"
                    " do not rely on its letters"
                )


# What checking a judge showed, as sections of text and tables.


WORST = 6


def fitness_sections(found: Examination, cases: LabelledSet) -> tuple[Section, ...]:
    """Where it errs, by letter and by kind of trial; what it took; the conditions of passing, last. Both ways."""
    sections: list[Section] = []
    if found.fitness is not None:
        sections += [_letters("Letters", found.outcomes), _kinds(found.fitness)]
        sections += [*_errors("Worst errors", found.outcomes, cases), _alone(found, found.fitness)]
    if found.list_fitness is not None:
        sections += [_letters("Letters in lists", found.listed)]
        sections += [*_errors("Worst errors in lists", found.listed, cases), _in_lists(found, found.list_fitness)]
    return tuple(sections)


def verdict(found: Examination) -> str:
    """What both ways come to, in a sentence."""
    alone, lists = found.fitness, found.list_fitness
    ways = (alone.passed if alone else None, lists.passed if lists else None)
    if ways == (True, True):
        return f"{found.agent} passed: it can be a judge."
    if ways == (False, False):
        return f"{found.agent} did not pass: its letters are not worth asking for."
    if ways == (None, None):
        done, listed = alone.n if alone else 0, lists.n if lists else 0
        return (
            f"No verdict: {done} of {found.total} trials are judged by themselves, {listed} of {found.lists_total} in"
            " lists."
        )
    said = {True: "passed", False: "did not pass", None: "no verdict yet"}
    return (
        f"{found.agent}, trials by themselves: {said[ways[0]]}; in lists, as rubrics that compare are judged:"
        f" {said[ways[1]]}."
    )


def _letters(title: str, outcomes: Sequence[Graded]) -> Section:
    counted = confusion(outcomes)
    columns = ("known", *LETTERS, "none")
    given = (*LETTERS, None)
    rows = tuple((wanted, *(str(counted.get((wanted, each), "·")) for each in given)) for wanted in LETTERS)
    text = "Known letters down, given letters across; right are those on the diagonal."
    return Section(
        title=title, paragraphs=(text,), tables=(Table(columns=columns, rows=rows, right=frozenset(columns[1:])),)
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


def _errors(title: str, outcomes: Sequence[Graded], cases: LabelledSet) -> Iterator[Section]:
    """The errors of two letters and more, with what is right."""
    why = {case.id: case.why for case in cases.cases}
    wrong = [
        (abs(LETTERS.index(each.letter) - LETTERS.index(each.wanted)), each)
        for each in outcomes
        if each.letter is not None
    ]
    worst = sorted((pair for pair in wrong if pair[0] >= 2), key=lambda pair: (-pair[0], pair[1].case))
    if worst:
        points = tuple(
            f"{each.task} ({each.category}): {each.letter}, known is {each.wanted}."
            f" It says: {one_line(each.reason, 150)} Right is: {why.get(each.case, UNKNOWN)}"
            for _, each in worst[:WORST]
        )
        more = len(worst) - len(points)
        yield Section(title=title, points=(*points, *([f"and {more} more of two letters or more"] if more else [])))


def _alone(found: Examination, figures: Fitness) -> Section:
    paragraph = (
        f"{many(figures.n, 'trial')} of {figures.total} judged, {figures.answered} with a letter, {figures.quoted} with"
        f" a quote that was found; model time {seconds(figures.seconds)}, cost {dollars(figures.cost_usd)};"
        f" last {found.checked_at or 'now'}."
    )
    return Section(
        title=f"Is {found.agent} fit to judge?", paragraphs=(paragraph,), tables=(_conditions(figures.criteria),)
    )


def _in_lists(found: Examination, figures: ListFitness) -> Section:
    paragraph = (
        f"Rubrics that compare are judged in lists: all trials of a task in one request, in two orders."
        f" {many(figures.n, 'trial')} of {figures.total} judged, {figures.both} with a letter in both orders,"
        f" {figures.quoted} with a quote that was found, {figures.exact:.0%} with the known letter,"
        f" {figures.within_one:.0%} within one; model time {seconds(figures.seconds)},"
        f" cost {dollars(figures.cost_usd)}."
    )
    return Section(
        title=f"Is {found.agent} fit to compare?", paragraphs=(paragraph,), tables=(_conditions(figures.criteria),)
    )


def _conditions(criteria: Sequence[Criterion]) -> Table:
    columns = ("", "condition", "found")
    rows = tuple(("ok" if each.holds else "FAILS", each.name, each.found) for each in criteria)
    return Table(columns=columns, rows=rows, fold=frozenset({"condition", "found"}))
