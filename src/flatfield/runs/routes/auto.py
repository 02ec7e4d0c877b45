"""Chooses an agent for a task by what others of its kind have shown, says why, and goes to the next on a failure."""

from __future__ import annotations

import math
import re
import secrets
from collections import Counter
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from flatfield.errors import NotFound, NotReady
from flatfield.records import Event, Preferences, Task, Weights
from flatfield.runs.pooling import load_pooled
from flatfield.runs.routes.cascade import StepTaken, joined
from flatfield.runs.single import PROMPT, run_here
from flatfield.runs.trial import TrialWork
from flatfield.saying import dollars, few, likely, many, seconds
from flatfield.scoring.certainty.study import certainty, compare, observe, study
from flatfield.scoring.certainty.values import Ask
from flatfield.scoring.facts import measure_of
from flatfield.scoring.measures.scales import mean
from flatfield.tasks.agents import fingerprint, is_control, is_same, select_agents

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from flatfield.records import AgentConfig, RunResult, TrialRecord
    from flatfield.runs.routes.checks import CheckDesk
    from flatfield.runs.single import FolderWork, Surroundings
    from flatfield.runs.store.store import Store
    from flatfield.runs.trial import Assignment
    from flatfield.runs.world import Outside
    from flatfield.scoring.certainty.values import Certainty, Observation
    from flatfield.tasks.project import Project

LEAST_TASKS = 8
"""With fewer tasks of a kind, kinds are not told apart."""
MOST_ASKED = 5
"""So many agents it tries at most, one after the other, where it chooses by what was published."""
WEIGHTS: Mapping[str, Weights] = {
    "best": Weights(performance=1.0, speed=0.0, cost=0.0),
    "cheap": Weights(performance=0.5, speed=0.0, cost=0.5),
    "fast": Weights(performance=0.5, speed=0.5, cost=0.0),
}
"""What matters to a policy; of one that is not here, what matters to the run."""
SINGLE = "the best single agent"
_WORDS = re.compile(r"\w{3,}")


class RouteChoice(Struct, frozen=True, kw_only=True):
    """The agents in the order in which they are to be tried, and why, in one sentence.

    `single`: who is the best on all other tasks, whatever their kind; "" where nothing is known.
    """

    order: tuple[AgentConfig, ...]
    why: str
    single: str = ""


def choose(route: AgentConfig, task: Task, known: RunResult | None) -> RouteChoice:
    """Whom a route takes for a task, by what is known of its candidates on other tasks.

    The task's own results count at no seed and in no version: a route is to be judged by what it did not see.
    """
    if known is None:
        return _unknown(route)
    names = [agent.name for agent in route.steps]
    measured = {trial.task for trial in known.trials if trial.agent in names and trial.failure is None}
    others = [one for one in known.run.tasks if one.id in measured and not is_same_task(one, task)]
    kind, words = kind_of(task, others)
    said = _ranked(route, kind, known)
    if said is None:
        return _unknown(route)
    overall = said if len(kind) == len(others) else _ranked(route, others, known)
    ranked = [one.agent for one in said.standings]
    by_name = {agent.name: agent for agent in route.steps}
    rest = [name for name in names if name not in ranked]
    return RouteChoice(
        order=tuple(by_name[name] for name in (*ranked, *rest)),
        why=_why(said, words),
        single=overall.standings[0].agent if overall else "",
    )


def _ranked(route: AgentConfig, tasks: Sequence[Task], known: RunResult) -> Certainty | None:
    """The route's candidates on these tasks by what matters to it; None where nothing is measured."""
    names, ids = [agent.name for agent in route.steps], {one.id for one in tasks}
    trials = [trial for trial in known.trials if trial.task in ids and trial.agent in names]
    found = study(observe(known.run, trials, known.verdicts), names, sorted(ids))
    weights = WEIGHTS.get(route.route or "", known.run.evaluation.weights)
    return None if found is None else certainty(found, Ask(measure=weights))


def _unknown(route: AgentConfig) -> RouteChoice:
    first = route.steps[0].name
    return RouteChoice(
        order=route.steps, why=f"{first}, the first of {len(route.steps)}: no other task is measured here yet"
    )


def _why(said: Certainty, words: str) -> str:
    first = said.standings[0]
    time, cost = first.these.seconds, first.these.usd
    took = [seconds(time.mean)] if time is not None else []
    took += [dollars(cost.mean)] if cost is not None else []
    figures = f" ({', '.join(took)} a trial)" if took else ""
    return f"{first.agent}: of {words}, it is the best with probability {likely(first.best)}{figures}"


def is_same_task(one: Task, other: Task) -> bool:
    """Whether two tasks are one, at whatever seed and in whatever version."""
    origins = {one.generated_from or one.path, other.generated_from or other.path}
    same_file = len(origins) == 1 and origins != {""}
    same_prompt = one.prompt == other.prompt and one.prompt != ""
    return one.id == other.id or same_prompt or same_file


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


# ---------------------------------------------------------------------------- beside the best single agent


class BesideSingle(Struct, frozen=True, kw_only=True):
    """A route beside the best single agent, which is chosen the same way: by other tasks alone, of whatever kind.

    `singles`: who that was, on so many of the `tasks`; `same`: on how many of these the route chose it too. The scores
    are means over tasks, seconds and dollars means of a trial (None: not known); `better`: the probability that the
    route is better in what matters.
    """

    route: str
    singles: Mapping[str, int]
    tasks: int
    same: int
    score: float
    single_score: float
    seconds: float | None
    single_seconds: float | None
    usd: float | None
    single_usd: float | None
    better: float


def beside_single(result: RunResult) -> Iterator[BesideSingle]:
    """Each route of a run, on the tasks that it and the best single agents did."""
    routes = [agent for agent in result.run.agents if agent.route is not None]
    cells: dict[tuple[str, str], list[Observation]] = {}
    for seen in observe(result.run, result.trials, result.verdicts) if routes else ():
        cells.setdefault((seen.agent, seen.task), []).append(seen)
    for route in routes:
        trials = [trial for trial in result.trials if trial.agent == route.name and trial.single and trial.steps]
        single = {trial.task: trial.single for trial in trials}
        chosen = {trial.task: trial.steps[0].agent for trial in trials}
        tasks = [task for task in single if (route.name, task) in cells and (single[task], task) in cells]
        own = [cells[route.name, task] for task in tasks]
        theirs = [[structs.replace(one, agent=SINGLE) for one in cells[single[task], task]] for task in tasks]
        made = study((*chain(*own), *chain(*theirs)), (route.name, SINGLE), tasks, None, result.grading.anchors)
        if made is None:
            continue
        yield BesideSingle(
            route=route.name,
            singles=Counter(single[task] for task in tasks),
            tasks=len(tasks),
            same=sum(chosen[task] == single[task] for task in tasks),
            score=_mean_of(own, "score") or 0.0,
            single_score=_mean_of(theirs, "score") or 0.0,
            seconds=_mean_of(own, "seconds"),
            single_seconds=_mean_of(theirs, "seconds"),
            usd=_mean_of(own, "usd"),
            single_usd=_mean_of(theirs, "usd"),
            better=compare(made, route.name, SINGLE, "next", measure_of(result)).probability,
        )


def _mean_of(tasks: Sequence[Sequence[Observation]], field: str) -> float | None:
    """The mean over tasks of the mean over trials; None where one is not known."""
    found = [[getattr(one, field) for one in each] for each in tasks]
    return None if any(value is None for each in found for value in each) else mean(map(mean, found))


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
    return structs.replace(found, single=choice.single, notes=(*_told(choice, taken), *found.notes))


def _told(choice: RouteChoice, taken: Sequence[StepTaken]) -> Iterator[str]:
    yield f"chosen: {choice.why}"
    failed = [step.agent.name for step in taken[:-1]]
    if failed:
        yield f"{few(failed)} could not be asked, so {taken[-1].agent.name} was"


# ---------------------------------------------------------------------------- on a real folder


async def chosen_here(
    route: AgentConfig, prompt: str, store: Store, project: Project, outside: Outside
) -> tuple[AgentConfig, str]:
    """The route with the agents that it chooses among, best first for such a prompt, and why that one.

    Among whom it is to choose it may say itself; else they are those that were measured here and still are as then.
    Where none of them was, others' published results decide, among those that can be asked from here.

    Raises:
        NotFound: nobody can be asked.
        StoreError: the store cannot be read.
    """
    known = _still_true(store, project.roster, route.steps)
    if known is None:
        choice = await _published_choice(route, project, outside)
    else:
        steps = route.steps or tuple(one for one in project.roster if any(t.agent == one.name for t in known.trials))
        choice = choose(structs.replace(route, steps=steps), Task(id=PROMPT, title=PROMPT, prompt=prompt), known)
    return structs.replace(route, steps=choice.order), choice.why


def _still_true(store: Store, roster: Sequence[AgentConfig], among: Sequence[AgentConfig]) -> RunResult | None:
    """What was measured here of agents that still are as they were then, of `among` alone if any; None: nothing."""
    try:
        known = load_pooled(store)
    except NotFound:
        return None
    now = {agent.name: agent for agent in among or roster}
    kept = {
        one.name
        for one in known.run.agents
        if one.name in now and not one.steps and not is_control(one) and is_same(now[one.name], one, known.run)
    }
    trials = tuple(trial for trial in known.trials if trial.agent in kept)
    return structs.replace(known, trials=trials) if any(trial.failure is None for trial in trials) else None


async def _published_choice(route: AgentConfig, project: Project, outside: Outside) -> RouteChoice:
    """The choice by what others published, among those that keys, servers and model files here allow to ask."""
    from flatfield.evidence import choosing
    from flatfield.evidence.listed import evidence
    from flatfield.runs.readiness import within_reach
    from flatfield.runs.world import open_world

    among = {agent.name: agent for agent in route.steps}
    async with open_world(outside) as world:
        here = await within_reach(project.roster, world.services, outside.clock.utc().date())
    models = tuple(one for one in here.models if not one.needs and (not among or one.agent in among))
    models = tuple(sorted(models, key=lambda one: list(among).index(one.agent))) if among else models
    here = structs.replace(here, models=models)
    wanted = Preferences(weights=WEIGHTS.get(route.route or ""))
    found = choosing.choose(evidence(project.data), here, wanted, kind=None, check="")
    names = dict.fromkeys((*(one.agent for one in found.candidates), *(one.agent for one in models)))
    if not names and not among:
        raise NotFound(
            f"{route.name} chooses by what was measured or published, and no agent can be asked from here: "
            "flatfield doctor tells what is missing; or name an agent"
        )
    asked = {name: among[name] if among else select_agents((name,), project.roster)[0] for name in names}
    order = (*asked.values(), *(agent for name, agent in among.items() if name not in asked))[:MOST_ASKED]
    if not found.candidates:
        why = f"{order[0].name}, the first of {len(order)}: nothing is measured here, and nothing was published of them"
        return RouteChoice(order=order, why=why)
    first, able = found.candidates[0], "" if found.recommended else ", though none of them does it well"
    why = (
        f"{first.agent}: nothing is measured here; by what others published for {found.kind} it is the best of "
        f"{len(found.candidates)} that can be asked from here{able}: {choosing.did(first.published, here.today)}"
    )
    return RouteChoice(order=order, why=why)


async def run_routed(work: FolderWork, around: Surroundings) -> TrialRecord:
    """Work in the folder with the first of a route's agents that can; cancelling it returns what was done.

    The next one begins where one is not ready, or its provider fails before it changed anything.

    Raises:
        NotReady: nobody of them could begin; nothing was spent.
    """
    route = work.agent
    around = replace(around, whole=route.name, attempt=secrets.token_hex(8))
    taken: list[StepTaken] = []
    for number, agent in enumerate(route.steps, start=1):
        is_last = number == len(route.steps)
        try:
            record = await run_here(replace(work, agent=agent), around)
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
