"""What each trial answered, how it ended, and why it scored so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.faces.blocks import Section, Table
from flatfield.faces.wording import many, one_line, outcome, seconds
from flatfield.scoring.performance import trial_scores, verified

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flatfield.records import RunResult, TrialRecord, Verdict

ANSWER_CHARACTERS = 300
FINDING_CHARACTERS = 400
BRIEF_CHARACTERS = 120
MOST_ROWS = 12
"""Trials that a compact report has room for."""

ByTrial = dict[tuple[str, str, int], list["Verdict"]]


def responses(result: RunResult, *, brief: bool = False) -> Section:
    """One row a trial; the compact form has only those that did not score 1."""
    title = "Agent Responses"
    trials = [trial for trial in result.trials if trial.answer or not trial.imported]
    if not trials:
        text = "These figures were published without the answers." if result.trials else "No trial is stored."
        return Section(title=title, paragraphs=(text,))
    return (_shortcomings if brief else _all)(title, trials, result)


def _all(title: str, trials: list[TrialRecord], result: RunResult) -> Section:
    said = verdicts_by_trial(result)
    rows = tuple(
        (
            trial.task,
            f"{trial.agent} #{trial.repeat}",
            outcome(trial),
            seconds(trial.active_seconds),
            findings(trial, said) or _no_finding(trial),
            one_line(trial.answer, ANSWER_CHARACTERS),
        )
        for trial in trials
    )
    text = f"Whole transcripts: flatfield show {result.run.id}/AGENT/TASK/REPEAT"
    columns = ("task", "trial", "outcome", "active", "checks", "answer")
    return Section(title=title, paragraphs=(text,), tables=(Table(columns=columns, rows=rows),))


def _shortcomings(title: str, trials: list[TrialRecord], result: RunResult) -> Section:
    """What contenders were measured at and did not fully do; a control that scores nothing is no news."""
    controls = {card.agent for card in result.grading.scorecards if card.control}
    trials = [trial for trial in trials if trial.agent not in controls]
    if not trials:
        return Section(title=title, paragraphs=("Only controls ran.",))
    scores = trial_scores(result.run, result.trials, result.verdicts)
    said = verdicts_by_trial(result)
    short = [trial for trial in trials if trial.failure is None and scores.get(trial.id) != 1.0]
    failed = sum(trial.failure is not None for trial in trials)
    groups: dict[tuple[str, str, str, str], list[str]] = {}
    for trial in short:
        key = (trial.agent, trial.task, _score(trial, scores), _why(trial, said))
        groups.setdefault(key, []).append(str(trial.repeat))
    rows = [(agent, task, ",".join(repeats), score, why) for (agent, task, score, why), repeats in groups.items()]
    text = f"{len(short)} of {many(len(trials), 'trial')} did less than score 1"
    text += f", {failed} failed in the harness (see Notes)" if failed else ""
    text += (
        f". The first {MOST_ROWS} lines; all: flatfield report --format markdown --full"
        if len(rows) > MOST_ROWS
        else ""
    )
    table = Table(
        columns=("agent", "task", "#", "score", "why"),
        rows=tuple(rows[:MOST_ROWS]),
        names=frozenset({"agent", "task"}),
        fold=frozenset({"#", "why"}),
        drop=("#", "score"),
    )
    where = f"Whole transcripts: flatfield show {result.run.id}/AGENT/TASK/#"
    return Section(title=title, paragraphs=(f"{text}.", where), tables=(table,))


def _score(trial: TrialRecord, scores: Mapping[str, float]) -> str:
    return f"{scores[trial.id]:.2f}" if trial.id in scores else "–"


def _why(trial: TrialRecord, said: ByTrial) -> str:
    ending = "" if trial.stop == "answered" else f"ended by its {trial.stop.replace('_', ' ')}; "
    return one_line(ending + (findings(trial, said) or "not judged"), BRIEF_CHARACTERS)


def _no_finding(trial: TrialRecord) -> str:
    if trial.failure:
        return ""
    return "all hold" if verified(trial.checks) else "not judged"


def findings(trial: TrialRecord, said: ByTrial, characters: int = FINDING_CHARACTERS) -> str:
    """Every check that is not a whole 1, and what judges said, in so many characters at most."""
    found = [
        f"{check.label}: {check.reason}" for check in verified(trial.checks) if check.score is None or check.score < 1
    ]
    found += [
        f"judge {verdict.judge} {verdict.letter or 'gave no grade'}: {verdict.reason}"
        for verdict in said.get((trial.agent, trial.task, trial.repeat), ())
    ]
    return one_line("; ".join(found), characters)


def verdicts_by_trial(result: RunResult) -> ByTrial:
    """The verdicts that count, by agent, task and repeat."""
    said: ByTrial = {}
    for verdict in result.verdicts:
        said.setdefault((verdict.agent, verdict.task, verdict.repeat), []).append(verdict)
    return said
