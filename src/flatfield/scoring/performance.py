"""Performance of trials: from their checks and their verdicts to one score each, or "not measured"."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct, structs
from msgspec.structs import replace

from flatfield import plugins
from flatfield.records import MIDPOINTS, SkillScore
from flatfield.saying import few
from flatfield.scoring.scales import BANDS, exact, letter_of, mean, weighted_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from flatfield.records import AgentConfig, Check, Run, Task, TrialRecord, Verdict


# Decides what a verifier's own trouble with a trial says, which one trial alone cannot show.


CheckPlace = tuple[str, str, int]
"""A task, its digest, and which of its checks."""


class Settled(Struct, frozen=True, kw_only=True):
    """The trials with their checks settled, and a sentence for each check that came to nothing on any of them."""

    trials: tuple[TrialRecord, ...]
    broken: tuple[str, ...]


def settled(trials: Sequence[TrialRecord]) -> Settled:
    """Give a check that had trouble of its own a 0 where the same check came to a score on another trial of the task.

    Then it is the agent's work that it stumbled over: what is not measured never helps. Where it stumbled over the work
    of all, two trials or more, the check is broken, and measures nobody. Over the one trial that there is: a 0 if what
    it read had another shape than it knows, else nobody can tell.
    """
    found: dict[CheckPlace, list[Check]] = defaultdict(list)
    for trial in trials:
        for place, check in _places(trial):
            if check.score is not None or check.trouble:
                found[place].append(check)
    stumbled = {place: all(check.score is None for check in checks) for place, checks in found.items()}
    broken = [
        f"the check {checks[0].label} of task {place[0]} came to no score on any of {len(checks)} trials"
        f" ({checks[0].reason}): it is broken, so nobody is measured by it; correct it and regrade"
        for place, checks in found.items()
        if stumbled[place] and len(checks) > 1
    ]
    alone = {place for place, checks in found.items() if len(checks) == 1}

    def settle(trial: TrialRecord) -> TrialRecord:
        checks = tuple(
            _settle(check, others_did=not stumbled.get(place, True), alone=place in alone)
            for place, check in _places(trial)
        )
        return replace(trial, checks=checks) if checks != trial.checks else trial

    return Settled(trials=tuple(map(settle, trials)), broken=tuple(broken))


def _places(trial: TrialRecord) -> list[tuple[CheckPlace, Check]]:
    return [((trial.task, trial.task_digest, index), check) for index, check in enumerate(trial.checks)]


def _settle(check: Check, *, others_did: bool, alone: bool) -> Check:
    if check.score is not None or not check.trouble:
        return check
    if others_did:
        return replace(check, score=0.0, reason=f"{check.reason}; 0, for on other trials it came to a score")
    if alone and check.trouble == "data":
        return replace(check, score=0.0, reason=f"{check.reason}; 0, for what the agent left has another shape")
    return check


# What an agent is good at: the scores of its checks, skill by skill.


def skill_scores(trials: Iterable[TrialRecord]) -> tuple[SkillScore, ...]:
    """For each skill, by name: the mean of the measured checks that name it, each with its weight.

    Trials that the harness failed are left out, and so are checks that were not measured: they are not zeros.
    """
    found: dict[str, list[tuple[float, float]]] = {}
    for trial in trials:
        for check in verified(trial.checks) if trial.failure is None else ():
            if check.skill is not None and check.score is not None:
                found.setdefault(check.skill, []).append((check.score, check.weight))
    means = ((skill, weighted_mean(found[skill]), len(found[skill])) for skill in sorted(found))
    return tuple(
        SkillScore(skill=skill, score=score, letter=letter_of(score), n=n)
        for skill, score, n in means
        if score is not None
    )


NOT_ALL = 0.94
"""The most that a trial's score is where a check is not full or was not measured: just below the best letter."""
ALL = BANDS[0][1]
"""From this score on a verified trial has done all of it."""
T = TypeVar("T")
CellKey = tuple[str, str]
"""(agent, task)."""
TaskCheck = tuple[str, int, str, str]
"""A check of a task: the task, which of its checks, the verifier's name and the check's label."""


class Figures(Struct, frozen=True, kw_only=True):
    """What grades need of one measured trial: its score in 0..1, and active seconds (None: nobody told them).

    `usd` is what its cost is graded on (None: no price known). `down` and `up`: how much lower and higher the score may
    be, for checks that were measured on other trials of the task and not on this one.
    """

    score: float
    seconds: float | None
    usd: float | None
    down: float = 0.0
    up: float = 0.0


class Measured(Struct, frozen=True, kw_only=True):
    """All measured trials by (agent, task); the judge's scores of the same trials where it gave any; remarks."""

    figures: dict[CellKey, tuple[Figures, ...]]
    judged: dict[CellKey, tuple[float, ...]]
    notes: tuple[str, ...]


def measure(run: Run, trials: Sequence[TrialRecord], verdicts: Sequence[Verdict]) -> Measured:
    """One score per trial, where there is one.

    Trials that the harness failed, or whose verifiers and judge all measured nothing, are left out: they are not zeros.
    Where a judge whose letters are blended with the checks gave none for some trials of a task, its verifiers count
    alone there for all: a judge that fails is no agent's gain or loss.
    """
    letters = judge_scores(verdicts)
    blended = _blended(run, trials, letters)
    scored = came_to_a_score(trials) if any(map(is_open, trials)) else frozenset()
    found = _measured(run, trials, letters, blended, scored)
    judged_tasks = {task for _, task, _ in letters}
    return structs.replace(
        found, notes=(*found.notes, *_unjudged(run, judged_tasks), *_partly(run, judged_tasks - blended))
    )


def trial_scores(run: Run, trials: Sequence[TrialRecord], verdicts: Sequence[Verdict]) -> dict[str, float]:
    """The score of each measured trial by its id, as grades count it; trials that are not measured are left out."""
    letters = judge_scores(verdicts)
    blended = _blended(run, trials, letters)
    agents, tasks = {agent.name for agent in run.agents}, {task.id: is_verified(task) for task in run.tasks}
    scores: dict[str, float] = {}
    for trial in trials:
        if trial.failure is not None or trial.agent not in agents or trial.task not in tasks:
            continue
        weight = run.evaluation.judge_weight if trial.task in blended else 0.0
        letter = letters.get((trial.agent, trial.task, trial.repeat))
        by_checks = tasks[trial.task] or bool(verified(trial.checks))
        score = _blend(checks_score(trial.checks), letter, weight) if by_checks else letter
        if score is not None:
            scores[trial.id] = score
    return scores


def _blended(run: Run, trials: Sequence[TrialRecord], letters: Mapping[tuple[str, str, int], float]) -> set[str]:
    """The tasks that the judge's letters count for: all that it graded, where they are to be blended without a gap."""
    graded = {task for _, task, _ in letters}
    if not 0.0 < run.evaluation.judge_weight < 1.0:
        return graded
    return graded - {trial.task for trial in _without_letter(run, trials, letters)}


def without_letter(run: Run, trials: Sequence[TrialRecord], verdicts: Sequence[Verdict]) -> tuple[TrialRecord, ...]:
    """Verified trials that lack the judge's letter, though it counts for their tasks, of which it graded others."""
    if run.evaluation.judge_weight <= 0.0:
        return ()
    return _without_letter(run, trials, judge_scores(verdicts))


def _without_letter(
    run: Run, trials: Sequence[TrialRecord], letters: Mapping[tuple[str, str, int], float]
) -> tuple[TrialRecord, ...]:
    tasks = {task.id: task for task in run.tasks}
    graded = {task for _, task, _ in letters}
    return tuple(
        trial
        for trial in trials
        if trial.failure is None
        and trial.task in graded
        and trial.task in tasks
        and _verified(tasks[trial.task], trial)
        and (trial.agent, trial.task, trial.repeat) not in letters
    )


def _measured(
    run: Run,
    trials: Sequence[TrialRecord],
    letters: Mapping[tuple[str, str, int], float],
    blended: set[str],
    scored: frozenset[TaskCheck],
) -> Measured:
    agents = {agent.name: agent for agent in run.agents}
    tasks = {task.id: is_verified(task) for task in run.tasks}
    figures: dict[CellKey, list[Figures]] = {}
    judged: dict[CellKey, list[float]] = {}
    pairs: list[tuple[float, float]] = []
    for trial in trials:
        if trial.failure is not None or trial.agent not in agents or trial.task not in tasks:
            continue
        weight = run.evaluation.judge_weight if trial.task in blended else 0.0
        letter = letters.get((trial.agent, trial.task, trial.repeat))
        if letter is not None:
            judged.setdefault((trial.agent, trial.task), []).append(letter)
        found = checks_score(trial.checks)
        if letter is not None and found is not None:
            pairs.append((found, letter))
        by_checks = tasks[trial.task] or bool(verified(trial.checks))
        score = _blend(found, letter, weight) if by_checks else letter
        if score is not None:
            each = _figures(trial, agents[trial.agent], score)
            if is_open(trial):
                down, up = _left_open(trial, scored, 1.0 - weight if by_checks else 0.0)
                each = structs.replace(each, down=down, up=up)
            figures.setdefault((trial.agent, trial.task), []).append(each)
    return Measured(figures=_frozen(figures), judged=_frozen(judged), notes=_agreement(pairs))


def checks_score(checks: Iterable[Check]) -> float | None:
    """Weighted mean of the verifiers' scores; None when none measured anything. A rubric is the judge's business.

    What is not full, or not measured, keeps the whole at NOT_ALL: the best letter says that all of it was done, so 43
    of 44 tests are the second best. What is full counts at least as the least of the best letter.
    """
    counted = weighted(checks)
    score = weighted_mean(_scores(counted))
    whole = all(is_full(check) for check in counted)
    return score if score is None or whole else min(score, NOT_ALL)


def is_full(check: Check) -> bool:
    """Whether the check was measured, and all of it was done."""
    return check.score is not None and check.score >= check.full_at


def _scores(checks: Iterable[Check]) -> list[tuple[float, float]]:
    """(score, weight) of the measured checks; what is full counts at least as the least of the best letter."""
    return [
        (max(check.score, ALL) if is_full(check) else check.score, check.weight)
        for check in checks
        if check.score is not None
    ]


def is_wrong_claim(trial: TrialRecord) -> bool | None:
    """Whether the agent took for done what a check says was not; None where it claims nothing, or nobody can tell.

    It claims to be done where it ended the trial itself, with an answer. Where some checks are full and others were not
    measured, it was neither right nor wrong.
    """
    checks = weighted(trial.checks)
    if trial.stop != "answered" or not checks or (trial.imported and not trial.answer):
        return None  # what was published without its answer claims nothing
    if any(check.score is not None and not is_full(check) for check in checks):
        return True
    return False if all(is_full(check) for check in checks) else None


def is_open(trial: TrialRecord) -> bool:
    """Whether a check of the trial was not measured."""
    return any(check.score is None for check in trial.checks)


def came_to_a_score(trials: Iterable[TrialRecord]) -> frozenset[TaskCheck]:
    """The checks that were measured on some trial."""
    return frozenset(
        place for trial in trials if trial.failure is None for place, check in places(trial) if check.score is not None
    )


def places(trial: TrialRecord) -> list[tuple[TaskCheck, Check]]:
    """The trial's verifiers' checks that have a weight, and which of the task's checks each is."""
    return [
        ((trial.task, index, check.verifier, check.label), check)
        for index, check in enumerate(trial.checks)
        if _counts(check)
    ]


def _left_open(trial: TrialRecord, scored: frozenset[TaskCheck], part: float) -> tuple[float, float]:
    """How much lower and higher the score may be, of which checks make this `part`.

    The trial's checks that came to a score on another trial count anything between 0 and 1. One that came to a score
    on none tells nobody from another.
    """
    found = places(trial)
    measured = _scores(check for _, check in found)
    score = weighted_mean(measured)
    missing = math.fsum(check.weight for place, check in found if check.score is None and place in scored)
    if score is None or missing <= 0.0:
        return 0.0, 0.0
    share = missing / (missing + math.fsum(weight for _, weight in measured))
    low, high = score * (1.0 - share), score * (1.0 - share) + share
    if any(not is_full(check) for place, check in found if check.score is not None or place not in scored):
        high = min(high, NOT_ALL)
    now = min(score, NOT_ALL)
    return exact(part * max(now - low, 0.0)), exact(part * max(high - now, 0.0))


def weighted(checks: Iterable[Check]) -> list[Check]:
    """The checks of verifiers that have a weight."""
    return [check for check in checks if _counts(check)]


def _counts(check: Check) -> bool:
    return check.weight > 0.0 and not plugins.verifier_traits(check.verifier).judged


def verified(checks: Iterable[Check]) -> list[Check]:
    """The checks of verifiers; what rubrics ask for is the judge's to say."""
    return [check for check in checks if not plugins.verifier_traits(check.verifier).judged]


def is_verified(task: Task) -> bool:
    """Whether the task has a verifier that measures, beside what the judge grades."""
    return not all(plugins.verifier_traits(spec.kind).judged for spec in task.verifiers)


def judge_scores(verdicts: Iterable[Verdict]) -> dict[tuple[str, str, int], float]:
    """The judges' score by (agent, task, repeat): each letter's midpoint, averaged per judge, then over the judges."""
    given: dict[tuple[str, str, int], dict[str, list[float]]] = {}
    for verdict in verdicts:
        if verdict.letter is not None:
            judges = given.setdefault((verdict.agent, verdict.task, verdict.repeat), {})
            judges.setdefault(verdict.judge, []).append(MIDPOINTS[verdict.letter])
    return {trial: mean(mean(scores) for scores in judges.values()) for trial, judges in given.items()}


def graded_usd(trial: TrialRecord, agent: AgentConfig) -> float | None:
    """The dollars that a trial's cost is graded on: its device's where they are set, for a step of a cascade too."""
    is_set = any(member.usd_per_hour is not None for member in agent.members)
    return device_cost(trial, agent) if is_set else trial.cost_usd


def device_cost(trial: TrialRecord, agent: AgentConfig) -> float | None:
    """What the trial's device time costs in dollars; None when the agent has no `usd_per_hour`."""
    if agent.steps or (trial.device_cost_usd is not None and agent.usd_per_hour is not None):
        return trial.device_cost_usd
    if agent.usd_per_hour is None:
        return None
    return device_usd(trial.active_seconds, agent.usd_per_hour)


def device_usd(seconds: float, usd_per_hour: float) -> float:
    """What so many active seconds of a device cost."""
    return seconds / 3600.0 * usd_per_hour


def _figures(trial: TrialRecord, agent: AgentConfig, score: float) -> Figures:
    return Figures(score=score, seconds=known_seconds(trial), usd=graded_usd(trial, agent))


def known_seconds(trial: TrialRecord) -> float | None:
    """The trial's active seconds; None where others published it and did not tell them."""
    return None if trial.imported and not trial.active_seconds else trial.active_seconds


def _verified(task: Task, trial: TrialRecord) -> bool:
    """Whether the task has more than a rubric, also where its verifiers could not measure this trial."""
    return is_verified(task) or bool(verified(trial.checks))


def _blend(found: float | None, letter: float | None, weight: float) -> float | None:
    """Verifiers and judge by `judge_weight`; None when a part that counts is missing, so that all compare alike."""
    if weight <= 0.0 or weight >= 1.0:
        return found if weight <= 0.0 else letter
    if found is None or letter is None:
        return None
    return exact((1.0 - weight) * found + weight * letter)


def _agreement(pairs: Sequence[tuple[float, float]]) -> tuple[str, ...]:
    if not pairs:
        return ()
    same = sum(letter_of(found) == letter_of(letter) for found, letter in pairs)
    apart = mean(abs(found - letter) for found, letter in pairs)
    said = f"verifiers and judge give the same letter in {same} of {len(pairs)} trials"
    return (f"{said}; their scores differ by {apart:.2f} on average",)


def _unjudged(run: Run, judged_tasks: set[str]) -> tuple[str, ...]:
    if run.evaluation.judge_weight <= 0.0:
        return ()
    missing = [task.id for task in run.tasks if task.id not in judged_tasks and is_verified(task) and _has_items(task)]
    if not missing:
        return ()
    weight = run.evaluation.judge_weight
    return (f"judge_weight is {weight:g}, but no judge graded {few(missing)}: their verifiers count alone",)


def _partly(run: Run, tasks: set[str]) -> tuple[str, ...]:
    named = [task.id for task in run.tasks if task.id in tasks]
    if not named or not 0.0 < run.evaluation.judge_weight < 1.0:
        return ()
    return (f"the judge gave no letter for some trials of {few(named)}: there the verifiers count alone, for all",)


def _has_items(task: Task) -> bool:
    return any(plugins.verifier_traits(spec.kind).judged for spec in task.verifiers)


def _frozen(lists: Mapping[CellKey, list[T]]) -> dict[CellKey, tuple[T, ...]]:
    return {key: tuple(items) for key, items in lists.items()}
