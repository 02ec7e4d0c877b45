"""`tau2-table`: the submissions to tau2-bench's leaderboard, a folder each: an agent serves a simulated customer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, field

from flatfield.errors import NotFound
from flatfield.evidence.readers._trials import json_file, look_at_folder
from flatfield.records import Evidence, Gathered
from flatfield.saying import many

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flatfield.records import ImportChoices

SOURCE = "sierra-research/tau2-bench"
LICENCE = "MIT"
TASKS = {"airline": 50, "retail": 114, "telecom": 114, "banking_knowledge": 97}
"""How many tasks each domain has; the table tells shares alone."""
TEXT = "text"
CUSTOM = "custom"
EXAMPLE = "A_EXAMPLE"


class DomainScore(Struct, frozen=True, kw_only=True):
    """One domain: the share of trials that pass in percent, and the dollars of a task."""

    pass_1: float | None = None
    cost: float | None = None


class Checked(Struct, frozen=True, kw_only=True):
    """What the submission says of its own conditions."""

    modified_prompts: bool | None = None


class Method(Struct, frozen=True, kw_only=True):
    """How it was evaluated: the model that played the customer."""

    evaluation_date: str | None = None
    user_simulator: str | None = None
    verification: Checked | None = None


class Submission(Struct, frozen=True, kw_only=True):
    """`submission.json`, as far as it is read here."""

    model_name: str
    submitting_organization: str = ""
    submission_date: str = ""
    submission_type: str | None = None
    modality: str | None = None
    reasoning_effort: str | None = None
    results: dict[str, DomainScore | None] = field(default_factory=dict)
    methodology: Method | None = None


def read(path: Path, how: ImportChoices) -> Gathered:
    """The submissions as figures: the table has no single outcomes. Those with voice are of another kind, and left out.

    Raises:
        NotFound: there is no such folder, or no submission in it.
        InvalidFiles: one of them is not of this form.
    """
    look_at_folder(path)
    found = [each for each in sorted(path.rglob("submission.json")) if not each.parent.name.startswith(EXAMPLE)]
    if not found:
        raise NotFound(f"{path} has no submission.json in it: name the folder `submissions` of the leaderboard")
    given = [json_file(each, Submission) for each in found]
    spoken = [one for one in given if (one.modality or TEXT) == TEXT]
    rows = [row for one in spoken for row in figures(one) if not how.only or row.benchmark == how.only]
    notes = []
    if len(spoken) < len(given):
        notes.append(f"{many(len(given) - len(spoken), 'submission')} with voice left out")
    unknown = sorted({name for one in spoken for name, score in one.results.items() if score and name not in TASKS})
    notes += [f"domain {name} left out: how many tasks it has is not known here" for name in unknown]
    return Gathered(evidence=tuple(rows), notes=tuple(notes))


def figures(one: Submission) -> Iterator[Evidence]:
    """A row for each domain. A share is the mean of several trials of each task; a cost of 0 was not told."""
    method = one.methodology or Method()
    user = f"customer {method.user_simulator}" if method.user_simulator else "customer not named"
    changed = bool(method.verification and method.verification.modified_prompts)
    scaffold = f"{one.model_name}'s own" if one.submission_type == CUSTOM else "tau2-bench"
    for name, score in one.results.items():
        if score is None or score.pass_1 is None or name not in TASKS:
            continue
        yield Evidence(
            agent=one.model_name,
            scaffold=f"{scaffold}, {user}",
            model=one.model_name,
            benchmark=f"tau2-{name.replace('_', '-')}",
            kind="customer-service",
            solved=score.pass_1 / 100.0 * TASKS[name],
            tasks=TASKS[name],
            usd=score.cost or None,
            date=one.submission_date,
            source=SOURCE,
            licence=LICENCE,
            setting=one.reasoning_effort or "",
            note="; ".join(_said(one, score, changed=changed)),
        )


def _said(one: Submission, score: DomainScore, *, changed: bool) -> Iterator[str]:
    if one.submitting_organization:
        yield f"submitted by {one.submitting_organization}"
    if changed:
        yield "its prompts were changed"
    if not score.cost:
        yield "no cost is told"
