"""What a page knows of a run: its figures, the posterior's draws, why trials failed; plain data for its script."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from flatfield.faces.advice import counted, in_short
from flatfield.faces.reports._content import rest
from flatfield.faces.reports._responses import findings, verdicts_by_trial
from flatfield.faces.wording import letter, middle_cut, one_line, outcome, printable, rank
from flatfield.records import Weights
from flatfield.saying import dollars, seconds
from flatfield.scoring.answer import graded, per_trial, unfinished, what_it_did
from flatfield.scoring.certainty.study import by_preference, study_run, surer
from flatfield.scoring.decision import decide
from flatfield.scoring.facts import facts_of, unproven
from flatfield.scoring.grading import GradingTerms, grade_drawn
from flatfield.scoring.performance import measure, trial_scores
from flatfield.scoring.published import compare_published
from flatfield.scoring.scales import HOLDS
from flatfield.scoring.standing import bounds_of, did_as_well, known
from flatfield.tasks.agents import short_names
from flatfield.tasks.cascades import is_upper_bound

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from flatfield.faces.blocks import Section
    from flatfield.faces.pages.colors import Appearance
    from flatfield.records import AgentConfig, CascadeStep, Cell, Grade, Grading, Preferences, RunResult, Scorecard
    from flatfield.scoring.certainty.posterior import DrawnMeans
    from flatfield.scoring.certainty.study import Study
    from flatfield.scoring.certainty.values import Estimate, Standing
    from flatfield.scoring.facts import Facts
    from flatfield.scoring.standing import KnownPart, ScoreBounds

MeanAndEnds = tuple[float, float, float]
"""An estimate, and the ends of its 95%."""
NEXT = ("performance", "speed", "cost", "solved", "seconds", "usd", "expected_usd", "expected_wait_seconds")
THESE = ("performance", "speed", "cost")
"""The means that a page needs draws of, on the next task and on these."""
REASON_CHARACTERS, ANSWER_CHARACTERS, NAME_CHARACTERS = 600, 400, 44
MOST_ROWS = 1500
"""A table with more rows is no reading: the page has the same in its grid."""
SHOWN_ELSEWHERE = frozenset({"Every Trial", "Fairness Manifest"})


class Packed(Struct, frozen=True, kw_only=True):
    """What travels in a page: `figures` at once, `reasons` when somebody asks why, `draws` as bytes (`draw_bytes`)."""

    figures: dict[str, Any]
    reasons: dict[str, Any]
    draws: bytes


def packed(result: RunResult, looks: Mapping[str, Appearance]) -> Packed:
    """A run as a page's data, by the preferences that it was read with."""
    facts = facts_of(result)
    study = study_run(result, result.frozen or result.run.anchors)
    cards = [card for card in result.grading.scorecards if not card.control]
    state = known([card.agent for card in cards], result.grading.cells)
    agents = _agents(cards, facts, study, state, looks)
    arrays = list(_arrays(study, cards, state))
    figures = {
        **_head(result, facts),
        "agents": agents,
        "controls": [
            {"name": card.agent, "n": card.measured, "performance": letter(card.performance)}
            for card in result.grading.scorecards
            if card.control
        ],
        "tasks": [
            {"id": task.id, "title": task.title, "level": task.level, "tags": task.tags} for task in result.run.tasks
        ],
        "cells": _cells(result, [card.agent for card in result.grading.scorecards]),
        "didAsWell": _pairs(cards, state),
        "costGaps": _has_cost_gaps(result, study),
        "surer": [] if study is None else surer(study),
        "preferred": [] if study is None else by_preference(study),
        "timed": result.run.timed,
        "nextAble": [] if study is None else (study.posterior.next.performance.mean(axis=0) >= HOLDS).tolist(),
        "draws": None
        if study is None
        else {
            "count": len(study.posterior.next.performance),
            "agents": study.posterior.agents,
            "arrays": [(name, values.shape[1]) for name, values in arrays],
        },
        "manifest": _manifest(result),
        "sections": [_section(one) for one in rest(result) if one.title not in SHOWN_ELSEWHERE],
    }
    draws = draw_bytes(values for _, values in arrays)
    return Packed(figures=readable(figures), reasons=readable(_reasons(result)), draws=draws)


def readable(value: Any) -> Any:  # noqa: ANN401 - any part of what travels
    """The same with all texts as they are shown: nothing in a name turns the text around or hides in it."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {printable(name): readable(each) for name, each in value.items()}
    return [readable(each) for each in value] if isinstance(value, list | tuple) else value


def draw_bytes(arrays: Iterator[NDArray[np.float64]]) -> bytes:
    """The arrays, one after the other, each as four planes of bytes: the upper halves of its numbers.

    Draws have no bits below these (`posterior.KEPT_BITS`), and planes of like bytes are packed well.
    """
    import numpy as np

    planes = []
    for values in arrays:
        upper = (np.ascontiguousarray(values, dtype="<f8").view("<u8") >> np.uint64(32)).astype("<u4")
        planes.append(upper.view(np.uint8).reshape(-1, 4).T.tobytes())
    return b"".join(planes)


# The head: what the run is, what was asked, and what every face says of it.


def _head(result: RunResult, facts: Facts) -> dict[str, Any]:
    decision = decide(result)
    run, wanted = result.run, result.preferences
    return {
        "run": {
            "id": run.id,
            "title": one_line(run.evaluation.title, 200),
            "created": run.created_at[:16].replace("T", " "),
            "counted": counted(result),
            "imported": f"imported from {run.origin}" if run.imported else "",
            "command": run.command,
        },
        "said": {"answer": decision.answer, "advice": in_short(result).points, "details": decision.details},
        "asked": _asked(result, wanted),
        "unfinished": bool(unfinished(result)),
        "unknown": facts.known is None,
    }


def _asked(result: RunResult, wanted: Preferences) -> dict[str, Any]:
    run = result.run.evaluation.weights
    weights = wanted.weights or result.grading.asked or result.grading.weights
    money = None
    if wanted.solved_usd is not None:
        money = {"solved": wanted.solved_usd, "hour": wanted.hour_usd or 0.0}
    return {
        "weights": _three(weights),
        "run": _three(run),
        "money": money,
        "limits": {
            "performance": wanted.min_performance,
            "seconds": wanted.max_seconds,
            "usd": wanted.max_cost_usd,
            "onDevice": wanted.local_only,
        },
    }


def _three(weights: Weights) -> tuple[float, float, float]:
    return weights.performance, weights.speed, weights.cost


# Agents: what of them does not change with the weights.


def _agents(
    cards: Sequence[Scorecard],
    facts: Facts,
    study: Study | None,
    state: Mapping[str, KnownPart],
    looks: Mapping[str, Appearance],
) -> list[dict[str, Any]]:
    rows = {} if study is None else {name: row for row, name in enumerate(study.posterior.agents)}
    lacking, opened = unproven(facts.result, tuple(facts.able)), _opened(facts.result)
    short = short_names(card.agent for card in cards)
    standings = {one.agent: one for one in facts.standings}
    flat = frozenset(agent.name for agent in facts.result.run.agents if agent.prepaid)
    made = {agent.name: _made_of(agent) for agent in facts.result.run.agents}
    found = []
    for card in cards:
        took, usd = per_trial(card)
        standing, look = standings.get(card.agent), looks[card.agent]
        found.append(
            {
                "name": card.agent,
                "short": middle_cut(one_line(short.get(card.agent, card.agent), 200), NAME_CHARACTERS),
                "made": made.get(card.agent, ""),
                "family": look.family,
                "shape": look.shape,
                "shade": (look.shade.light, look.shade.dark),
                "row": rows.get(card.agent, -1),
                "n": card.measured,
                "planned": card.trials,
                "performance": _grade(card.performance),
                "speed": _grade(card.speed),
                "cost": _grade(card.cost),
                "rank": rank(card.rank),
                "seconds": took,
                "usd": usd,
                "typical": typical(card, standing),
                "front": standing.front if standing else 0.0,
                "did": _did(standing, facts, flat),
                "subscription": card.agent in flat,
                "onDevice": card.agent in facts.local,
                "able": card.agent in facts.able,
                "unproven": lacking.get(card.agent),
                "gap": state[card.agent].gap if card.agent in state else 0.0,
                "open": opened.get(card.agent),
                "claims": (card.wrong_claims, card.claims),
            }
        )
    return found


def _made_of(agent: AgentConfig) -> str:
    """`fast, then deep (an upper bound)`: what a cascade is made of; "" for any other agent."""
    if not agent.steps or not agent.check:
        return ""
    steps = ", then ".join(step.name for step in agent.steps)
    return f"{steps} ({'an upper bound' if is_upper_bound(agent) else f'check: {agent.check}'})"


def _did(standing: Standing | None, facts: Facts, flat: frozenset[str]) -> tuple[str, str]:
    """What an agent did, as it is said by weights and in money, where flat rates cost nothing."""
    if standing is None:
        return "", ""
    by_weights, in_money = replace(facts, prepaid=frozenset()), replace(facts, prepaid=flat)
    return what_it_did(standing, by_weights), what_it_did(standing, in_money)


def _grade(grade: Grade) -> dict[str, Any]:
    return {
        "score": grade.score,
        "letter": grade.letter,
        "n": grade.n,
        "said": graded(grade),
        "note": grade.note,
        "lacks": grade.lacks,
    }


def typical(card: Scorecard, standing: Standing | None) -> dict[str, MeanAndEnds | None]:
    """Performance on these tasks, and seconds and dollars of a typical trial, each with its 95%; None: not known.

    What somebody without any price may cost is a guess from what the others cost: no place to draw them at.
    """
    these = standing.these if standing else None
    return {
        "performance": _levels(card.performance),
        "seconds": _ends_of(these.seconds if these else None),
        "usd": _ends_of(these.usd if these and card.priced else None),
    }


def _levels(grade: Grade) -> MeanAndEnds | None:
    if grade.score is None:
        return None
    if grade.interval is None:
        return grade.score, grade.score, grade.score
    return grade.score, grade.interval.low, grade.interval.high


def _ends_of(found: Estimate | None) -> MeanAndEnds | None:
    """The middle is that of the ends on the axis that they are drawn on, a logarithmic one.

    Where little is known, a few draws are so large that the mean is far above what was measured.
    """
    if found is None:
        return None
    return math.sqrt(found.low * found.high) if found.low > 0.0 else found.mean, found.low, found.high


def _pairs(cards: Sequence[Scorecard], state: Mapping[str, KnownPart]) -> list[tuple[int, int]]:
    """Places of agents of which the first did as well on every task as the second, with less missing."""
    gaps = [state[card.agent].gap if card.agent in state else 0.0 for card in cards]
    return [
        (a, b)
        for a, one in enumerate(cards)
        for b, other in enumerate(cards)
        if gaps[a] < gaps[b] and did_as_well(state[one.agent], state[other.agent])
    ]


def _has_cost_gaps(result: RunResult, study: Study | None) -> bool:
    """Whether cost is left out of all overalls wherever it has a weight (`grading.without_cost`)."""
    grading: Grading = result.grading
    if not (grading.asked or grading.weights).cost:
        terms = GradingTerms(weights=Weights(), anchors=result.frozen or result.run.anchors)
        grading = grade_drawn(result.run, result.trials, result.verdicts, terms, study)
    return bool(grading.unpriced or grading.without_scale)


def _opened(result: RunResult) -> dict[str, list[list[float | None]]]:
    """By agent with checks that were not measured: its three means if all of that had failed, as they are, or full."""
    lacking = {cell.agent for cell in result.grading.cells if cell.down or cell.up}
    if not lacking:
        return {}
    figures = measure(result.run, result.trials, result.verdicts).figures
    anchors = {(one.task, one.measure): one for one in result.grading.anchors}
    found: dict[str, list[ScoreBounds]] = {}
    for cell in result.grading.cells:
        if cell.agent in lacking:
            scales = {m: anchors.get((cell.task, m)) for m in ("speed", "cost")}
            bounds = bounds_of(cell, figures.get((cell.agent, cell.task), ()), scales)  # type: ignore[arg-type]
            found.setdefault(cell.agent, []).append(bounds)
    return {name: [_means(bounds, part) for part in ("least", "now", "most")] for name, bounds in found.items()}


def _means(bounds: Sequence[ScoreBounds], part: str) -> list[float | None]:
    from flatfield.scoring.scales import mean

    columns = zip(*(getattr(each, part) for each in bounds), strict=True)
    kept = ([value for value in column if value is not None] for column in columns)
    return [mean(values) if values else None for values in kept]


# Draws.


def _arrays(
    study: Study | None, cards: Sequence[Scorecard], state: Mapping[str, KnownPart]
) -> Iterator[tuple[str, NDArray[np.float64]]]:
    if study is None:
        return
    for which, names in (("next", NEXT), ("these", THESE)):
        means: DrawnMeans = getattr(study.posterior, which)
        for name in names:
            values = getattr(means, name)
            if values is not None:
                yield f"{which}.{name}", values
    yield from _chances(study, cards, state)


def _chances(
    study: Study, cards: Sequence[Scorecard], state: Mapping[str, KnownPart]
) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """What fills the gaps of agents with unmeasured trials where ranks are drawn (`ranges.rank_ranges`)."""
    import numpy as np

    rows = set(study.posterior.agents)
    field = [card for card in cards if card.agent in rows and card.overall.score is not None]
    gaps = [state[card.agent].gap for card in field]
    if not any(gaps):
        return
    chance = np.random.default_rng(study.seed + 8).random((len(study.posterior.next.performance), len(field)))
    places = {card.agent: place for place, card in enumerate(cards)}
    for column, card in enumerate(field):
        if gaps[column]:
            yield f"chance.{places[card.agent]}", chance[:, [column]]


# Cells, task by task: columns of equal length, so that ten thousands of them stay small.


def _cells(result: RunResult, names: Sequence[str]) -> dict[str, Any]:
    found: dict[tuple[str, str], Cell] = {(cell.task, cell.agent): cell for cell in result.grading.cells}
    cells = [found.get((task.id, name)) for task in result.run.tasks for name in names]
    return {
        "agents": names,
        "score": [None if cell is None else cell.performance.score for cell in cells],
        "performance": "".join(_one(None if cell is None else cell.performance) for cell in cells),
        "speed": "".join(_one(None if cell is None else cell.speed.relative) for cell in cells),
        "cost": "".join(_one(None if cell is None else cell.cost.relative) for cell in cells),
        "n": [cell.n if cell else 0 for cell in cells],
        "planned": [cell.planned if cell else 0 for cell in cells],
        "seconds": [cell and cell.active_seconds for cell in cells],
        "usd": [cell and cell.cost_usd for cell in cells],
    }


def _one(grade: Grade | None) -> str:
    """A letter, `·` for not measured, a blank for who does not take part."""
    return " " if grade is None else grade.letter or "·"


def _reasons(result: RunResult) -> dict[str, Any]:
    """Why each trial scored what it did, by task and agent; and published letters beside ours."""
    scores = trial_scores(result.run, result.trials, result.verdicts)
    said = verdicts_by_trial(result)
    return {
        "trials": [
            {
                "agent": trial.agent,
                "task": trial.task,
                "repeat": trial.repeat,
                "score": scores.get(trial.id),
                "ended": outcome(trial),
                "why": findings(trial, said, REASON_CHARACTERS),
                "answer": one_line(trial.answer, ANSWER_CHARACTERS),
                "took": f"{seconds(trial.active_seconds)}, {dollars(trial.cost_usd)}",
                "steps": [_step(step) for step in trial.steps],
            }
            for trial in result.trials
        ],
        "published": [
            {"agent": row.agent, "task": row.task, "said": f"{row.measure}: published {row.published}, here {row.ours}"}
            for row in compare_published(result)
        ],
    }


def _step(step: CascadeStep) -> str:
    """`fast: 1.2 s, $0.001, does not pass: 2 of 5 tests`."""
    verdict = "taken" if step.passed is None else "passes" if step.passed else "does not pass"
    why = f": {one_line(step.reason, ANSWER_CHARACTERS)}" if step.reason else ""
    return f"{step.agent}: {seconds(step.active_seconds)}, {dollars(step.cost_usd)}, {verdict}{why}"


# Everything else that reports say: the manifest, and their sections as they are.


def _manifest(result: RunResult) -> list[dict[str, Any]]:
    return [
        {
            "heading": row.heading,
            "label": row.label,
            "differs": row.differs,
            "values": row.values,
            "varies": row.varies,
            "note": row.note,
        }
        for row in result.manifest
    ]


def _section(section: Section) -> dict[str, Any]:
    return {
        "title": section.title,
        "paragraphs": section.paragraphs,
        "points": (*section.points, *section.items),
        "tables": [
            {
                "columns": table.columns,
                "right": sorted(table.right),
                "rows": table.rows[:MOST_ROWS],
                "all": len(table.rows),
            }
            for table in section.tables
            if table.rows
        ],
    }
