"""What is said, as a person would say it: numbers, names, outcomes, an agent's end and a run's grades."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from flatfield.scoring.decision import decide

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from flatfield.records import Event, Letter, RunResult, TrialPlan, TrialRecord


_DATE = re.compile(r"\d{6,8}")
_DATED = re.compile(r"-\d{4}-\d\d-\d\d\b")
_FRACTIONS_OF_A_CENT = (
    (0.05, "a twentieth of a cent"),
    (0.1, "a tenth of a cent"),
    (0.2, "a fifth of a cent"),
    (0.25, "a quarter of a cent"),
    (1 / 3, "a third of a cent"),
    (0.5, "half a cent"),
    (2 / 3, "two thirds of a cent"),
    (0.75, "three quarters of a cent"),
    (1.0, "one cent"),
)
_FREE = "free"
LONGEST_CHARACTERS = 240


def spoken_name(name: str) -> str:
    """`gpt-5-mini` as "gpt-5 mini", `claude-opus-4-1-20250805` as "claude opus 4.1", `gpt-oss:20b` as "gpt oss 20b"."""
    bare = _DATED.sub("", name.partition("@")[0].rpartition("nano-agent-")[2])
    words: list[str] = []
    for part in re.split(r"[-_:/\s]+", bare):
        if not part or _DATE.fullmatch(part):
            continue
        if part.isdigit() and words and re.fullmatch(r"(?:gpt-)?\d+", words[-1]):
            words[-1] += f".{part}"
        elif part[0].isdigit() and words and words[-1] == "gpt":
            words[-1] += f"-{part}"
        else:
            words.append(part)
    return " ".join(words) or "an agent"


def spoken_seconds(value: float) -> str:
    """`0.4` as "under a second", 12.3 as "12 seconds", 80 as "1 minute 20 seconds", 7,300 as "2 hours 2 minutes"."""
    whole = round(value)
    if whole < 1:
        return "under a second"
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    if hours:
        return _joined(_counted(hours, "hour"), _counted(minutes, "minute"))
    return _joined(_counted(minutes, "minute"), _counted(left, "second"))


def spoken_usd(value: float | None) -> str:
    """0.0033 as "a third of a cent", 0.042 as "4 cents", 1.5 as "1 dollar 50"; "" when no price is known."""
    if value is None:
        return ""
    if value <= 0:
        return _FREE
    cents = value * 100
    if cents < 0.035:
        return "next to nothing"
    if cents < 1.25:
        return min(_FRACTIONS_OF_A_CENT, key=lambda known: abs(known[0] - cents))[1]
    whole = round(cents)
    if whole < 100:
        return _counted(whole, "cent")
    dollars, left = divmod(whole, 100)
    return f"{_counted(dollars, 'dollar')}{f' {left}' if left else ''}"


def agent_sentence(
    agent: str, seconds: float, *, outcome: str = "done", letter: Letter | None = None, usd: float | None = None
) -> str:
    """E.g. "gpt-5 mini: done in 12 seconds, grade A, a third of a cent"."""
    parts = [f"{spoken_name(agent)}: {outcome} in {spoken_seconds(seconds)}"]
    parts += [f"grade {letter}"] if letter else []
    parts += [price] if (price := spoken_usd(usd)) else []
    return ", ".join(parts)


def run_sentence(winner: str, missing: int) -> str:
    """What is said when a run is graded; `winner` as `winner_phrase` says it, `missing` trials were not measured."""
    left = f", {_counted(missing, 'trial')} not measured" if missing else ""
    return f"The evaluation is graded{f': {winner}' if winner else ''}{left}"


def winner_phrase(agent: str, letter: Letter | None, seconds: float | None, usd: float | None, *, alone: bool) -> str:
    """E.g. "gpt-5 mini came first, grade A, in 12 seconds, for a third of a cent"; nobody comes first alone."""
    parts = [spoken_name(agent) if alone else f"{spoken_name(agent)} came first"]
    parts += [f"grade {letter}"] if letter else []
    parts += [f"in {spoken_seconds(seconds)}"] if seconds is not None else []
    price = spoken_usd(usd)
    parts += [price if price == _FREE else f"for {price}"] if price else []
    return ", ".join(parts)


def plain(text: str) -> str:
    """Any text as one short line that a voice can read: no markup, no control characters, no addresses."""
    line = re.sub(r"https?://\S+", "a link", text)
    line = re.sub(r"[`*_#<>|\[\]{}\\]+", " ", line)
    line = " ".join("".join(character if character.isprintable() else " " for character in line).split())
    line = line.lstrip("-– ")  # a program would take it for an option
    if len(line) <= LONGEST_CHARACTERS:
        return line
    return line[:LONGEST_CHARACTERS].rsplit(" ", 1)[0] + ", and so on"


def _counted(number: int, thing: str) -> str:
    return "" if not number else f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)


# Turns what happens in a run into sentences: one when an agent has done all its trials, one when the run is graded.


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
    chosen = decide(result).recommended
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
