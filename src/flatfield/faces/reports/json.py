"""The report as JSON: every figure by name, nothing rounded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from flatfield.scoring.performance import trial_scores

if TYPE_CHECKING:
    from flatfield.records import RunResult, TrialRecord


def render(result: RunResult) -> str:
    """`{run, trials, scorecards, cells, anchors, weights, verdicts, manifest, notes}`, indented."""
    value = {
        "run": result.run.id,
        "title": result.run.evaluation.title,
        "created_at": result.run.created_at,
        "imported": result.run.imported,
        "versions": result.run.versions,
        "trials": rows(result),
        "scorecards": result.grading.scorecards,
        "cells": result.grading.cells,
        "anchors": result.grading.anchors,
        "weights": result.grading.weights,
        "verdicts": result.verdicts,
        "manifest": result.manifest,
        "notes": result.grading.notes,
    }
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"


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
        "turns": len(trial.turns),
        "tool_calls": trial.tool_calls,
        "input_tokens": usage.input_tokens if usage else None,
        "cache_read_tokens": usage.cache_read_tokens if usage else None,
        "output_tokens": usage.output_tokens if usage else None,
        "reasoning_tokens": usage.reasoning_tokens if usage else None,
        "active_seconds": trial.active_seconds,
        "wall_seconds": trial.wall_seconds,
        "first_token_seconds": trial.first_token_seconds,
        "cost_usd": trial.cost_usd,
        "failure": trial.failure.message if trial.failure else None,
    }
