"""What readers share: results of single trials as an imported run, costs that tell nothing, and files with mistakes."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct, structs

from flatfield import json_text
from flatfield.errors import InvalidFiles
from flatfield.records import AgentConfig, Check, Evaluation, Imported, Mistake, Run, Task, TrialRecord, Weights
from flatfield.saying import few
from flatfield.tasks.agents import fingerprint
from flatfield.tasks.source import read_bytes

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from pathlib import Path

T = TypeVar("T")

PROVIDER = "imported"
"""What stands in the place of a provider: nobody was asked."""
NOTE = "results of others, not measured here"
UNTIMED = "how long a trial took is not told: speed counts nowhere"
REPRICED = 2.0
"""Costs of trials that add up to so many times the published total, or to the inverse part of it, are not the same."""


class TrialResult(Struct, frozen=True, kw_only=True):
    """One trial as somebody else saw it; None: not told."""

    agent: str
    model: str
    task: str
    repeat: int = 1
    score: float | None
    usd: float | None = None
    seconds: float | None = None


class ImportedFrom(Struct, frozen=True, kw_only=True):
    """What a run of such trials is called, where they are from, and the moment of the import.

    `digest` tells the same import from another one.
    """

    title: str
    origin: str
    now: str
    digest: str
    notes: tuple[str, ...] = ()


def imported(results: Sequence[TrialResult], about: ImportedFrom) -> Imported:
    """The results as a run that is marked imported: what nobody told stays unknown and counts nowhere.

    A cost of 0 beside others that are not is taken for one that is not known.
    """
    agents = _agents(results)
    tasks = {name: _task(name, about) for name in dict.fromkeys(one.task for one in results)}
    timed = any(one.seconds is not None for one in results)
    priced = any(one.usd is not None for one in results)
    prints = {name: fingerprint(agent) for name, agent in agents.items()}
    stamp = about.now[:19].replace("-", "").replace(":", "").replace("T", "-")
    run = Run(
        id=f"{stamp}-{about.digest[:4]}",
        created_at=about.now,
        evaluation=Evaluation(title=about.title, agents=tuple(agents), weights=_weights(timed=timed, priced=priced)),
        tasks=tuple(tasks.values()),
        agents=tuple(agents.values()),
        repeats=_repeats(results),
        versions={"import": about.digest},
        notes=(NOTE, *about.notes, *(() if timed else (UNTIMED,))),
        imported=True,
        origin=about.origin,
        timed=timed,
    )
    trials = tuple(
        TrialRecord(
            run=run.id,
            agent=one.agent,
            task=one.task,
            repeat=one.repeat,
            task_digest=tasks[one.task].digest,
            agent_fingerprint=prints[one.agent],
            stop="answered",
            cost_usd=one.usd,
            wall_seconds=one.seconds or 0.0,
            active_seconds=one.seconds or 0.0,
            checks=() if one.score is None else (_check(one.score),),
            imported=True,
        )
        for one in results
    )
    return Imported(run=run, trials=trials)


def _agents(results: Iterable[TrialResult]) -> dict[str, AgentConfig]:
    models = {one.agent: one.model for one in results}
    return {
        name: AgentConfig(name=name, provider=PROVIDER, model=model, source=PROVIDER) for name, model in models.items()
    }


def _task(name: str, about: ImportedFrom) -> Task:
    digest = hashlib.sha256(f"{about.origin}/{name}".encode()).hexdigest()[:16]
    return Task(id=name, title=name, prompt="", digest=digest, notes=(NOTE,))


def _repeats(results: Iterable[TrialResult]) -> dict[str, int]:
    most: dict[str, int] = defaultdict(int)
    for one in results:
        most[one.task] = max(most[one.task], one.repeat)
    return dict(most)


def _weights(*, timed: bool, priced: bool) -> Weights:
    usual = Weights()
    return Weights(
        performance=usual.performance, speed=usual.speed if timed else 0.0, cost=usual.cost if priced else 0.0
    )


def _check(score: float) -> Check:
    return Check(verifier="published", label="published result", score=score, reason="as published")


def without_zeros(results: Iterable[TrialResult]) -> tuple[tuple[TrialResult, ...], tuple[str, ...]]:
    """The results without costs of 0, and what is to be said of those: nothing costs nothing at an API."""
    kept = tuple(results)
    zeros: dict[str, int] = defaultdict(int)
    trials: dict[str, int] = defaultdict(int)
    for one in kept:
        trials[one.agent] += 1
        zeros[one.agent] += one.usd == 0.0
    named = few(f"{name} {count} of {trials[name]}" for name, count in zeros.items() if count)
    said = (f"a cost of 0 is no price, so it counts as not known; of trials: {named}",) if named else ()
    return tuple(structs.replace(one, usd=None) if one.usd == 0.0 else one for one in kept), said


def known_mean(costs: Collection[float | None], published: float | None) -> tuple[float | None, str]:
    """What one task costs, of single costs (None and 0: not known) and the published mean; and what is odd about it.

    The mean of those that are known; the published one where none is. None where the two tell of different money.
    """
    known = [cost for cost in costs if cost]
    if not known:
        return (published or None), ("" if published else "no cost is told")
    mean = sum(known) / len(known)
    total = sum(known) / max(len(costs), 1)
    if published and not 1.0 / REPRICED <= total / published <= REPRICED:
        times = f"{total / published:.1f}"
        return None, f"cost left out: single ones come to {times} times the published mean, and nobody says which is right"
    missing = len(costs) - len(known)
    return mean, (f"cost of {len(known)} of {len(costs)} tasks" if missing else "")


def digest_of(*parts: object) -> str:
    """16 hex digits of SHA-256 over what an import is made of."""
    found = hashlib.sha256()
    for part in parts:
        found.update(part if isinstance(part, bytes) else repr(part).encode())
    return found.hexdigest()[:16]


def json_file(path: Path, kind: type[T]) -> T:
    """A JSON file as a record of this type; keys that it has no field for are passed over.

    Raises:
        NotFound: there is no such file.
        InvalidFiles: it is no JSON, or something else stands there.
    """
    data = read_bytes(path)
    try:
        found: T = json_text.decoded(data, kind)
    except ValueError as error:
        fix = "fetch the file again; a newer form of it may need a newer flatfield"
        raise InvalidFiles([Mistake(path=str(path), line=_line(data), problem=str(error), fix=fix)]) from None
    return found


def _line(data: bytes) -> int:
    """The line in which a text stops being JSON; 1 where it is JSON of another form."""
    try:
        json.loads(data)
    except json.JSONDecodeError as error:
        return error.lineno
    except (UnicodeDecodeError, RecursionError):
        pass
    return 1
