"""`openhands-index`: a copy of OpenHands' index of results, a folder an agent with its scores and single outcomes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from flatfield.errors import NotFound
from flatfield.evidence.readers._trials import (
    ImportedFrom,
    TrialResult,
    digest_of,
    imported,
    json_file,
    known_mean,
    look_at_folder,
    without_zeros,
)
from flatfield.records import Evidence, Gathered, Imported, KindOfWork
from flatfield.tasks.source import did_you_mean, slug

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from flatfield.records import ImportChoices

SOURCE = "OpenHands/openhands-index-results"
LICENCE = "MIT"
BENCHMARKS: dict[str, tuple[KindOfWork, int]] = {
    "swe-bench": ("code-repair", 500),
    "swe-bench-multimodal": ("code-repair", 68),
    "swt-bench": ("test-writing", 433),
    "commit0": ("code-writing", 16),
    "gaia": ("research", 165),
}
"""What each asks for, and of how many tasks its score is the share; those that cannot be solved are not among them."""
OPEN_WEIGHTS = "open_weights"


class IndexAgent(Struct, frozen=True, kw_only=True):
    """`metadata.json`: who did it, as far as that is read here."""

    agent_name: str
    model: str
    openness: str = ""
    parameter_count_b: float | None = None


class IndexScore(Struct, frozen=True, kw_only=True):
    """An entry of `scores.json`: the share in percent, and means of a task."""

    benchmark: str
    score: float
    cost_per_instance: float | None = None
    average_runtime: float | None = None
    submission_time: str = ""


class IndexOutcome(Struct, frozen=True, kw_only=True):
    """How one task ended; None: not told."""

    resolved: bool | None = None
    cost: float | None = None


OutcomesByTask = dict[str, IndexOutcome]


class _Folder(Struct, frozen=True, kw_only=True):
    """One agent: who it is, its scores, and single outcomes by benchmark where there are any."""

    who: IndexAgent
    scores: tuple[IndexScore, ...]
    outcomes: dict[str, OutcomesByTask]


def read(path: Path, how: ImportChoices) -> Gathered:
    """A run for each benchmark that has single outcomes, and the figures of all.

    Raises:
        NotFound: there is no such folder, or nothing of this form in it, or not the benchmark that is asked for.
        InvalidFiles: one of its files is not of this form.
    """
    look_at_folder(path)
    folders = [_folder(each.parent) for each in sorted(path.rglob("metadata.json"))]
    folders = [each for each in folders if each.scores or each.outcomes]
    if not folders:
        raise NotFound(f"{path} has no agents with results in it: name the folder that holds `results/`")
    there = dict.fromkeys(name for each in folders for name in (*each.outcomes, *(s.benchmark for s in each.scores)))
    if how.only and how.only not in there:
        raise NotFound(f"{how.only!r} is not there{did_you_mean(how.only, there)}; there are: {', '.join(there)}")
    wanted = [how.only] if how.only else list(there)
    runs, said = [], []
    for name in wanted:
        found = _run(name, folders, how)
        if found is not None:
            runs.append(found[0])
            said += [f"{name}: {note}" for note in found[1]]
    unknown = [name for name in wanted if name not in BENCHMARKS]
    said += [f"{name}: what kind of work it is is not known here, so its scores are no evidence" for name in unknown]
    figures = [
        figure(each.who, score, tuple(each.outcomes.get(score.benchmark, {}).values()))
        for each in folders
        for score in each.scores
        if score.benchmark in wanted and score.benchmark in BENCHMARKS
    ]
    return Gathered(runs=tuple(runs), evidence=tuple(figures), notes=tuple(said))


def figure(who: IndexAgent, score: IndexScore, outcomes: Sequence[IndexOutcome]) -> Evidence:
    """One agent's score on one benchmark, with what its single outcomes say of the cost."""
    kind, tasks = BENCHMARKS[score.benchmark]
    usd, said = known_mean([each.cost for each in outcomes], score.cost_per_instance)
    return Evidence(
        agent=who.model,
        scaffold=who.agent_name,
        model=who.model,
        benchmark=score.benchmark,
        kind=kind,
        solved=round(score.score / 100.0 * tasks),
        tasks=tasks,
        usd=usd,
        seconds=score.average_runtime or None,
        date=score.submission_time[:10],
        source=SOURCE,
        licence=LICENCE,
        weights_b=who.parameter_count_b if who.openness.startswith(OPEN_WEIGHTS) else None,
        note=said,
    )


def _folder(folder: Path) -> _Folder:
    scores = folder / "scores.json"
    outcomes = sorted((folder / "instance_results").glob("*.json"))
    return _Folder(
        who=json_file(folder / "metadata.json", IndexAgent),
        scores=json_file(scores, tuple[IndexScore, ...]) if scores.is_file() else (),
        outcomes={each.stem: json_file(each, OutcomesByTask) for each in outcomes},
    )


def _run(name: str, folders: Sequence[_Folder], how: ImportChoices) -> tuple[Imported, tuple[str, ...]] | None:
    results = tuple(_results({_called(each.who): each for each in folders}, name))
    if not results:
        return None
    kept, said = without_zeros(results)
    about = ImportedFrom(
        title=how.title or f"{name} (OpenHands index)",
        origin=f"{SOURCE}, {name}",
        now=how.now,
        digest=digest_of(name, *results),
        notes=said,
    )
    return imported(kept, about), said


def _results(folders: Mapping[str, _Folder], name: str) -> Iterator[TrialResult]:
    """Single outcomes; without costs where they and the published mean tell of different money."""
    for agent, each in folders.items():
        outcomes = each.outcomes.get(name, {})
        published = next((score.cost_per_instance for score in each.scores if score.benchmark == name), None)
        trusted = known_mean([one.cost for one in outcomes.values()], published)[0] is not None
        for task, outcome in outcomes.items():
            score = None if outcome.resolved is None else float(outcome.resolved)
            usd = outcome.cost if trusted else None
            yield TrialResult(agent=agent, model=each.who.model, task=slug(task), score=score, usd=usd)


def _called(who: IndexAgent) -> str:
    return f"{slug(who.model)}+{slug(who.agent_name.lower())}"
