"""Published letters beside ours, cell by cell, and why they differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

from flatfield.records import Anchors, Cell, Letter, TrialRecord, Weights  # noqa: TC001 - msgspec
from flatfield.scoring.measures.scales import HOLDS, LEAST_USD, SPREAD

if TYPE_CHECKING:
    from flatfield.records import RunResult, ScaleGrade

OFF = 0.015
"""A re-priced cost that differs by more than this share from the published one is said to."""


class PublishedCell(Struct, frozen=True, kw_only=True):
    """One published letter (which may be an E) and ours; `reason` tells how ours came about, and why it differs.

    `repriced`: how many times what its tokens cost was published, where that is off.
    """

    task: str
    agent: str
    measure: Literal["performance", "speed", "cost", "overall"]
    published: str
    ours: Letter | None
    same: bool
    reason: str
    repriced: float | None = None


def compare_published(result: RunResult) -> tuple[PublishedCell, ...]:
    """Every published letter of an imported run beside ours; empty for runs that were measured here. E counts as F."""
    trials = {(trial.task, trial.agent): trial for trial in result.trials if trial.imported and trial.published}
    anchors = {(item.task, str(item.measure)): item for item in result.grading.anchors}
    rows: list[PublishedCell] = []
    for cell in result.grading.cells:
        trial = trials.get((cell.task, cell.agent))
        if trial is not None:
            rows += _rows(cell, trial, anchors, result.grading.weights)
    return tuple(rows)


def _rows(
    cell: Cell, trial: TrialRecord, anchors: dict[tuple[str, str], Anchors], weights: Weights
) -> list[PublishedCell]:
    ours: dict[Literal["performance", "speed", "cost", "overall"], tuple[Letter | None, str]] = {
        "performance": (cell.performance.letter, _performance_reason(cell, trial)),
        "speed": (cell.speed.relative.letter, _scale_reason(cell.speed, anchors.get((cell.task, "speed")), "s")),
        "cost": (cell.cost.relative.letter, _cost_reason(cell, trial, anchors.get((cell.task, "cost")))),
        "overall": (cell.overall.letter, _overall_reason(cell, weights)),
    }
    rows = []
    for measure, (letter, why) in ours.items():
        published = str(trial.published.get(measure) or "")
        same = letter is not None and published.replace("E", "F") == letter
        said = why if same or not published or measure == "performance" else f"{why}; {_by_eye(measure)}"
        rows.append(
            PublishedCell(
                task=cell.task,
                agent=cell.agent,
                measure=measure,
                published=published,
                ours=letter,
                same=same,
                reason=said,
                repriced=_repriced(trial) if measure == "cost" else None,
            )
        )
    return rows


def _by_eye(measure: str) -> str:
    if measure == "overall":
        return "the judge weighted by eye"
    return "the judge gave letters by eye, without regard to the work done"


def _performance_reason(cell: Cell, trial: TrialRecord) -> str:
    published, score = trial.published.get("performance"), cell.performance.score
    if score is None:
        return cell.performance.note
    taken = f"taken over from the judge as {score:g}, the middle of the band"
    return f"{taken}; there is no E here, it counts as F" if published == "E" else taken


def _repriced(trial: TrialRecord) -> float | None:
    """How many times what the tokens cost was published; None where the two are as good as equal, or one is unknown."""
    published: Any = trial.published.get("cost_usd")
    if not trial.cost_usd or published is None or abs(published - trial.cost_usd) <= OFF * trial.cost_usd:
        return None
    return float(published / trial.cost_usd)


def _cost_reason(cell: Cell, trial: TrialRecord, anchors: Anchors | None) -> str:
    why = _scale_reason(cell.cost, anchors, "$")
    published: Any = trial.published.get("cost_usd")
    if trial.cost_usd is None or published is None:
        told = "no cost was published; " if published is None else ""
        return f"{told}{why}"
    if _repriced(trial) is None:
        return why
    paid, tokens = _usd(published), _usd(trial.cost_usd)
    return f"cost re-priced: {paid} published, {tokens} from its tokens; {why}"


def _scale_reason(scale: ScaleGrade, anchors: Anchors | None, unit: str) -> str:
    letter, amount = scale.relative.letter, scale.per_work
    if letter is None or anchors is None:
        return scale.relative.note
    if amount is None:
        return f"scored nothing, which is {letter}"
    if unit == "$" and amount < LEAST_USD:
        return "$0 is S" if amount == 0.0 else f"below ${LEAST_USD:g} is S"
    best = _usd(anchors.best) if unit == "$" else f"{anchors.best:.3g} s"
    ratio = f"{scale.ratio:.1f}× the best" if scale.ratio is not None else "more than the best"
    source = f"{anchors.best_agent}, {best} per work done"
    if unit == "$" and anchors.best * SPREAD == anchors.worst and anchors.best_agent == anchors.worst_agent:
        source = f"an eighth of the dearest, {anchors.worst_agent}: {best} per work done"
    return f"relative scale with stated anchors: {ratio} ({source}) is {letter}"


def _overall_reason(cell: Cell, weights: Weights) -> str:
    parts = (cell.performance.score, cell.speed.relative.score, cell.cost.relative.score)
    if cell.overall.score is None or parts[0] is None:
        return cell.overall.note
    shares = (weights.performance, weights.speed, weights.cost)
    names = ("performance", "speed", "cost")
    counted = [
        (f"{share:g} × ", name, f"{score:.2f}")
        for share, name, score in zip(shares, names, parts, strict=True)
        if score is not None and share > 0
    ]
    sum_of = " + ".join(f"{share}{name} {score}" for share, name, score in counted)
    if parts[0] < HOLDS and cell.overall.score == parts[0]:
        return f"weighted mean of {sum_of}, but never above performance when that is D or F: {cell.overall.score:.2f}"
    return f"weighted mean {sum_of} = {cell.overall.score:.2f}"


def _usd(amount: float) -> str:
    """Dollars with three significant digits, as small as they are: $0.0112, $1.37."""
    return f"${amount:.3g}" if amount >= 1.0 or amount == 0.0 else f"${amount:.{_decimals(amount)}f}"


def _decimals(amount: float) -> int:
    import math

    return 2 - math.floor(math.log10(amount))
