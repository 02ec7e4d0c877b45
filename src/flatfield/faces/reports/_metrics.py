"""The raw figures behind the letters: per agent and task, over repeats, and along chains of tool calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.faces.blocks import Section, Table
from flatfield.faces.reports._ranking import controls, numbers, ranked
from flatfield.faces.wording import UNKNOWN, count, dollars, letter, scaled, seconds, wrong_but_confident
from flatfield.scoring.chain import chains, passing, threshold
from flatfield.scoring.fairness.conditions import device_figures, output_tokens_per_second
from flatfield.scoring.performance import ALL
from flatfield.vendors import oracle

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flatfield.records import Cell, RunResult, ScaleGrade, Scorecard, TrialRecord
    from flatfield.scoring.chain import AgentChains, PassRates
    from flatfield.scoring.fairness.conditions import DeviceFigures


ON_DEVICE = (
    "On this device: tokens of prompts read and of replies written a second as the model's server counts them, without"
    " what it had in its cache; how often the model was loaded and how long that took; its server's most memory; the"
    " most context that was used, of what was offered (short: in so many trials"
    " it was too little); layers on the GPU, or its share of the memory."
)
MOST_CELLS = 60
"""Rows that a compact report has room for."""


def metrics(result: RunResult, *, brief: bool = False) -> Section:
    """Per agent: trials, seconds, tokens, dollars, and the highest level held; controls apart."""
    levels = any(task.level is not None for task in result.run.tasks)
    device = any(card.device_cost_usd is not None for card in result.grading.scorecards)
    columns = ["measured", "active", "wall", "retries", "tokens in", "out", "out/s", "cost"]
    told = any(trial.reported_cost_usd is not None for trial in result.trials)
    columns += ["API says"] if told else []
    columns += ["device"] if device else []
    columns += ["level"] if levels else []
    tables = [
        Table(
            columns=(kind, *columns),
            rows=tuple((card.agent, *_figures(card, columns, result)) for card in cards),
            right=frozenset(columns),
            names=frozenset({kind}),
            drop=("retries", "out/s", "wall", "level", "API says", "device", "out", "tokens in", "measured"),
        )
        for kind, cards in (("agent", ranked(result)), ("control", controls(result)))
        if cards
    ]
    text = "Sums over all trials that ran. Active = model + tools; waiting and retries are beside it, not in it."
    if not brief:
        text += " Out/s: output tokens a second, from the first one where it was seen."
        text += " Level: the highest one held, with performance C or better." if levels else ""
    text += (
        " API says: what the API or scaffold itself reports as the cost; grades are on ours where a price is known."
        if told
        else ""
    )
    text += " Device: what the device's time costs." if device else ""
    figures = device_figures(result.trials)
    if figures:
        tables.append(_on_device(figures))
        text += "" if brief else f" {ON_DEVICE}"
    claims = wrong_claims(ranked(result))
    return Section(title="Performance Metrics", paragraphs=(text, *([claims] if claims else [])), tables=tuple(tables))


def _on_device(figures: Sequence[DeviceFigures]) -> Table:
    """Columns that say nothing of anybody are left out."""
    columns = ["reads/s", "writes/s", "load", "memory", "context"]
    columns += ["short"] if any(each.did_not_fit for each in figures) else []
    columns += ["GPU"] if any(each.gpu_layers or each.gpu_memory_bytes for each in figures) else []
    return Table(
        columns=("on this device", *columns),
        rows=tuple((each.agent, *_device_row(each, columns)) for each in figures),
        right=frozenset(columns),
        names=frozenset({"on this device"}),
        drop=("load", "GPU"),
    )


def _device_row(each: DeviceFigures, columns: Sequence[str]) -> Sequence[str]:
    reads, writes, memory = each.read_tokens_per_second, each.written_tokens_per_second, each.peak_memory_bytes
    known = {
        "reads/s": UNKNOWN if reads is None else f"{reads:,.0f}",
        "writes/s": UNKNOWN if writes is None else f"{writes:,.1f}",
        "load": f"{each.loads}× {seconds(each.load_seconds / each.loads)}" if each.loads else UNKNOWN,
        "memory": UNKNOWN if memory is None else f"{memory / 1e9:.1f} GB",
        "context": f"{count(each.most_context_tokens)}/{count(each.context_tokens)}",
        "short": f"{each.did_not_fit}×" if each.did_not_fit else UNKNOWN,
        "GPU": _on_gpu(each),
    }
    return [known[column] for column in columns]


def _on_gpu(each: DeviceFigures) -> str:
    """`20/25` layers; where the server does not tell these, its share of the memory, `63%`."""
    if each.model_layers is None and each.gpu_memory_bytes is not None and each.peak_memory_bytes:
        return f"{each.gpu_memory_bytes / each.peak_memory_bytes:.0%}"
    return f"{count(each.gpu_layers)}/{count(each.model_layers)}"


def wrong_claims(cards: Sequence[Scorecard]) -> str:
    """Who took for done what was not, as a sentence: whether its work can be delegated; "" where nobody claimed."""
    return wrong_but_confident((card.agent, card.wrong_claims, card.claims) for card in cards)


def _figures(card: Scorecard, columns: Sequence[str], result: RunResult) -> Sequence[str]:
    ran = [trial for trial in result.trials if trial.agent == card.agent and trial.failure is None]
    rate = output_tokens_per_second(ran)
    cost = UNKNOWN if card.control else _cost(card)
    known = {
        "measured": f"{card.measured}/{card.trials}",
        "active": seconds(card.active_seconds),
        "wall": seconds(card.wall_seconds),
        "retries": seconds(card.retry_seconds),
        "tokens in": count(card.input_tokens),
        "out": count(card.output_tokens),
        "out/s": UNKNOWN if rate is None else f"{rate:,.0f}",
        "cost": cost,
        "API says": _reported(ran),
        "device": UNKNOWN if card.device_cost_usd is None else dollars(card.device_cost_usd),
        "level": UNKNOWN if card.highest_level is None else str(card.highest_level),
    }
    return [known[column] for column in columns]


def _cost(card: Scorecard) -> str:
    """`$1.25`, or `$1.24 (499/500)` where the dollars of so many trials alone are known."""
    if card.cost_usd is None and card.device_cost_usd is None and card.known_usd is not None:
        return f"{dollars(card.known_usd)} ({card.priced:,}/{card.ran:,})"
    return dollars(card.cost_usd)


def _reported(trials: Sequence[TrialRecord]) -> str:
    """What the API says that trials cost; unknown unless it says so of all."""
    told = [trial.reported_cost_usd for trial in trials]
    known = [usd for usd in told if usd is not None]
    return dollars(sum(known)) if known and len(known) == len(told) else UNKNOWN


def tasks_apart(result: RunResult, *, brief: bool = False) -> Section:
    """Every cell of a contender: its trials, seconds and dollars per work done, and their letters."""
    out = {card.agent for card in controls(result)}
    cells = [cell for cell in result.grading.cells if cell.agent not in out]
    title = "Task by Task"
    if brief and len(cells) > MOST_CELLS:
        text = f"{len(cells)} cells: flatfield report {result.run.id} --format markdown --full"
        return Section(title=title, paragraphs=(text,))
    aimed = any(cell.speed.absolute.letter or cell.cost.absolute.letter for cell in cells)
    names = numbers(result) if brief else {task.id: task.id for task in result.run.tasks}
    columns: tuple[str, ...] = ("task", "agent", "n", "performance", "speed", "cost", "per trial", "cost/trial")
    columns += ("target",) if aimed else ()
    rows = tuple((names[cell.task], *_row(cell, aimed=aimed)) for cell in cells)
    text = (
        'Speed and cost are per work done on the relative scale: "B · 2.3×" is 2.3 times the best. Seconds and dollars'
        " are means per trial."
    )
    text += " Target: the letters of speed and cost against the task's own targets." if aimed else ""
    right = frozenset({"n", "per trial", "cost/trial"})
    table = Table(
        columns=columns,
        rows=rows,
        right=right,
        names=frozenset({"task", "agent"}),
        drop=("target", "cost/trial", "per trial", "n"),
    )
    return Section(title=title, paragraphs=(text,) if rows else ("No agent but controls took part.",), tables=(table,))


def _row(cell: Cell, *, aimed: bool) -> tuple[str, ...]:
    row = (
        cell.agent,
        f"{cell.n}/{cell.planned}",
        letter(cell.performance),
        scaled(cell.speed),
        scaled(cell.cost),
        seconds(cell.active_seconds),
        dollars(cell.cost_usd),
    )
    return (*row, f"{_against(cell.speed)} {_against(cell.cost)}") if aimed else row


def _against(scale: ScaleGrade) -> str:
    return scale.absolute.letter or UNKNOWN


# ---------------------------------------------------------------------------- over repeats, and along chains of calls


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
    rows = tuple((each.agent, *_chain_figures(each)) for each in found)
    table = Table(
        columns=("agent", *columns),
        rows=rows,
        right=frozenset(columns),
        names=frozenset({"agent"}),
        drop=("limit", "followed ", "again", "score", "turns", oracle.AGENT.name),
    )
    yield Section(title="The Long Chain", paragraphs=(CHAIN_IN_SHORT if brief else CHAIN,), tables=(table,))


def _chain_figures(each: AgentChains) -> tuple[str, ...]:
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
