"""Chooses an agent for a task by what others of its kind have shown, says why, and goes to the next on a failure."""

from __future__ import annotations

import math
import re
import secrets
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from flatfield.errors import NotFound, NotReady
from flatfield.records import Event, Task, Weights
from flatfield.runs.pooling import load_pooled
from flatfield.runs.routes.cascade import StepTaken, joined
from flatfield.runs.single import PROMPT, run_here
from flatfield.runs.trial import TrialWork
from flatfield.saying import dollars, few, likely, many, seconds
from flatfield.scoring.certainty.study import certainty, observe, study
from flatfield.scoring.certainty.values import Ask
from flatfield.tasks.agents import fingerprint, is_control, is_same

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from flatfield.records import AgentConfig, Limits, RunResult, TrialRecord
    from flatfield.runs.routes.checks import CheckDesk
    from flatfield.runs.single import Surroundings
    from flatfield.runs.store.store import Store
    from flatfield.runs.trial import Assignment
    from flatfield.scoring.certainty.values import Certainty

LEAST_TASKS = 8
"""With fewer tasks of a kind, kinds are not told apart."""
WEIGHTS: Mapping[str, Weights] = {
    "best": Weights(performance=1.0, speed=0.0, cost=0.0),
    "cheap": Weights(performance=0.5, speed=0.0, cost=0.5),
    "fast": Weights(performance=0.5, speed=0.5, cost=0.0),
}
"""What matters to a policy; of one that is not here, what matters to the run."""
_WORDS = re.compile(r"\w{3,}")


class RouteChoice(Struct, frozen=True, kw_only=True):
    """The agents in the order in which they are to be tried, and why, in one sentence."""

    order: tuple[AgentConfig, ...]
    why: str


def choose(route: AgentConfig, task: Task, known: RunResult | None) -> RouteChoice:
    """Whom a route takes for a task, by what is known of its candidates on other tasks.

    The task's own results count at no seed and in no version: a route is to be judged by what it did not see.
    """
    if known is None:
        return _unknown(route)
    others = [one for one in known.run.tasks if not is_same_task(one, task)]
    names = [agent.name for agent in route.steps]
    kind, words = kind_of(task, [one for one in others if _measured(one, names, known)])
    weights = WEIGHTS.get(route.route or "", known.run.evaluation.weights)
    chosen = {one.id for one in kind}
    trials = [trial for trial in known.trials if trial.task in chosen and trial.agent in names]
    found = study(observe(known.run, trials, known.verdicts), names, sorted(chosen))
    if found is None:
        return _unknown(route)
    said = certainty(found, Ask(measure=weights))
    ranked = [one.agent for one in said.standings]
    by_name = {agent.name: agent for agent in route.steps}
    rest = [name for name in names if name not in ranked]
    return RouteChoice(order=tuple(by_name[name] for name in (*ranked, *rest)), why=_why(said, words))


def _unknown(route: AgentConfig) -> RouteChoice:
    first = route.steps[0].name
    return RouteChoice(order=route.steps, why=f"{first}, the first of {len(route.steps)}: nothing is measured here yet")


def _why(said: Certainty, words: str) -> str:
    first = said.standings[0]
    time, cost = first.these.seconds, first.these.usd
    took = [seconds(time.mean)] if time is not None else []
    took += [dollars(cost.mean)] if cost is not None else []
    figures = f" ({', '.join(took)} a trial)" if took else ""
    return f"{first.agent}: of {words}, it is the best with probability {likely(first.best)}{figures}"


def _measured(task: Task, names: Sequence[str], known: RunResult) -> bool:
    return any(trial.task == task.id and trial.agent in names and trial.failure is None for trial in known.trials)


def is_same_task(one: Task, other: Task) -> bool:
    """Whether two tasks are one, at whatever seed and in whatever version."""
    origins = {one.generated_from or one.path, other.generated_from or other.path}
    same_file = len(origins) == 1 and origins != {""}
    return one.id == other.id or one.prompt == other.prompt or same_file


def kind_of(task: Task, others: Sequence[Task]) -> tuple[tuple[Task, ...], str]:
    """The other tasks that tell most of this one, and what they are, in words.

    Those that share a tag, else those of its level, else those with the nearest prompts; where there are too few of
    them, all.
    """
    for tag in task.tags:
        tagged = tuple(one for one in others if tag in one.tags)
        if len(tagged) >= LEAST_TASKS:
            return tagged, f"{len(tagged)} other tasks with the tag {tag}"
    level = tuple(one for one in others if task.level is not None and one.level == task.level)
    if len(level) >= LEAST_TASKS:
        return level, f"{len(level)} other tasks of level {task.level}"
    if len(others) >= 2 * LEAST_TASKS:
        near = nearest(task.prompt, others)[: max(LEAST_TASKS, len(others) // 3)]
        return near, f"the {len(near)} other tasks with the nearest prompts"
    if len(others) >= LEAST_TASKS:
        return tuple(others), f"all {len(others)} other tasks"
    few_tasks = f"{many(len(others), 'other task')} (too few to tell kinds apart: it is the best single agent)"
    return tuple(others), few_tasks


def nearest(prompt: str, tasks: Sequence[Task]) -> tuple[Task, ...]:
    """The tasks by how much their prompts have in common with this one: rare words count more."""
    texts = {task.id: Counter(_WORDS.findall(task.prompt.lower())) for task in tasks}
    spread = Counter(word for words in texts.values() for word in words)
    own = Counter(_WORDS.findall(prompt.lower()))

    def weighed(words: Counter[str]) -> dict[str, float]:
        return {word: count * math.log((1 + len(tasks)) / (1 + spread[word]) + 1) for word, count in words.items()}

    mine = weighed(own)

    def likeness(task: Task) -> float:
        theirs = weighed(texts[task.id])
        shared = sum(mine[word] * theirs[word] for word in mine.keys() & theirs.keys())
        return shared / ((math.hypot(*mine.values()) * math.hypot(*theirs.values())) or 1.0)

    return tuple(sorted(tasks, key=lambda task: (-likeness(task), task.id)))


# ---------------------------------------------------------------------------- a trial of a route


async def run_route(assignment: Assignment, desk: CheckDesk, choice: RouteChoice) -> TrialRecord:
    """Let the chosen agent do the trial; where its provider fails, the next one, and so on."""
    ground, plan, attempt = desk.ground, assignment.plan, secrets.token_hex(8)
    ground.observe(Event(kind="trial_started", agent=plan.agent, task=plan.task, repeat=plan.repeat))
    taken: list[StepTaken] = []
    for agent in choice.order:
        lane = ground.pool.of(agent).lane(agent)
        actual = desk.run.evaluation.names == "actual"
        name = (agent.model or agent.name) if actual else assignment.model_name
        its = replace(assignment, agent=agent, attempt=attempt, model_name=name)
        if ground.lanes is None:
            raise ValueError("a route's agents wait for their lanes")
        async with ground.lanes.hold_at_work(lane) as queue_seconds:
            record = await TrialWork(its, ground).run()
        taken.append(
            StepTaken(agent, structs.replace(record, queue_seconds=record.queue_seconds + queue_seconds), None)
        )
        if record.failure is None or record.failure.kind not in {"provider", "not_ready"}:
            break
    found = joined(assignment.agent, taken)
    return structs.replace(found, notes=(*_told(choice, taken), *found.notes))


def _told(choice: RouteChoice, taken: Sequence[StepTaken]) -> Iterator[str]:
    yield f"chosen: {choice.why}"
    failed = [step.agent.name for step in taken[:-1]]
    if failed:
        yield f"{few(failed)} could not be asked, so {taken[-1].agent.name} was"


# ---------------------------------------------------------------------------- on a real folder


def chosen_here(
    route: AgentConfig, prompt: str, store: Store, roster: Sequence[AgentConfig]
) -> tuple[AgentConfig, str]:
    """The route with the agents that it chooses among, best first for such a prompt, and why that one.

    Among whom it is to choose it may say itself; else they are those that were measured here and still are as then.

    Raises:
        NotFound: nobody of them is known.
        StoreError: the store cannot be read.
    """
    try:
        known = load_pooled(store)
    except NotFound:
        known = None
    if not route.steps:
        now = {agent.name: agent for agent in roster}
        measured = known.run.agents if known is not None else ()
        steps = tuple(
            now[one.name]
            for one in measured
            if known is not None
            and one.name in now
            and not one.steps
            and is_same(now[one.name], one, known.run)
            and not is_control(one)
        )
        if not steps:
            raise NotFound(
                f"{route.name} chooses by what was measured, and nothing is measured here of agents that are "
                "configured: evaluate some first, or name an agent"
            )
        route = structs.replace(route, steps=steps)
    choice = choose(route, Task(id=PROMPT, title=PROMPT, prompt=prompt), known)
    return structs.replace(route, steps=choice.order), choice.why


async def run_routed(
    prompt: str, route: AgentConfig, folder: Path, limits: Limits, around: Surroundings
) -> TrialRecord:
    """Work in the folder with the first of a route's agents that can; cancelling it returns what was done.

    The next one begins where one is not ready, or its provider fails before it changed anything.

    Raises:
        NotReady: nobody of them could begin; nothing was spent.
    """
    around = replace(around, whole=route.name, attempt=secrets.token_hex(8))
    taken: list[StepTaken] = []
    for number, agent in enumerate(route.steps, start=1):
        is_last = number == len(route.steps)
        try:
            record = await run_here(prompt, agent, folder, limits, around)
        except NotReady as error:
            if is_last and not taken:
                raise
            around.observe(Event(kind="note", text=f"{agent.name} cannot work: {error}"))
            continue
        taken.append(StepTaken(agent, record, None))
        failed = record.failure is not None and record.failure.kind in {"provider", "not_ready"}
        if not failed or record.changes or is_last:
            break
        around.observe(Event(kind="note", text=f"{agent.name} failed; the next one begins"))
    found = joined(route, taken)
    return structs.replace(found, agent_fingerprint=fingerprint(route))
