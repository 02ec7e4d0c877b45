"""Turns what happens in a run into sentences: one when an agent has done all its trials, one when the run is graded."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from flatfield.faces.speech.sentences import agent_sentence, run_sentence, winner_phrase
from flatfield.scoring.decision import Constraints, decide

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from flatfield.records import Event, Letter, RunResult, TrialPlan, TrialRecord


class Announcer:
    """Told of a run's events, it has something said when an agent's last trial is done.

    `letters` are the agents' overall grades where they are known already: when a graded run is played back.
    """

    def __init__(
        self, plans: Sequence[TrialPlan], say: Callable[[str], None], letters: Mapping[str, Letter | None] | None = None
    ) -> None:
        self._letters = letters or {}
        self._left = Counter(plan.agent for plan in plans)
        self._say = say
        self._done: dict[str, list[TrialRecord]] = {agent: [] for agent in self._left}

    def observe(self, event: Event) -> None:
        """Take one event."""
        if event.kind != "trial_finished" or event.record is None or event.agent not in self._done:
            return
        self._done[event.agent].append(event.record)
        self._left[event.agent] -= 1
        if not self._left[event.agent]:
            self._say(finished(event.agent, self._done[event.agent], self._letters.get(event.agent)))


def finished(agent: str, trials: Sequence[TrialRecord], letter: Letter | None = None) -> str:
    """What is said of an agent that is done: how long it was at work, its grade if it is known, and what it cost."""
    measured = [trial for trial in trials if trial.failure is None]
    if not measured:
        return agent_sentence(agent, sum(trial.wall_seconds for trial in trials), outcome="not measured")
    costs = [trial.cost_usd for trial in measured]
    known = [cost for cost in costs if cost is not None]
    outcome = "done" if len(measured) == len(trials) else f"{len(measured)} of {len(trials)} trials done"
    return agent_sentence(
        agent,
        sum(trial.active_seconds for trial in measured),
        outcome=outcome,
        letter=letter,
        usd=sum(known) if len(known) == len(costs) else None,
    )


def graded(result: RunResult) -> str:
    """What is said of a run that is graded: who came first, with which grade, and what is missing."""
    missing = sum(trial.failure is not None for trial in result.trials)
    if missing == len(result.trials):
        return "The evaluation is over: nothing was measured"
    chosen = decide(result, Constraints()).recommended
    ranked = [card for card in result.grading.scorecards if not card.control]
    best = next((card for card in ranked if card.agent == chosen), None)
    if best is None:
        return run_sentence("", missing)
    alone = len(ranked) == 1
    winner = winner_phrase(best.agent, best.overall.letter, best.active_seconds, best.cost_usd, alone=alone)
    return run_sentence(winner, missing)


def letters(result: RunResult) -> dict[str, Letter | None]:
    """Each agent's overall grade."""
    return {card.agent: card.overall.letter for card in result.grading.scorecards}
