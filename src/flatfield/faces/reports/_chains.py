"""How steady agents are over repeats, and how their chains of tool calls went."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.faces.blocks import Section, Table
from flatfield.faces.reports._ranking import controls, ranked
from flatfield.faces.wording import UNKNOWN
from flatfield.scoring.chain import chains
from flatfield.scoring.passing import passing, threshold
from flatfield.scoring.performance import ALL
from flatfield.vendors import oracle

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flatfield.records import RunResult
    from flatfield.scoring.chain import AgentChains
    from flatfield.scoring.passing import PassRates

CHAIN = (
    "Means per trial. Failed: calls answered with an error; again: calls made before with the same arguments; oracle:"
    " calls that the task's solution makes; followed: the share of these that the trial's working calls contain in the"
    " same order, by tool and path (another way may be as good). Short: trials that scored less than 1, with their"
    " mean score, their share of the solution's calls, and how many a limit ended."
)
CHAIN_IN_SHORT = (
    "Per trial: calls that failed, were made again, are the solution's (oracle), and followed it. From short on: of"
    " trials below score 1."
)
MOST_KS = 4
"""Values of k that have room side by side."""


def reliability(result: RunResult, *, brief: bool = False) -> Iterator[Section]:
    """pass@k and pass^k, where something was repeated."""
    found = {(each.agent, each.k): each for each in passing(result)}
    every = sorted({k for _, k in found})
    if every[-1:] <= [1]:
        return
    ks = every if len(every) <= MOST_KS else [*every[: MOST_KS - 1], every[-1]]
    judged = any(threshold(task) > ALL for task in result.run.tasks)
    text = "A trial passes with a score of 1" + (" (a judged one with an S)." if judged else ".")
    if brief:
        text += " pass@k: at least one of k tries; pass^k: all k."
    else:
        text += " pass@k: at least one of k tries passes (Chen et al. 2021); pass^k: all k do (Yao et al. 2024). Means"
        text += " over tasks with k measured trials."
    columns = ("pass^1", *(f"{kind}{k}" for k in ks if k > 1 for kind in ("pass@", "pass^")))
    rows = tuple(
        (card.agent, *_of_agent([found.get((card.agent, k)) for k in ks]))
        for card in (*ranked(result), *controls(result))
        if (card.agent, 1) in found
    )
    table = Table(columns=("agent", *columns), rows=rows, right=frozenset(columns), names=frozenset({"agent"}))
    yield Section(title="Again and Again", paragraphs=(text,), tables=(table,))


def _of_agent(row: Sequence[PassRates | None]) -> list[str]:
    cells: list[str] = []
    for number, each in enumerate(row):
        pair = (UNKNOWN, UNKNOWN) if each is None else (f"{each.at_least_once:.2f}", f"{each.every_time:.2f}")
        cells += pair[1:] if number == 0 else pair
    return cells


def long_chain(result: RunResult, *, brief: bool = False) -> Iterator[Section]:
    """Tool calls per agent, beside the solution's; and how far those trials got that did not score 1."""
    order = {card.agent: place for place, card in enumerate((*ranked(result), *controls(result)))}
    found = sorted((each for each in chains(result) if each.agent in order), key=lambda each: order[each.agent])
    if not any(each.calls for each in found):
        return
    columns = (
        "turns",
        "calls",
        "failed",
        "again",
        oracle.AGENT.name,
        "followed",
        "short",
        "score",
        "followed ",
        "limit",
    )
    rows = tuple((each.agent, *_figures(each)) for each in found)
    table = Table(
        columns=("agent", *columns),
        rows=rows,
        right=frozenset(columns),
        names=frozenset({"agent"}),
        drop=("limit", "followed ", "again", "score", "turns", oracle.AGENT.name),
    )
    yield Section(title="The Long Chain", paragraphs=(CHAIN_IN_SHORT if brief else CHAIN,), tables=(table,))


def _figures(each: AgentChains) -> tuple[str, ...]:
    return (
        f"{each.turns:.1f}",
        f"{each.calls:.1f}",
        _percent(each.failed_share),
        _percent(each.repeated_share),
        UNKNOWN if each.oracle_calls is None else f"{each.oracle_calls:.1f}",
        _percent(each.followed_share),
        f"{each.short}/{each.trials}",
        UNKNOWN if each.short_score is None else f"{each.short_score:.2f}",
        _percent(each.short_followed),
        str(each.short_limited) if each.short else UNKNOWN,
    )


def _percent(share: float | None) -> str:
    return UNKNOWN if share is None else f"{share:.0%}"
