"""What failed and why, agent by agent; and each trial with how it ended and what it answered."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from flatfield.faces.blocks import Section, Table
from flatfield.faces.reports._ranking import ranked
from flatfield.faces.wording import UNKNOWN, many, one_line, seconds
from flatfield.scoring.chain import threshold
from flatfield.scoring.measures.performance import trial_scores, verified

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from flatfield.records import RunResult, TrialRecord, Verdict

FAILED = "What Failed and Why"
ANSWER_CHARACTERS = 300
FINDING_CHARACTERS = 400
WHY_CHARACTERS, LOST_CHARACTERS = 90, 200
MOST_TASKS = 2
"""So many tasks that an agent failed are told with a reason; the report has every trial in full."""

ByTrial = dict[tuple[str, str, int], list["Verdict"]]


# What failed, a line for each agent.


def failures(result: RunResult) -> Section:
    """How many trials fell short, and of each agent, best first, on what and why."""
    controls = {card.agent for card in result.grading.scorecards if card.control}
    trials = [trial for trial in result.trials if trial.agent not in controls]
    if not trials:
        text = "Only controls ran." if result.trials else "No trial is stored."
        return Section(title=FAILED, paragraphs=(text,))
    scores = trial_scores(result.run, result.trials, result.verdicts)
    passes = {task.id: threshold(task) for task in result.run.tasks}
    short = [trial for trial in trials if trial.id in scores and scores[trial.id] < passes.get(trial.task, 1.0)]
    lost = [trial for trial in trials if trial.failure is not None]
    if not short and not lost:
        return Section(title=FAILED, paragraphs=(f"Nothing failed. {_where(result)}",))
    points = [*_points(result, trials, short, scores)] if _has_answers(result) else []
    return Section(
        title=FAILED,
        paragraphs=(f"{_counts(trials, short, lost)}. {_where(result)}",),
        points=tuple(points),
    )


def _where(result: RunResult) -> str:
    """Where every word of a trial is."""
    if not _has_answers(result):
        return "These figures were published without the answers."
    return f"Every word of a trial: flatfield show {result.run.id}/AGENT/TASK/REPEAT"


def _has_answers(result: RunResult) -> bool:
    return any(trial.answer or not trial.imported for trial in result.trials)


def _counts(trials: Sequence[TrialRecord], short: Sequence[TrialRecord], lost: Sequence[TrialRecord]) -> str:
    """`73 of 108 trials did not do all of the work, 2 are not measured`."""
    parts = [f"{len(short):,} of {many(len(trials), 'trial')} did not do all of the work"] if short else []
    number = f"{len(lost):,}" if short else f"{len(lost):,} of {many(len(trials), 'trial')}"
    parts += [f"{number} {'is' if len(lost) == 1 else 'are'} not measured, which is no agent's fault"] if lost else []
    return ", ".join(parts)


def _points(
    result: RunResult, trials: Sequence[TrialRecord], short: Sequence[TrialRecord], scores: Mapping[str, float]
) -> Iterator[str]:
    said = verdicts_by_trial(result)
    for card in ranked(result):
        own = [trial for trial in trials if trial.agent == card.agent]
        failed = [trial for trial in short if trial.agent == card.agent]
        lost = [trial for trial in own if trial.failure is not None]
        parts = [f"{len(failed):,} of {len(own):,} fell short: {_tasks(failed, own, scores, said)}"] if failed else []
        if lost:
            why = Counter(trial.failure.message for trial in lost if trial.failure).most_common(1)[0][0]
            parts.append(f"{len(lost):,} of {len(own):,} not measured: {one_line(why, LOST_CHARACTERS)}")
        if parts:
            yield f"{card.agent}: {'; '.join(parts)}"


def _tasks(
    failed: Sequence[TrialRecord], own: Sequence[TrialRecord], scores: Mapping[str, float], said: ByTrial
) -> str:
    """`oslo 2 of 3 (there is no file a.txt), rome 1 of 3 (…) and 4 more tasks`: where most is missing stands first."""
    tried = Counter(trial.task for trial in own)
    by_task: dict[str, list[TrialRecord]] = {}
    for trial in failed:
        by_task.setdefault(trial.task, []).append(trial)
    worst = sorted(by_task, key=lambda task: sum(scores[trial.id] - 1.0 for trial in by_task[task]) / tried[task])
    shown = worst if len(worst) <= MOST_TASKS + 1 else worst[:MOST_TASKS]
    parts = []
    for task in shown:
        why = Counter(_why(trial, said) for trial in by_task[task]).most_common(1)[0][0]
        often = f" {len(by_task[task])} of {tried[task]}" if tried[task] > 1 else ""
        parts.append(f"{task}{often}" + (f" ({why})" if why else ""))
    more = len(worst) - len(shown)
    return ", ".join(parts) + (f" and {many(more, 'more task')}" if more else "")


def _why(trial: TrialRecord, said: ByTrial) -> str:
    """The first that was found wanting, in short; "" where nobody said anything."""
    ending = "" if trial.stop == "answered" else f"ended by its {trial.stop.replace('_', ' ')}"
    reasons = [
        check.reason or check.label for check in verified(trial.checks) if check.score is None or check.score < 1
    ]
    reasons += [
        f"judge {verdict.judge} {verdict.letter or 'gave no grade'}: {verdict.reason}"
        for verdict in said.get((trial.agent, trial.task, trial.repeat), ())
        if verdict.reason
    ]
    return one_line(": ".join(filter(None, (ending, *reasons[:1]))), WHY_CHARACTERS)


# Every trial, in full.


def every_trial(result: RunResult) -> Section:
    """One row a trial."""
    title = "Every Trial"
    trials = [trial for trial in result.trials if trial.answer or not trial.imported]
    if not trials:
        text = "These figures were published without the answers." if result.trials else "No trial is stored."
        return Section(title=title, paragraphs=(text,))
    said, scores = verdicts_by_trial(result), trial_scores(result.run, result.trials, result.verdicts)
    rows = tuple(
        (
            trial.task,
            trial.agent,
            str(trial.repeat),
            f"{scores[trial.id]:.2f}" if trial.id in scores else UNKNOWN,
            "not measured" if trial.failure else trial.stop.replace("_", " "),
            seconds(trial.active_seconds),
            _found(trial, said),
            one_line(trial.answer, ANSWER_CHARACTERS),
        )
        for trial in trials
    )
    text = f"Every word of one: flatfield show {result.run.id}/AGENT/TASK/REPEAT"
    table = Table(
        columns=("task", "agent", "try", "score", "how it ended", "time", "checks", "answer"),
        rows=rows,
        right=frozenset({"try", "score", "time"}),
        names=frozenset({"task", "agent"}),
        fold=frozenset({"checks", "answer"}),
    )
    return Section(title=title, paragraphs=(text,), tables=(table,))


def _found(trial: TrialRecord, said: ByTrial) -> str:
    """What checks and judges found; of a trial that is not measured, why not."""
    if trial.failure:
        why = f"{trial.failure.kind.replace('_', ' ')}: {trial.failure.message}"
        return "; ".join(filter(None, (one_line(why, FINDING_CHARACTERS), findings(trial, said))))
    return findings(trial, said) or ("all hold" if verified(trial.checks) else "not judged")


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
