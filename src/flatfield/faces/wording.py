"""How numbers and outcomes read, the same in every face."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flatfield.records import Grade, ScaleGrade, TrialRecord

UNKNOWN = "–"


def seconds(value: float | None) -> str:
    """`0.42 s`, `12.3 s`, `3 min 20 s`."""
    if value is None:
        return UNKNOWN
    if value < 10:
        return f"{value:.2f} s"
    if value < 120:
        return f"{value:.1f} s"
    return f"{int(value // 60)} min {int(value % 60)} s"


def dollars(value: float | None) -> str:
    """`$0`, `$0.0031`, `$1.25`; unknown prices are "no price", never $0."""
    if value is None:
        return "no price"
    if value == 0:
        return "$0"
    return f"${value:.4f}" if value < 1 else f"${value:.2f}"


def count(value: int | None) -> str:
    """`12,345`."""
    return UNKNOWN if value is None else f"{value:,}"


def letter(grade: Grade, *, certain: bool = True) -> str:
    """`S (n=5, ≥ C)`: the letter, how many trials it stands on, and the worst letter inside the interval."""
    if grade.letter is None:
        return "not measured"
    if not certain:
        return grade.letter
    if grade.n == 1:
        return f"{grade.letter} (one trial)"
    worst = f", ≥ {grade.at_worst}" if grade.at_worst else ""
    return f"{grade.letter} (n={grade.n}{worst})"


def scaled(scale: ScaleGrade) -> str:
    """`B · 2.3×`: the letter and how many times the best."""
    if scale.relative.letter is None:
        return UNKNOWN
    return scale.relative.letter if scale.ratio is None else f"{scale.relative.letter} · {scale.ratio:.1f}×"


def rank(ranks: tuple[int, int] | None) -> str:
    """`1`, or `1–3` where the certainty allows no more."""
    if ranks is None:
        return UNKNOWN
    return str(ranks[0]) if ranks[0] == ranks[1] else f"{ranks[0]}–{ranks[1]}"


def outcome(record: TrialRecord) -> str:
    """How a trial ended, in a few words: its score, or why there is none."""
    if record.failure is not None:
        return f"not measured ({record.failure.kind}): {record.failure.message}"
    measured = [check for check in record.checks if check.score is not None]
    weight = sum(check.weight for check in measured)
    ending = "" if record.stop == "answered" else f" ({record.stop.replace('_', ' ')})"
    if not weight:
        return f"done{ending}"
    return f"score {sum((check.score or 0) * check.weight for check in measured) / weight:.2f}{ending}"
