"""What trials will probably take, and what at most: from past ones, else from prices and the sizes of the task."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from flatfield.records import CHARACTERS_PER_TOKEN, Limits, Task, Usage
from flatfield.scoring.measures.scales import mean

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Priced = Callable[[Usage], float | None]
    """Dollars of one request; None: no price known."""

Basis = Literal["measured", "other tasks", "guess", "control"]
SCAFFOLD_TOKENS = 900
"""The system prompt and the schemas of the file tools."""
READ_TOKENS = 10_000
"""So much of a workspace is read at most, as a guess."""
TURN_TOKENS = 300
"""Output of a turn: a tool call, and what is thought about it."""
FIRST_TURNS, TURNS_A_LEVEL, LEVEL = 3, 2, 2
"""Turns of a task without a known solution: these, more for each level, and the level where none is stated."""
TURN_SECONDS, OUTPUT_A_SECOND = 1.0, 60.0
DEVICE_INPUT_A_SECOND, DEVICE_OUTPUT_A_SECOND = 150.0, 25.0
VERDICT_TOKENS, VERDICT_OUTPUT_TOKENS, VERDICT_SECONDS = 2500, 400, 10.0
"""What a judge reads beside the task, what it writes, and how long it takes, as a guess."""
GUESSED = (
    f"a guess: as many turns as the task's solution has steps, else {FIRST_TURNS} and {TURNS_A_LEVEL} for each level; "
    f"{TURN_TOKENS} output tokens a turn; prompt and workspace at {CHARACTERS_PER_TOKEN} bytes a token, "
    f"up to {READ_TOKENS:,} tokens of it read, nothing from a cache; {OUTPUT_A_SECOND:g} output tokens a second, "
    f"{DEVICE_OUTPUT_A_SECOND:g} on this device"
)
GUESSED_VERDICT = (
    f"a guess: {VERDICT_TOKENS:,} tokens read beside the task, {VERDICT_OUTPUT_TOKENS} written, {VERDICT_SECONDS:g} s; "
    "twice that where answers are compared"
)


class Past(Struct, frozen=True, kw_only=True):
    """A measured trial: whose (`agent`: its fingerprint), of what, its dollars (None: no price known), its times."""

    agent: str
    model: str
    task: str
    digest: str
    usd: float | None
    active_seconds: float
    wall_seconds: float


class Expected(Struct, frozen=True, kw_only=True):
    """One trial: probable dollars (None: no price known) and seconds; what its limits allow; from what it is known.

    `most_usd` None: nothing bounds it. `most_seconds` is active time.
    """

    usd: float | None
    active_seconds: float
    wall_seconds: float
    most_usd: float | None
    most_seconds: float
    basis: Basis


FREE = Expected(usd=0.0, active_seconds=0.0, wall_seconds=0.0, most_usd=0.0, most_seconds=0.0, basis="control")


class Subject(Struct, frozen=True, kw_only=True):
    """Who is to do it: fingerprint, `PROVIDER:MODEL`, whether on this device, and its context in tokens, if known.

    A `control` asks no model: it costs nothing, and takes no time worth telling.
    """

    agent: str
    model: str
    on_device: bool = False
    control: bool = False
    context_tokens: int | None = None


class Job(Struct, frozen=True, kw_only=True):
    """What is to be done: the task, the limits of a trial, and the size of the workspace."""

    task: Task
    limits: Limits
    workspace_bytes: int = 0


def expect(subject: Subject, job: Job, past: Sequence[Past], price: Priced) -> Expected:
    """What one trial will take, by its like: this task before, else other tasks, else a guess.

    Past trials are the agent's own; where there are none, those of the same model with other settings. Of other tasks,
    each counts once.
    """
    if subject.control:
        return FREE
    own = [one for one in past if one.agent == subject.agent] or [one for one in past if one.model == subject.model]
    same = [one for one in own if (one.task, one.digest) == (job.task.id, job.task.digest)]
    turns = guessed_turns(job)
    basis: Basis = "measured" if same else "other tasks" if own else "guess"
    by_task = [same] if same else [[one for one in own if one.task == task] for task in sorted({o.task for o in own})]
    took = mean(mean(one.active_seconds for one in each) for each in by_task) if own else _seconds(subject, turns)
    active = min(took, job.limits.seconds)
    beside = (
        mean(mean(one.wall_seconds for one in each) for each in by_task) - took if own else 0.0
    )  # starting and waiting
    return Expected(
        usd=_past_usd(by_task) if own else total([price(usage) for usage in turns]),
        active_seconds=active,
        wall_seconds=active + beside,
        most_usd=most_usd(subject, job.limits, price),
        most_seconds=job.limits.seconds,
        basis=basis,
    )


def guessed_turns(job: Job) -> tuple[Usage, ...]:
    """The tokens of each turn, guessed from the task: what was read and written before is read again each time."""
    task, limits = job.task, job.limits
    level = LEVEL if task.level is None else task.level
    likely = len(task.solution) + 1 if task.solution else FIRST_TURNS + TURNS_A_LEVEL * level
    turns = max(1, min(likely, limits.turns))
    written = min(TURN_TOKENS, limits.output_tokens // turns)
    given = SCAFFOLD_TOKENS + len(task.prompt.encode()) // CHARACTERS_PER_TOKEN
    read = min(job.workspace_bytes // CHARACTERS_PER_TOKEN, READ_TOKENS)
    return tuple(
        Usage(input_tokens=given + turn * written + read * turn // turns, output_tokens=written)
        for turn in range(turns)
    )


def guessed_verdict(task: Task, *, compared: bool) -> Usage:
    """The tokens of one trial's verdict: compared answers are read and graded twice."""
    sizes = sum(len(text.encode()) for text in (task.prompt, task.rubric, task.expected))
    times = 2 if compared else 1
    return Usage(
        input_tokens=times * (VERDICT_TOKENS + sizes // CHARACTERS_PER_TOKEN),
        output_tokens=times * VERDICT_OUTPUT_TOKENS,
    )


def total(amounts: Sequence[float | None]) -> float | None:
    """The sum; None where one is not known."""
    known = [amount for amount in amounts if amount is not None]
    return math.fsum(known) if len(known) == len(amounts) else None


def _past_usd(by_task: Sequence[Sequence[Past]]) -> float | None:
    """The mean over tasks of the known costs; None where a task has none."""
    means: list[float] = []
    for each in by_task:
        known = [one.usd for one in each if one.usd is not None]
        if not known:
            return None
        means.append(mean(known))
    return mean(means)


def _seconds(subject: Subject, turns: Sequence[Usage]) -> float:
    written = sum(usage.output_tokens for usage in turns)
    if subject.on_device:
        return turns[-1].input_tokens / DEVICE_INPUT_A_SECOND + written / DEVICE_OUTPUT_A_SECOND
    return len(turns) * TURN_SECONDS + written / OUTPUT_A_SECOND


def most_usd(subject: Subject, limits: Limits, price: Priced) -> float | None:
    """What a trial costs at most: the limit on dollars, or every turn reading a full context and all output written.

    The smaller of the two; None where neither is known, or no price. Reading is priced at the rate of what is written
    to a cache where that is dearer, and all output at that of the largest request.
    """
    usd = price(Usage(input_tokens=1, output_tokens=1))
    if not usd:
        return usd
    bounds = [] if limits.cost_usd is None else [limits.cost_usd]
    if subject.context_tokens is not None:
        full = subject.context_tokens
        reading = price(Usage(input_tokens=full))
        caching = price(Usage(input_tokens=full, cache_write_tokens=full))
        both = price(Usage(input_tokens=full, output_tokens=limits.output_tokens))
        if reading is not None and both is not None:
            bounds.append(limits.turns * max(reading, caching or 0.0) + both - reading)
    return min(bounds, default=None)
