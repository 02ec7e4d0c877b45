"""What the settings of an agent did that were tried otherwise: a sentence each, and a table; the same on all faces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import structs

from flatfield.errors import NotFound
from flatfield.faces.blocks import Section, Table
from flatfield.faces.comparisons import points
from flatfield.faces.wording import UNKNOWN, count, dollars, few, many, seconds, times
from flatfield.http.secrecy import shown_url
from flatfield.runs.order import how_often
from flatfield.runs.varying import DEFAULT
from flatfield.scoring.effects import FactorEffects, effects_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from flatfield.records import Comparison, RunResult, Variation
    from flatfield.scoring.certainty.values import Estimate
    from flatfield.scoring.effects import Cause, Effect


TITLE = "What Makes the Difference"
MANY_COMPARED = 5
"""From so many values on, that some seem to differ by chance alone is said."""
SAID_CAUSES = 2
PLAIN = frozenset({"same request", "other model", "tools ignored by template", "tools never called", "calls as text"})
"""What is no matter of chance, however few the trials are."""
SHOWN_CHARACTERS = 60


# A value, a cause, an effect and a setting in words.


def _value(text: str) -> str:
    """A value as a sentence names it: of an address its host."""
    if text == DEFAULT:
        return "its default"
    return shown_url(text).partition("://")[2].removesuffix("/v1").rstrip("/") if "://" in text else text


def _name(agent: str, variation: Variation) -> str:
    """One of the two sides, by its value."""
    return _value(variation.value if agent == variation.agent else variation.was)


def _other(cause: Cause, variation: Variation) -> str:
    return _name(variation.baseline if cause.agent == variation.agent else variation.agent, variation)


def because(cause: Cause, variation: Variation) -> str:
    """What the records show, with its counts on both sides."""
    who, other = _name(cause.agent, variation), _other(cause, variation)
    of = f"{count(round(cause.count))} of {many(cause.of, 'trial')} with {who}"
    there = f"{count(round(cause.other))} of {count(cause.other_of)} with {other}"
    is_host = variation.factor == "base_url"
    said = {
        "same request": "what was sent is the same, so the model met no difference",
        "tools ignored by template": f"with {who} the chat template ignores the tools: the model never knew of them",
        "tools never called": (
            f"{f'the server at {who} ignores the tools' if is_host else f'with {who} no tool was ever called'}"
            f" ({many(round(cause.count), 'trial')} offered them and no call came;"
            f" {many(round(cause.other), 'call')} with {other})"
        ),
        "calls as text": f"tool calls came as text that was not read in {of} ({there})",
        "context full": f"the context was full in {of} ({there})",
        "conversation cut": f"the server cut the conversation in {of} ({there})",
        "output cut": f"the cap on output tokens ended {of} ({there})",
        "repeats": f"the model repeated itself without end in {of} ({there})",
        "refused": f"the model refused in {of} ({there})",
        "turns used up": f"the limit on turns ended {of} ({there})",
        "time used up": f"the limit on time ended {of} ({there})",
        "dollars used up": f"the limit on dollars ended {of} ({there})",
        "reasoning": f"{_tokens(cause)} reasoning tokens a trial with {who}, {_tokens(cause, other=True)} with {other}",
        "writing": f"{_tokens(cause)} output tokens a trial with {who}, {_tokens(cause, other=True)} with {other}",
    }
    if cause.kind == "other model":
        return f"another model answered with {who}: {cause.names[0]} was asked for, {cause.names[1]} answered"
    return said[cause.kind]


def _tokens(cause: Cause, *, other: bool = False) -> str:
    return count(round(cause.other if other else cause.count))


def _between(low: float, high: float) -> str:
    return f"{points(low)} to {points(high)}"


def _ratio(found: Estimate) -> str:
    return f"{_times(found.mean)} ({_times(found.low)} to {_times(found.high)})"


def _times(ratio: float) -> str:
    return times(ratio) if ratio >= 0.95 else f"{ratio:.2g}×"


def _amounts(effect: Effect) -> Iterator[str]:
    """Time and cost, where they differ and not by chance."""
    for found, what in ((effect.seconds, "the time"), (effect.usd, "the cost")):
        if found is not None and not found.low <= 1.0 <= found.high:
            yield f"{_ratio(found)} {what}"
    pair = effect.comparison
    if effect.usd is not None or pair is None or pair.first_usd == pair.second_usd:
        return
    unknown = "a cost that nobody knows"
    one, other = (unknown if usd is None else dollars(usd) for usd in (pair.first_usd, pair.second_usd))
    yield f"{one} a trial instead of {other}"


def _level(effect: Effect) -> str:
    """Time and cost, where they were not told apart."""
    said = [
        f"{_times(found.low)} to {_times(found.high)} {what}"
        for found, what in ((effect.seconds, "the time"), (effect.usd, "the cost"))
        if found is not None and found.low <= 1.0 <= found.high
    ]
    return " and ".join(said)


def effect_sentence(effect: Effect) -> str:
    """One value against the baseline's: how far apart, why, and at what time and cost; without the setting's name."""
    variation, pair = effect.variation, effect.comparison
    value, was = _value(variation.value), _value(variation.was)
    if pair is None:
        return f"{value} cannot be compared with {was}: {_incomparable(effect)}"
    causes = [because(cause, variation) for cause in _said(effect.causes)]
    amounts = list(_amounts(effect))
    if effect.did_otherwise:
        head = _apart(effect)
        rest = "; ".join([*causes, *([f"{value} took {' and '.join(amounts)}"] if amounts else [])])
        said = f"{head}: {rest}" if rest else head
    elif amounts:
        work = f"{_close(pair)} in the work ({_between(pair.these.low, pair.these.high)} points)"
        said = "; ".join([f"{work}{_ends(pair)}, but {value} took {' and '.join(amounts)} of {was}", *causes])
    else:
        span = f"{value} against {was} {_between(pair.these.low, pair.these.high)} points with 95%"
        said = ", ".join(filter(None, [f"{_close(pair)}: {span}", _level(effect)])) + _ends(pair)
        said = "; ".join([said, *(because(cause, variation) for cause in _telling(effect))])
    return f"{said}; {_unmeasured(effect)}" if effect.measured < effect.planned else said


def _close(pair: Comparison) -> str:
    """What the two are that are not told apart: an interval without a 0 in it is likely a difference."""
    return "no measurable difference" if pair.these.low <= 0.0 <= pair.these.high else "likely a difference, not sure"


def _ends(pair: Comparison) -> str:
    """Where the tasks leave no room for a difference: all of them were too hard, or too easy."""
    if max(pair.first_score, pair.second_score) <= 0.0:
        return ", and neither did any of the work: easier tasks would tell more"
    if min(pair.first_score, pair.second_score) >= 1.0:
        return ", and both did all of the work: harder tasks would tell more"
    return ""


def _said(causes: Sequence[Cause]) -> Sequence[Cause]:
    """The plainest; what took more tokens only where nothing else is known."""
    plain = [cause for cause in causes if cause.kind not in {"reasoning", "writing"}]
    return (plain or causes)[:SAID_CAUSES]


def _apart(effect: Effect) -> str:
    """`the same model, 31 points apart (22 to 40 with 95%), B behind A`."""
    variation, pair = effect.variation, effect.comparison
    assert pair is not None  # noqa: S101 - for the type checker: who did otherwise was compared
    low, high = sorted((abs(pair.these.low), abs(pair.these.high)))
    same = variation.factor != "model" and effect.same_model and all(c.kind != "other model" for c in effect.causes)
    place = "behind" if pair.verdict == "second" else "before"
    apart = f"{points(abs(pair.difference))} points apart ({_between(low, high)} with 95%)"
    return f"{'the same model, ' if same else ''}{apart}, {_value(variation.value)} {place} {_value(variation.was)}"


def _telling(effect: Effect) -> Iterator[Cause]:
    """What is to be said although nothing differs that could be measured."""
    yield from (cause for cause in effect.causes if cause.kind in PLAIN)


def _unmeasured(effect: Effect) -> str:
    return f"{effect.measured} of {many(effect.planned, 'trial')} with {_value(effect.variation.value)} measured"


def _incomparable(effect: Effect) -> str:
    if effect.measured:
        return f"no task was measured with both ({_unmeasured(effect)})"
    return _unmeasured(effect)


def sentence(found: FactorEffects) -> str:
    """A setting's verdict: what its strongest value did, and in short what the others did."""
    first, *others = found.effects
    return "; ".join([f"{found.factor}: {effect_sentence(first)}", *map(_short, others)]) + "."


def _short(effect: Effect) -> str:
    value, pair = _value(effect.variation.value), effect.comparison
    if pair is None:
        return f"{value}: {_incomparable(effect)}"
    span = _between(pair.these.low, pair.these.high)
    work = (
        f"{points(pair.difference)} points ({span})" if effect.did_otherwise else f"{_close(pair)} in the work ({span})"
    )
    return " and ".join([f"{value}: {work}", *_amounts(effect)])


# The answer of a run, for people and for programs.


def found_in(result: RunResult) -> tuple[FactorEffects, ...]:
    """What the settings did in a run that asks it.

    Raises:
        NotFound: it asks nothing of the kind.
    """
    found = effects_of(result)
    if not found:
        raise NotFound(
            f"run {result.run.id} tries no setting otherwise: start one with flatfield vary AGENT --over NAME=VALUES, "
            f"or see flatfield compare --run {result.run.id}"
        )
    return found


def verdicts(result: RunResult) -> Iterator[Section]:
    """The sentences alone, as reports have them; nothing for a run that asks for no difference."""
    found = effects_of(result)
    if found:
        yield Section(title=TITLE, paragraphs=(_heading(result),), points=tuple(map(sentence, found)))


def sections(result: RunResult) -> tuple[Section, ...]:
    """The answer, then every value in a row, then what was really received otherwise."""
    found = found_in(result)
    notes = tuple(_remarks(result, found))
    return (
        Section(title=TITLE, paragraphs=(_heading(result),), points=tuple(map(sentence, found))),
        Section(title="Every Value Against the Baseline", tables=(_table(result, found),), paragraphs=notes),
        Section(title="What Was Really Different", points=tuple(_differences(found))),
    )


def _heading(result: RunResult) -> str:
    run, often = result.run, sorted(set(how_often(result.run).values()))
    times_each = " to ".join(map(str, dict.fromkeys((often[0], often[-1]))))
    return (
        f"{run.variations[0].baseline} as it is configured, against itself with one setting otherwise, on "
        f"{many(len(run.tasks), 'task')} × {times_each}; points are hundredths of the work, on these tasks."
    )


def _remarks(result: RunResult, found: Sequence[FactorEffects]) -> Iterator[str]:
    compared = sum(len(each.effects) for each in found)
    if compared >= MANY_COMPARED:
        yield f"{compared} values are compared with 95% each: of twenty that do nothing, one would seem to differ."
    first = found[0].effects[0].variation
    run = result.run.id
    yield (
        f"Any two: flatfield compare {first.agent} {first.baseline} --run {run}. All of it: flatfield report {run}. "
        f"More repeats: flatfield eval --resume {run} --repeats N."
    )


def _table(result: RunResult, found: Sequence[FactorEffects]) -> Table:
    columns = ("setting", "value", "work", "points", "95%", "time", "cost", "trials")
    rows = [row for each in found for row in map(_row, each.effects)]
    return Table(
        columns=columns,
        rows=(_baseline_row(result, found), *rows),
        right=frozenset(columns[2:]),
        names=frozenset({"value"}),
        drop=("trials", "95%"),
    )


def _baseline_row(result: RunResult, found: Sequence[FactorEffects]) -> tuple[str, ...]:
    baseline = found[0].effects[0].variation.baseline
    card = next(card for card in result.grading.scorecards if card.agent == baseline)
    pair = next((one.comparison for each in found for one in each.effects if one.comparison is not None), None)
    work = UNKNOWN if card.performance.score is None else f"{card.performance.score:.3f}"
    time = seconds(pair.second_seconds if pair else None)
    return ("(as it is)", baseline, work, "", "", time, dollars(pair.second_usd if pair else None), str(card.measured))


def _row(effect: Effect) -> tuple[str, ...]:
    variation, pair = effect.variation, effect.comparison
    if pair is None:
        return (variation.factor, _value(variation.value), *[UNKNOWN] * 5, str(effect.measured))
    cost = UNKNOWN if effect.usd is None else _times(effect.usd.mean)
    if effect.usd is None and pair.first_usd is not None:
        cost = dollars(pair.first_usd)
    return (
        variation.factor,
        _value(variation.value),
        f"{pair.first_score:.3f}",
        points(pair.difference),
        _between(pair.these.low, pair.these.high),
        UNKNOWN if effect.seconds is None else _times(effect.seconds.mean),
        cost,
        str(effect.measured),
    )


def _differences(found: Sequence[FactorEffects]) -> Iterator[str]:
    """For each value, what the two agents did not both receive."""
    for effect in (effect for each in found for effect in each.effects):
        variation = effect.variation
        rows = [f"{row.label}: {_cut(row.values, variation)}" for row in effect.differences]
        why = [because(cause, variation) for cause in effect.causes]
        nothing = "not both were measured" if effect.comparison is None else "nothing that was sent or answered"
        told = few(rows, between="; ") or nothing
        yield f"{variation.factor}={_value(variation.value)}: {'; '.join([told, *why])}"


def _cut(values: Mapping[str, str], variation: Variation) -> str:
    from flatfield.faces.wording import one_line

    was, now = (one_line(values.get(name, UNKNOWN), SHOWN_CHARACTERS) for name in (variation.baseline, variation.agent))
    return f"{was} → {now}"


def as_data(result: RunResult) -> dict[str, Any]:
    """The same for programs: nothing rounded, every sentence beside its figures."""
    found = found_in(result)
    return {
        "run": result.run.id,
        "baseline": result.run.variations[0].baseline,
        "sentences": list(map(sentence, found)),
        "factors": [
            {
                "factor": each.factor,
                "sentence": sentence(each),
                "matters": each.effects[0].did_otherwise or each.effects[0].took_otherwise,
                "values": [_effect_data(effect) for effect in each.effects],
            }
            for each in found
        ],
    }


def _effect_data(effect: Effect) -> dict[str, Any]:
    variation = effect.variation
    return {
        "agent": variation.agent,
        "value": variation.value,
        "was": variation.was,
        "sentence": f"{effect_sentence(effect)}.",
        "did_otherwise": effect.did_otherwise,
        "took_otherwise": effect.took_otherwise,
        "same_model": effect.same_model,
        "measured": effect.measured,
        "planned": effect.planned,
        "comparison": effect.comparison,
        "seconds_ratio": effect.seconds,
        "usd_ratio": effect.usd,
        "causes": [{"sentence": because(cause, variation), **structs.asdict(cause)} for cause in effect.causes],
        "differences": [
            {
                "label": row.label,
                "baseline": row.values.get(variation.baseline),
                "value": row.values.get(variation.agent),
            }
            for row in effect.differences
        ],
    }
