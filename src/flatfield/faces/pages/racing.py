"""A run under way as another process sees it: look after look, what its store and its trials in flight say."""

from __future__ import annotations

import zlib
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from flatfield.faces.pages.colors import looks
from flatfield.faces.wording import UNKNOWN, middle_cut, one_line, outcome, printable
from flatfield.runs.order import how_often
from flatfield.runs.scratch import holder
from flatfield.runs.store import underway
from flatfield.saying import dollars, many, seconds
from flatfield.scoring.measures.performance import ALL, checks_score, known_seconds
from flatfield.tasks.agents import short_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.records import Run, TrialRecord
    from flatfield.runs.store.store import Store
    from flatfield.runs.store.underway import Lost

NAME_CHARACTERS, LAST_CHARACTERS = 44, 120
SPREAD = 0.05
"""How far, up and down, trials of one score are drawn apart, so that none covers another."""
HINT = (
    "Full: passed; striped: not passed; dotted: not measured; grey: at work, from a trial's first finished turn on."
    " Trials of one score are drawn a little apart."
)


class Seen(Struct, frozen=True, kw_only=True):
    """What one look has found: `head` is all but the single trials, of which `points` has all that are measured."""

    head: dict[str, Any]
    points: Sequence[dict[str, Any]]
    is_over: bool


class Lookout:
    """One run, looked at again and again; only what was stored since the last look is read."""

    def __init__(self, store: Store, run: str) -> None:
        self._store = store
        self._run = run
        self._number = 0
        self._trials: dict[tuple[str, str, int], TrialRecord] = {}
        self._last: dict[str, str] = {}
        self._turns: dict[str, int] = {}
        self.points: list[dict[str, Any]] = []

    def look(self) -> Seen:
        """What there is to see now; blocking.

        Raises:
            NotFound: the run is not stored.
            StoreError: the store cannot be read.
        """
        folder = self._store.path.parent
        is_over = holder(self._run, folder) is None  # asked first: what its process stored last is seen then
        run = self._store.load_run(self._run)
        flying = [each for each in underway.in_flight(folder) if each.trial.run == run.id]
        self._number, fresh = self._store.later(run.id, self._number)
        for trial in fresh:
            self._take(trial)
        flying = [each for each in flying if _key(each.trial) not in self._trials or not self._is_stored(each)]
        for each in flying:
            self._hear(each)
        return Seen(
            head=self._head(run, [] if is_over else flying, is_over=is_over), points=self.points, is_over=is_over
        )

    def _is_stored(self, each: Lost) -> bool:
        return self._trials[_key(each.trial)].attempt == each.trial.attempt

    def _take(self, trial: TrialRecord) -> None:
        self._trials[_key(trial)] = trial
        self._last[trial.agent] = f"{trial.task} #{trial.repeat}: {outcome(trial)}"
        score = checks_score(trial.checks) if trial.failure is None else None
        if score is not None:
            self.points.append(_point(trial, score))

    def _hear(self, each: Lost) -> None:
        """Remember the newest call of an agent's trials in flight."""
        trial = each.trial
        if self._turns.get(trial.attempt) == len(trial.turns):
            return
        self._turns[trial.attempt] = len(trial.turns)
        calls = [call.name for turn in trial.turns[-1:] for call in turn.reply.calls]
        said = calls[-1] if calls else f"turn {len(trial.turns)}"
        self._last[trial.agent] = f"{trial.task} #{trial.repeat}: {said}"

    def _head(self, run: Run, flying: Sequence[Lost], *, is_over: bool) -> dict[str, Any]:
        planned, done, passed, scored, unmeasured = (Counter[str]() for _ in range(5))
        spent: defaultdict[str, list[float]] = defaultdict(list)
        for (_, agent), times in how_often(run).items():
            planned[agent] += times
        for trial in self._trials.values():
            score = checks_score(trial.checks) if trial.failure is None else None
            done[trial.agent] += 1
            unmeasured[trial.agent] += trial.failure is not None
            scored[trial.agent] += score is not None
            passed[trial.agent] += score is not None and score >= ALL
        for trial in (*self._trials.values(), *(each.trial for each in flying)):
            if trial.cost_usd is not None:
                spent[trial.agent].append(trial.cost_usd)
        running = Counter(each.trial.agent for each in flying)
        chosen, short = looks(run.agents), short_names(agent.name for agent in run.agents)
        agents = [
            {
                "name": printable(agent.name),
                "short": printable(middle_cut(one_line(short[agent.name], 200), NAME_CHARACTERS)),
                "shade": (chosen[agent.name].shade.light, chosen[agent.name].shade.dark),
                "shape": chosen[agent.name].shape,
                "planned": planned[agent.name],
                "done": done[agent.name],
                "passed": passed[agent.name],
                "scored": scored[agent.name],
                "unmeasured": unmeasured[agent.name],
                "running": running[agent.name],
                "spent": dollars(sum(spent[agent.name])) if agent.name in spent else UNKNOWN,
                "last": printable(one_line(self._last.get(agent.name, ""), LAST_CHARACTERS)),
            }
            for agent in run.agents
        ]
        counts = _Counts(planned=planned.total(), done=done.total(), passed=passed.total(), running=running.total())
        said = _said(counts, self._store.spent_usd(run.id), is_over=is_over)
        state = "over" if is_over else "underway"
        return {"state": state, "said": said, "hint": HINT, "agents": agents}


class _Counts(Struct, frozen=True, kw_only=True):
    """Trials of a whole run."""

    planned: int
    done: int
    passed: int
    running: int


def _said(counts: _Counts, usd: float | None, *, is_over: bool) -> str:
    """`7 of 12 trials done, 5 passed, 2 at work, $0.0123 spent`."""
    parts = [f"{counts.done:,} of {many(counts.planned, 'trial')} done", f"{counts.passed:,} passed"]
    if not is_over:
        left = counts.planned - counts.done
        parts.append(f"{counts.running:,} at work" if left else "what is left is to judge, or to add repeats")
    if usd:
        parts.append(f"{dollars(usd)} spent")
    return ", ".join(parts)


def _key(trial: TrialRecord) -> tuple[str, str, int]:
    return trial.agent, trial.task, trial.repeat


def _point(trial: TrialRecord, score: float) -> dict[str, Any]:
    """A finished trial as it drops into the chart."""
    apart = zlib.crc32(trial.id.encode("utf-8", "replace")) / 2**32 - 0.5
    cost = "" if trial.cost_usd is None else f", {dollars(trial.cost_usd)}"
    took = known_seconds(trial)
    return {
        "agent": printable(trial.agent),
        "seconds": took,
        "usd": trial.cost_usd,
        "y": round(score + apart * SPREAD, 4),
        "said": printable(f"{trial.agent} on {trial.task} #{trial.repeat}: {score:.2f}, {seconds(took)}{cost}"),
    }
