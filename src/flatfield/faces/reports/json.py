"""The report as JSON: every figure by name, nothing rounded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from flatfield.faces.comparisons import sentence
from flatfield.faces.varied import as_data
from flatfield.faces.wording import json_of
from flatfield.records import ReportTraits
from flatfield.scoring.chain import chains, each_chain, passing
from flatfield.scoring.comparing import asked_for
from flatfield.scoring.decision import decide
from flatfield.scoring.fairness.conditions import abandoned_sum, device_figures, output_tokens_per_second
from flatfield.scoring.measures.performance import known_seconds, trial_scores
from flatfield.scoring.published import compare_published

if TYPE_CHECKING:
    from flatfield.records import Comparison, RunResult, TrialRecord
    from flatfield.scoring.chain import Chain

TRAITS = ReportTraits(media_type="application/json", is_json=True)
FIRST = ("run", "title", "decision", "scorecards")
"""What a shortened report keeps before all else."""


def render(result: RunResult) -> str:
    """`{run, trials, scorecards, …}`, indented; what is not known or not measured is null."""
    from flatfield.scoring.judge.reliability import (
        trust,  # it needs numpy, which asking for the traits of formats does not
    )

    run, decided = result.run, msgspec.structs.asdict(decide(result))
    counted = each_chain(result)
    value = {
        "run": run.id,
        "title": run.evaluation.title,
        "created_at": run.created_at,
        "imported": run.imported,
        "command": run.command,
        "seed": run.evaluation.seed,
        "versions": run.versions,
        "decision": {name: part for name, part in decided.items() if name != "standings"},
        "standings": decided["standings"],
        "trials": rows(result),
        "scorecards": result.grading.scorecards,
        "cells": result.grading.cells,
        "anchors": result.grading.anchors,
        "weights": result.grading.weights,
        "responses": [_response(trial, counted.get(trial.id)) for trial in result.trials],
        "verdicts": result.verdicts,
        "verdicts_set_aside": result.set_aside,
        "judges": trust(result),
        "comparisons": [_compared(each) for each in (*asked_for(result), *result.earlier)],
        "variations": as_data(result)["factors"] if run.variations else [],
        "passing": passing(result),
        "chains": chains(result, counted),
        "published": compare_published(result),
        "devices": device_figures(result.trials),
        "manifest": result.manifest,
        "notes": (*run.notes, *result.grading.notes),
    }
    return json_of(value) + "\n"


def shorter(text: str, characters: int) -> str:
    """The report with its decision and scorecards, then its smallest values; `left_out` names those without room."""
    dense = msgspec.json.format(text, indent=-1)
    report: dict[str, msgspec.Raw] = msgspec.json.decode(dense, type=dict[str, msgspec.Raw])
    kept: dict[str, msgspec.Raw] = {}
    room = characters - sum(len(name) + 8 for name in report)
    for name, value in sorted(report.items(), key=lambda item: (item[0] not in FIRST, len(bytes(item[1])))):
        if len(bytes(value)) <= room:
            kept[name] = value
            room -= len(bytes(value))
    left_out = [name for name in report if name not in kept]
    shown = {name: value for name, value in report.items() if name in kept}
    return msgspec.json.encode({**shown, "left_out": left_out}).decode()


def _response(trial: TrialRecord, chain: Chain | None) -> dict[str, Any]:
    """What a trial has beside its figures; `reported_cost_usd` is what the API itself says that it cost.

    `abandoned`: what of its cost is for attempts that broke off after their first token; its tokens leave them out.
    """
    return {
        "trial": trial.id,
        "answer": trial.answer,
        "checks": trial.checks,
        "chain": chain,
        "reported_cost_usd": trial.reported_cost_usd,
        "abandoned": abandoned_sum([trial]),
        "output_tokens_per_second": output_tokens_per_second([trial]),
        "sandbox_seconds": trial.sandbox_seconds,
    }


def _compared(found: Comparison) -> dict[str, Any]:
    return {"sentence": sentence(found), **msgspec.structs.asdict(found)}


def rows(result: RunResult) -> list[dict[str, Any]]:
    """One map of figures a trial; what is not known or not measured is None."""
    scores = trial_scores(result.run, result.trials, result.verdicts)
    return [_row(trial, scores.get(trial.id)) for trial in result.trials]


def _row(trial: TrialRecord, score: float | None) -> dict[str, Any]:
    usage = trial.usage
    return {
        "agent": trial.agent,
        "task": trial.task,
        "repeat": trial.repeat,
        "score": score,
        "stop": trial.stop,
        "turns": trial.turn_count,
        "tool_calls": trial.tool_calls,
        "input_tokens": usage.input_tokens if usage else None,
        "cache_read_tokens": usage.cache_read_tokens if usage else None,
        "output_tokens": usage.output_tokens if usage else None,
        "reasoning_tokens": usage.reasoning_tokens if usage else None,
        "active_seconds": known_seconds(trial),
        "wall_seconds": None if known_seconds(trial) is None else trial.wall_seconds,
        "first_token_seconds": trial.first_token_seconds,
        "cost_usd": trial.cost_usd,
        "failure": trial.failure.message if trial.failure else None,
    }
