"""How far the judges' letters can be trusted: one row a judge, and what is behind it in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.faces.blocks import Section, Table
from flatfield.faces.wording import UNKNOWN, count, dollars, many

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flatfield.records import RunResult
    from flatfield.scoring.judge.reliability import JudgeFigures, Trust, TrustFigure

MOVED_SHOWN = 5


def judging(result: RunResult) -> tuple[Section, ...]:
    """One section, or none where nobody judged."""
    from flatfield.scoring.judge.reliability import (
        trust,  # it needs numpy, which asking for the traits of formats does not
    )

    found = trust(result)
    if found is None:
        return ()
    return (
        Section(
            title="How Far the Judges Can Be Trusted",
            paragraphs=(_text(result),),
            points=tuple(_points(found)),
            tables=(_table(found),),
        ),
    )


def _text(result: RunResult) -> str:
    counting = f" Of several panels the last counts: {', '.join(result.run.panel)}." if result.run.panel else ""
    return (
        "Graded: verdicts with a letter. Quoted: those whose evidence was found in the work. Agrees: its letters with"
        " those of the verifiers' scores, as weighted kappa (Cohen 1968, quadratic); 1 is full agreement, 0 what chance"
        " gives. Likes length: Spearman's correlation of its scores with the characters that the trial wrote; far from"
        " 0, it may grade length, or longer work may be better. Same again: trials that it judged one by one more than"
        f" once and gave the same letter each time.{counting}"
    )


def _table(found: Trust) -> Table:
    columns = ("judge", "graded", "quoted", "agrees", "likes length", "same again", "cost")
    rows = tuple(
        (
            each.judge,
            f"{each.letters}/{each.verdicts}",
            f"{each.quoted}/{each.verdicts}",
            _estimate(each.verifiers),
            _estimate(each.verbosity),
            _share(each.stability),
            dollars(each.cost_usd),
        )
        for each in found.judges
    )
    return Table(
        columns=columns,
        rows=rows,
        right=frozenset({"graded", "quoted", "cost"}),
        names=frozenset({"judge"}),
        drop=("likes length", "quoted", "same again"),
    )


def _estimate(figure: TrustFigure) -> str:
    if figure.value is None:
        return f"{UNKNOWN} (n={figure.n})"
    ends = f", {figure.interval.low:.2f} to {figure.interval.high:.2f}" if figure.interval else ""
    return f"{figure.value:.2f} (n={figure.n}{ends})"


def _share(figure: TrustFigure) -> str:
    return UNKNOWN if figure.value is None else f"{round(figure.value * figure.n)}/{figure.n}"


def _points(found: Trust) -> Iterator[str]:
    if len(found.judges) > 1:
        alpha = "not defined" if found.panel.value is None else f"{found.panel.value:.2f}"
        yield (
            f"the panel agrees with itself at Krippendorff's alpha (ordinal, 2011) {alpha}, n={found.panel.n}; from .80"
            " on conclusions are safe, below .667 they are not"
        )
    for each in found.judges:
        yield from _of_one(each)
    if found.set_aside:
        kept = ", ".join(f"{name} {number}" for name, number in sorted(found.set_aside.items()))
        yield f"verdicts that are kept but do not count (earlier ones, and other judges'): {kept}"


def _of_one(each: JudgeFigures) -> Iterator[str]:
    name = each.judge
    if each.verifiers.n:
        same = f"{each.same_as_verifiers} of {each.verifiers.n}"
        yield f"{name}: the same letter as the verifiers in {same} trials that have both"
    if each.position.value is not None:
        place = each.position
        ends = f" ({place.interval.low:+.2f} to {place.interval.high:+.2f})" if place.interval else ""
        yield (
            f"{name}: the same answer gets {place.value:+.2f}{ends} in score nearer to the front of a list than nearer"
            f" to its end (n={place.n}); each letter is the mean of both"
        )
    preference = each.self_preference
    if preference is None:
        yield f"{name}: self-preference not measured: {each.why_no_self_preference}"
    else:
        ends = f" ({preference.interval.low:+.2f} to {preference.interval.high:+.2f})" if preference.interval else ""
        beyond = (
            "beyond the verifiers' scores" if preference.beyond_verifiers else "without verifiers to tell if deserved"
        )
        yield (
            f"{name}: gives its own vendor's trials ({preference.vendor}, n={preference.own})"
            f" {preference.difference:+.2f}{ends} in score against others' (n={preference.others}) on the same tasks,"
            f" {beyond}"
        )
    listwise = [moved for moved in each.moved if moved.listwise]
    for moved, why in (
        ([moved for moved in each.moved if not moved.listwise], "asked again"),
        (listwise, "compared again, also with answers that came later"),
    ):
        if moved:
            shown = ", ".join(f"{one.trial} {one.before} → {one.after}" for one in moved[:MOVED_SHOWN])
            more = f" and {len(moved) - MOVED_SHOWN} more" if len(moved) > MOVED_SHOWN else ""
            yield f"{name}: {many(len(moved), 'letter')} moved when {why}: {shown}{more}"
    tokens = f", {count(each.output_tokens)} tokens written" if each.output_tokens is not None else ""
    earlier = 0.0 if each.cost_usd is None else each.spent_usd - each.cost_usd
    spent = f"; {dollars(earlier)} for verdicts that do not count" if earlier > 1e-12 else ""
    yield f"{name}: cost {_cost(each)}{tokens}{spent}; the evaluation's overhead, no agent's cost"


def _cost(each: JudgeFigures) -> str:
    """What its letters cost; where only some of it is known, what is known of all that it ever gave."""
    if each.cost_usd is None and each.spent_usd > 0:
        return f"{dollars(each.spent_usd)} and more, some of it unknown"
    return "not known" if each.cost_usd is None else dollars(each.cost_usd)
