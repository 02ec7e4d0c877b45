"""The raw figures behind the letters: per agent and task, over repeats, and along chains of tool calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.faces.blocks import Section, Table
from flatfield.faces.reports._ranking import controls, ranked
from flatfield.faces.wording import UNKNOWN, count, dollars, letter, scaled, seconds, wrong_but_confident
from flatfield.scoring.chain import chains, passing, threshold
from flatfield.scoring.fairness.conditions import device_figures, output_tokens_per_second
from flatfield.scoring.measures.performance import ALL

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flatfield.records import Cell, RunResult, ScaleGrade, Scorecard, TrialRecord
    from flatfield.scoring.chain import AgentChains, PassRates
    from flatfield.scoring.fairness.conditions import DeviceFigures


ON_DEVICE = (
    "On this device: tokens of prompts read and of replies written a second as the model's server counts them, without"
    " what it had in its cache; how often the model was loaded, and how long each load took; its server's most memory."
    " Context: the most tokens that a prompt and its reply took, of those there is room for; too short: in so many"
    " trials that was too little."
)
ON_GPU = "On GPU: layers of the model there, or its share of the memory."


LEAST_IMPORTANT = (
    "retrying", "written/s", "with waiting", "level done", "API says", "device", "written", "tokens read", "trials",
)  # fmt: skip
SAID = {
    "trials": "Sums over all trials that ran.",
    "time": "Time: of the model and its tools, without waiting for others and retries.",
    "written/s": "Written/s: tokens written a second, from the first one where it was seen.",
    "level done": "Level done: the hardest level with performance C or better.",
    "API says": "API says: what the API or scaffold itself reports; grades are on ours where a price is known.",
    "device": "Device: what the device's time costs.",
}
"""What columns mean."""


def metrics(result: RunResult) -> Section:
    """Per agent: trials, seconds, tokens, dollars, and the hardest level done; controls apart."""
    columns = _columns(result)
    tables = [
        Table(
            columns=(kind, *columns),
            rows=tuple((card.agent, *_figures(card, columns, result)) for card in cards),
            right=frozenset(columns),
            names=frozenset({kind}),
            drop=LEAST_IMPORTANT,
        )
        for kind, cards in (("agent", ranked(result)), ("control", controls(result)))
        if cards
    ]
    text = " ".join(SAID[column] for column in SAID if column in columns)
    figures = device_figures(result.trials)
    if figures:
        of_gpu = any(each.gpu_layers or each.gpu_memory_bytes for each in figures)
        tables += [_speed_on_device(figures), _room_on_device(figures, of_gpu=of_gpu)]
        text += f" {ON_DEVICE}" + (f" {ON_GPU}" if of_gpu else "")
    claims = wrong_claims(ranked(result))
    return Section(title="Performance Metrics", paragraphs=(text, *([claims] if claims else [])), tables=tuple(tables))


def _columns(result: RunResult) -> list[str]:
    """Those that say something of somebody, and that no other table says: no time of retries where none was lost."""
    cards = result.grading.scorecards
    waited = any(seconds(card.wall_seconds) != seconds(card.active_seconds) for card in cards)
    told = {each.agent for each in device_figures(result.trials)}
    written = any(card.agent not in told and output_tokens_per_second(_ran(card, result)) for card in cards)
    columns = ["trials", "time"]
    columns += ["with waiting"] if waited else []
    columns += ["retrying"] if any(seconds(card.retry_seconds) not in {UNKNOWN, seconds(0.0)} for card in cards) else []
    columns += ["tokens read", "written", *(["written/s"] if written else []), "cost"]
    columns += ["API says"] if any(trial.reported_cost_usd is not None for trial in result.trials) else []
    columns += ["device"] if any(card.device_cost_usd is not None for card in cards) else []
    return columns + (["level done"] if any(task.level is not None for task in result.run.tasks) else [])


def _ran(card: Scorecard, result: RunResult) -> list[TrialRecord]:
    return [trial for trial in result.trials if trial.agent == card.agent and trial.failure is None]


def _speed_on_device(figures: Sequence[DeviceFigures]) -> Table:
    columns = ("read/s", "written/s", "loaded", "each load", "memory")
    rows = tuple(
        (
            each.agent,
            UNKNOWN if each.read_tokens_per_second is None else f"{each.read_tokens_per_second:,.0f}",
            UNKNOWN if each.written_tokens_per_second is None else f"{each.written_tokens_per_second:,.1f}",
            f"{each.loads}×" if each.loads else UNKNOWN,
            seconds(each.load_seconds / each.loads) if each.loads else UNKNOWN,
            UNKNOWN if each.peak_memory_bytes is None else f"{each.peak_memory_bytes / 1e9:.1f} GB",
        )
        for each in figures
    )
    return _device_table(columns, rows)


def _room_on_device(figures: Sequence[DeviceFigures], *, of_gpu: bool) -> Table:
    """What of the context was used, and what is on the GPU; columns that say nothing of anybody are left out."""
    short = any(each.did_not_fit for each in figures)
    columns = ("context used", "of", *(["too short"] if short else []), *(["on GPU"] if of_gpu else []))
    rows = []
    for each in figures:
        row = [each.agent, count(each.most_context_tokens), count(each.context_tokens)]
        row += [f"{each.did_not_fit}×" if each.did_not_fit else UNKNOWN] if short else []
        rows.append((*row, *([_on_gpu(each)] if of_gpu else [])))
    return _device_table(columns, tuple(rows))


def _device_table(columns: tuple[str, ...], rows: tuple[tuple[str, ...], ...]) -> Table:
    name = "on this device"
    return Table(columns=(name, *columns), rows=rows, right=frozenset(columns), names=frozenset({name}))


def _on_gpu(each: DeviceFigures) -> str:
    """`20/25` layers; where the server does not tell these, its share of the memory, `63%`."""
    if each.model_layers is None and each.gpu_memory_bytes is not None and each.peak_memory_bytes:
        return f"{each.gpu_memory_bytes / each.peak_memory_bytes:.0%}"
    return f"{count(each.gpu_layers)}/{count(each.model_layers)}"


def wrong_claims(cards: Sequence[Scorecard]) -> str:
    """Who took for done what was not, as a sentence: whether its work can be delegated; "" where nobody claimed."""
    return wrong_but_confident((card.agent, card.wrong_claims, card.claims) for card in cards)


def _figures(card: Scorecard, columns: Sequence[str], result: RunResult) -> Sequence[str]:
    ran = _ran(card, result)
    rate = output_tokens_per_second(ran)
    cost = UNKNOWN if card.control else _cost(card)
    known = {
        "trials": f"{card.measured}/{card.trials}",
        "time": seconds(card.active_seconds),
        "with waiting": seconds(card.wall_seconds),
        "retrying": seconds(card.retry_seconds),
        "tokens read": count(card.input_tokens),
        "written": count(card.output_tokens),
        "written/s": UNKNOWN if rate is None else f"{rate:,.0f}",
        "cost": cost,
        "API says": _reported(ran),
        "device": UNKNOWN if card.device_cost_usd is None else dollars(card.device_cost_usd),
        "level done": UNKNOWN if card.highest_level is None else str(card.highest_level),
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


CELLS = ("task", "agent", "trials", "performance", "speed", "cost", "time/trial", "$/trial", "by targets")


def tasks_apart(result: RunResult) -> Section:
    """Every cell of a contender: its trials, seconds and dollars for the work done, and their letters."""
    out = {card.agent for card in controls(result)}
    cells = [cell for cell in result.grading.cells if cell.agent not in out]
    aimed = any(cell.speed.absolute.letter or cell.cost.absolute.letter for cell in cells)
    alike = len({(cell.n, cell.planned) for cell in cells}) == 1
    left_out = {*(["trials"] if alike else []), *([] if aimed else ["by targets"])}
    columns = tuple(column for column in CELLS if column not in left_out)
    rows = tuple((cell.task, *_row(cell, columns)) for cell in cells)
    text = (
        '"B · 2.3×": a B, for the work it did it took 2.3 times the seconds (dollars) of the best agent on this task.'
        " Time and dollars are means per trial."
    )
    text += f" Trials of each: {cells[0].n} of {cells[0].planned}." if alike else ""
    text += " By targets: the letters of speed and cost against the task's own targets." if aimed else ""
    table = Table(
        columns=columns,
        rows=rows,
        right=frozenset({"trials", "time/trial", "$/trial"}),
        names=frozenset({"task", "agent"}),
        drop=("by targets", "$/trial", "time/trial", "trials"),
    )
    text = text if rows else "No agent but controls took part."
    return Section(title="Task by Task", paragraphs=(text,), tables=(table,))


def _row(cell: Cell, columns: Sequence[str]) -> tuple[str, ...]:
    known = {
        "agent": cell.agent,
        "trials": f"{cell.n}/{cell.planned}",
        "performance": letter(cell.performance),
        "speed": scaled(cell.speed),
        "cost": scaled(cell.cost),
        "time/trial": seconds(cell.active_seconds),
        "$/trial": dollars(cell.cost_usd),
        "by targets": f"{_against(cell.speed)} {_against(cell.cost)}",
    }
    return tuple(known[column] for column in columns[1:])


def _against(scale: ScaleGrade) -> str:
    return scale.absolute.letter or UNKNOWN


# ---------------------------------------------------------------------------- over repeats, and along chains of calls


CHAIN = (
    "Means per trial. Errors: calls answered with an error. Repeated: made before with the same arguments. Needed:"
    " calls that the task's known solution makes. Needed done: the share of these that its working calls contain in the"
    " same order, by tool and path (another way may be as good)."
)
CHAIN_SHORT = (
    "Fell short: trials that scored less than 1, with their mean score, the share of the needed calls that they did,"
    " and how many were ended by a limit."
)
MOST_KS = 4
"""Values of k that have room side by side."""


def reliability(result: RunResult) -> Iterator[Section]:
    """pass@k and pass^k, where something was repeated."""
    found = {(each.agent, each.k): each for each in passing(result)}
    every = sorted({k for _, k in found})
    if every[-1:] <= [1]:
        return
    ks = every if len(every) <= MOST_KS else [*every[: MOST_KS - 1], every[-1]]
    judged = any(threshold(task) > ALL for task in result.run.tasks)
    text = (
        "How probably it passes, tried once or several times: any of k tries passes (pass@k, Chen et al. 2021),"
        " all of them do (pass^k, Yao et al. 2024). A trial passes with a score of 1"
    )
    text += f"{' (a judged one with an S)' if judged else ''}. Means over tasks with k measured trials."
    columns = ("one try", *(f"{kind} {k}" for k in ks if k > 1 for kind in ("any of", "all")))
    rows = tuple(
        (card.agent, *_of_agent([found.get((card.agent, k)) for k in ks]))
        for card in (*ranked(result), *controls(result))
        if (card.agent, 1) in found
    )
    table = Table(columns=("agent", *columns), rows=rows, right=frozenset(columns), names=frozenset({"agent"}))
    yield Section(title="Tried Again", paragraphs=(text,), tables=(table,))


def _of_agent(row: Sequence[PassRates | None]) -> list[str]:
    cells: list[str] = []
    for number, each in enumerate(row):
        pair = (UNKNOWN, UNKNOWN) if each is None else (f"{each.at_least_once:.2f}", f"{each.every_time:.2f}")
        cells += pair[1:] if number == 0 else pair
    return cells


def long_chain(result: RunResult) -> Iterator[Section]:
    """Tool calls per agent, beside the solution's; and how far those trials got that did not score 1."""
    order = {card.agent: place for place, card in enumerate((*ranked(result), *controls(result)))}
    found = sorted((each for each in chains(result) if each.agent in order), key=lambda each: order[each.agent])
    if not any(each.calls for each in found):
        return
    columns = ("turns", "calls", "errors", "repeated", "needed", "needed done")
    short = ("fell short", "mean score", "needed done", "ended by a limit")
    tables = tuple(
        Table(
            columns=("agent", *named),
            rows=tuple((each.agent, *figures(each)) for each in found),
            right=frozenset(named),
            names=frozenset({"agent"}),
        )
        for named, figures in ((columns, _chain_figures), (short, _short_figures))
    )
    yield Section(title="Tool Calls", paragraphs=(CHAIN, CHAIN_SHORT), tables=tables)


def _chain_figures(each: AgentChains) -> tuple[str, ...]:
    return (
        f"{each.turns:.1f}",
        f"{each.calls:.1f}",
        _percent(each.failed_share),
        _percent(each.repeated_share),
        UNKNOWN if each.oracle_calls is None else f"{each.oracle_calls:.1f}",
        _percent(each.followed_share),
    )


def _short_figures(each: AgentChains) -> tuple[str, ...]:
    return (
        f"{each.short}/{each.trials}",
        UNKNOWN if each.short_score is None else f"{each.short_score:.2f}",
        _percent(each.short_followed),
        str(each.short_limited) if each.short else UNKNOWN,
    )


def _percent(share: float | None) -> str:
    return UNKNOWN if share is None else f"{share:.0%}"
