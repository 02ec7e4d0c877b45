"""Decides what a verifier's own trouble with a trial says, which one trial alone cannot show."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.records import Check, TrialRecord

Place = tuple[str, str, int]
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
    found: dict[Place, list[Check]] = defaultdict(list)
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


def _places(trial: TrialRecord) -> list[tuple[Place, Check]]:
    return [((trial.task, trial.task_digest, index), check) for index, check in enumerate(trial.checks)]


def _settle(check: Check, *, others_did: bool, alone: bool) -> Check:
    if check.score is not None or not check.trouble:
        return check
    if others_did:
        return replace(check, score=0.0, reason=f"{check.reason}; 0, for on other trials it came to a score")
    if alone and check.trouble == "data":
        return replace(check, score=0.0, reason=f"{check.reason}; 0, for what the agent left has another shape")
    return check
