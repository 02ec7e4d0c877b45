"""The tables of docs/grades.md that `python -m bench.certainty` makes, from what its evaluations counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from bench.simulated import Setting, Tally

Array = NDArray[np.float64]
BANDS = ((0.0, 0.05), (0.05, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 0.85), (0.85, 0.95), (0.95, 1.001))
"""Of what is said with such probabilities of being best."""
LEAST = 0.9
"""No interval of 95% should hold the truth less often."""


def written(page: str, blocks: Mapping[str, str]) -> str:
    """The page with these blocks in the place of what stands between their marks."""
    for name, block in blocks.items():
        start, end = f"<!-- measured: {name} -->\n", f"<!-- end of {name} -->"
        if start not in page or end not in page:
            raise SystemExit(f"the page has no marks {start.strip()} and {end}")
        before, rest = page.split(start, 1)
        page = f"{before}{start}{block.strip()}\n{end}{rest.split(end, 1)[1]}"
    return page


def coverage(tallies: Sequence[Tally], groups: Iterable[tuple[str, Callable[[Setting], bool]]]) -> str:
    """How often intervals hold the truth: a row for each group of settings, their mean, and the least of all."""
    lines = _head("truth", tallies)
    for name, has in groups:
        some = [tally for tally in tallies if has(tally.setting)]
        if some:
            lines.append(_row(name, [f"{_mean(some, column):.1%}" for column in _columns(tallies)]))
    least = [_least(tallies, column) for column in _columns(tallies)]
    lines.append(_row("least of all settings ± 2 se", [f"{held:.1%} ± {error:.1%}" for held, error in least]))
    low, sure = min(held for held, _ in least), min(held + error for held, error in least)
    below = sum(held < LEAST for tally in tallies for held, _ in map(_held, tally.held.values()))
    lines += ["", f"{below} of {len(tallies) * len(least)} figures are below {LEAST:.0%}; the least is {low:.1%}."]
    if sure < LEAST:
        lines[-1] += " It is so by more than two standard errors."
    return "\n".join(lines)


def every(tallies: Sequence[Tally]) -> str:
    """How often intervals hold the truth, setting by setting."""
    rows = [
        _row(tally.setting.name, [f"{_held(tally.held[column])[0]:.0%}" for column in _columns(tallies)])
        for tally in tallies
    ]
    return "\n".join([*_head("setting", tallies), *rows])


def best(tallies: Sequence[Tally]) -> str:
    """How often what is said with a probability of being best is true."""
    said = np.asarray([one for tally in tallies for one in tally.said], dtype=float)
    lines = ["| said P(best) | cases | said on average | true |", "|---|---:|---:|---:|"]
    for low, high in BANDS:
        mine = said[(said[:, 0] >= low) & (said[:, 0] < high)]
        if len(mine):
            name = f"{low:.2f}-{min(high, 1.0):.2f}"
            lines.append(f"| {name} | {len(mine)} | {mine[:, 0].mean():.3f} | {mine[:, 1].mean():.3f} |")
    return "\n".join(lines)


def regrets(tallies: Sequence[Tally]) -> str:
    """What the pick loses, beside the highest mean; and in which settings it loses more."""
    lines = [
        "| settings | measure | regret of the pick | of the highest mean | difference ± 2 se | regret told |",
        "|---|---|---:|---:|---:|---:|",
    ]
    groups: tuple[tuple[str, Callable[[Setting], bool]], ...] = (
        ("all the same repeats", lambda one: not one.missing and not one.unequal),
        ("cells missing", lambda one: one.missing > 0.0),
        ("unequal repeats", lambda one: one.unequal and not one.missing),
    )
    for name, has in groups:
        for measure in ("performance", "overall"):
            rows = [tally.regrets[measure] for tally in tallies if has(tally.setting)]
            if rows:
                values = np.concatenate([np.asarray(one) for one in rows])
                off, error = _off(values)
                lines.append(
                    f"| {name} | {measure} | {values[:, 0].mean():.4f} | {values[:, 1].mean():.4f} |"
                    f" {off:+.4f} ± {error:.4f} | {values[:, 2].mean():.4f} |"
                )
    worse = [
        f"{tally.setting.name} ({measure}): {off:+.4f} ± {error:.4f}"
        for tally in tallies
        for measure, values in tally.regrets.items()
        for off, error in [_off(np.asarray(values))]
        if off > error
    ]
    many = sum(len(tally.regrets) for tally in tallies)
    lines += [
        "",
        f"It loses more, by over two standard errors, in {len(worse)} of {many}; by chance {many / 44:.0f} would.",
    ]
    return "\n".join([*lines, *(f"- {one}" for one in worse)])


def apart(tallies: Sequence[Tally]) -> str:
    """How many pairs are told apart, and how many of them in the wrong order."""
    lines = [
        "| difference | pairs | told apart | wrongly, of all pairs | of those told apart | most in a setting |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for label in tallies[0].apart:
        each = np.asarray([np.asarray(tally.apart[label]).sum(axis=0) for tally in tallies], dtype=float)
        told, wrong, pairs = each.sum(axis=0)
        lines.append(
            f"| {label.replace(' difference,', ',')} | {pairs:.0f} | {told / pairs:.1%} | {wrong / pairs:.2%} |"
            f" {wrong / max(told, 1.0):.2%} | {(each[:, 1] / each[:, 2]).max():.2%} |"
        )
    return "\n".join(lines)


def simulations(tallies: Sequence[Tally]) -> str:
    """How much was simulated, in words."""
    times = {len(tally.regrets["overall"]) for tally in tallies}
    return f"{len(tallies)} kinds of evaluation, {' or '.join(map(str, sorted(times)))} simulations each"


def _head(first: str, tallies: Sequence[Tally]) -> list[str]:
    columns = _columns(tallies)
    return [_row(first, columns), "|---|" + "---:|" * len(columns)]


def _row(name: str, values: Iterable[str]) -> str:
    return f"| {name} | {' | '.join(values)} |"


def _columns(tallies: Sequence[Tally]) -> list[str]:
    return list(tallies[0].held)


def _mean(tallies: Sequence[Tally], column: str) -> float:
    return float(np.mean([_held(tally.held[column])[0] for tally in tallies]))


def _least(tallies: Sequence[Tally], column: str) -> tuple[float, float]:
    return min(_held(tally.held[column]) for tally in tallies)


def _held(values: Sequence[float]) -> tuple[float, float]:
    """The share, and two standard errors of it: evaluations are independent, an evaluation's agents are not."""
    found = np.asarray(values)
    return float(found.mean()), float(2.0 * found.std() / np.sqrt(len(found)))


def _off(values: Array) -> tuple[float, float]:
    """By how much the pick loses more than the highest mean, and two standard errors of it."""
    off = values[:, 0] - values[:, 1]
    return float(off.mean()), float(2.0 * off.std() / np.sqrt(len(off)))
