"""What was asked for becomes a run: its tasks, agents and repeats, and its trials in their order."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct, structs

from flatfield import plugins
from flatfield.errors import FlatfieldError, InvalidFiles, NotFound
from flatfield.machine.hardware import versions
from flatfield.records import AgentConfig, Evaluation, Failure, Mistake, Run, Task, TrialPlan, TrialRecord
from flatfield.saying import few
from flatfield.scoring.judge.judge import is_comparative, rubric_of
from flatfield.tasks.access import Want, folder_of, project_of
from flatfield.tasks.agents import (
    control_names,
    fingerprint,
    is_control,
    is_same,
    key_typed,
    listed,
    select_agents,
    together,
)
from flatfield.tasks.loading import load
from flatfield.tasks.lop import EXAMPLE, read_task

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from datetime import datetime
    from random import Random

    from flatfield.records import Anchors, Weights
    from flatfield.runs.store.tables import TrialRow
    from flatfield.tasks.access import Access

# ---------------------------------------------------------------------------- the name of a run


def new_run_id(now: datetime, random: Random) -> str:
    """`YYYYMMDD-HHMMSS-xxxx` from a moment in UTC and 16 random bits, in hexadecimal digits.

    The random part keeps runs that start in the same second apart; ids sort by time.
    """
    return f"{now:%Y%m%d-%H%M%S}-{random.getrandbits(16):04x}"


# ---------------------------------------------------------------------------- which trials, in which order


class Remaining(Struct, frozen=True, kw_only=True):
    """What is still to be done of a run: in the plan's order, and why, in sentences."""

    plans: tuple[TrialPlan, ...]
    done: int
    notes: tuple[str, ...] = ()


def repeats(tasks: Sequence[Task], evaluation: Evaluation | None, asked: int | None = None) -> dict[str, int]:
    """How often each task is done: as `asked` on the command line, else as the LOP says, else the HOP, else once."""
    default = (evaluation.repeats if evaluation else None) or 1
    return {task.id: asked or task.repeats or default for task in tasks}


def roster(run: Run, task: str) -> tuple[str, ...]:
    """The names of the agents that a task is done by: its own roster, else all that take part in the run."""
    return run.rosters.get(task, tuple(agent.name for agent in run.agents))


def plan(run: Run) -> tuple[TrialPlan, ...]:
    """All trials of a run: each task × its roster × its repeats, in an order shuffled by the evaluation's seed.

    Repeats come one after the other, and each holds every agent once on every task of its own: a run that ends early
    has tried all of them equally often. Within a repeat, each agent's tasks, sorted by name and then by numbers drawn,
    are spread evenly over the repeat, the k-th of n at a place drawn between k / n and (k + 1) / n: no agent gets the
    quiet hours. All numbers come from one `random.Random(seed).random()`, the generator that Python keeps the same for
    ever. So the order depends on names, repeats and seed alone, not on the order in which files were given.

    Raises:
        InvalidFiles: ids would not tell trials apart: a name twice, an empty one, or one with "/".
    """
    mistakes = tuple(_name_mistakes(run))
    if mistakes:
        raise InvalidFiles(mistakes)
    draw = random.Random(run.evaluation.seed)  # noqa: S311 - shuffles, keeps no secrets
    often = how_often(run)
    return tuple(
        TrialPlan(run=run.id, agent=agent, task=task, repeat=repeat)
        for repeat in range(1, max(often.values(), default=0) + 1)
        for task, agent in _spread([pair for pair in sorted(often) if repeat <= often[pair]], draw)
    )


def _spread(pairs: Sequence[tuple[str, str]], draw: random.Random) -> list[tuple[str, str]]:
    """These (task, agent) pairs in the order in which they are done."""
    own: dict[str, list[tuple[str, str]]] = {}
    for pair in sorted(pairs, key=lambda _: draw.random()):
        own.setdefault(pair[1], []).append(pair)
    placed = {pair: (k + draw.random()) / len(mine) for _, mine in sorted(own.items()) for k, pair in enumerate(mine)}
    return sorted(placed, key=placed.__getitem__)


def how_often(run: Run) -> dict[tuple[str, str], int]:
    """The repeats of each (task, agent): the task's, and those that were added because the order was not settled."""
    planned = {task: run.repeats.get(task, n) for task, n in repeats(run.tasks, run.evaluation).items()}
    return {
        (task.id, agent): planned[task.id] + run.added_to(task.id, agent)
        for task in run.tasks
        for agent in roster(run, task.id)
    }


def with_repeats(run: Run, repeats: int, only: Collection[str] = ()) -> Run:
    """The run with so many repeats of every task at least; with `only`, of these agents."""
    added = {task: dict(agents) for task, agents in run.added.items()}
    for (task, agent), now in how_often(run).items():
        if now < repeats and (not only or agent in only):
            of_task = added.setdefault(task, {})
            of_task[agent] = of_task.get(agent, 0) + repeats - now
    return structs.replace(run, added=added)


def remaining(run: Run, stored: Sequence[TrialRecord | TrialRow], only: Collection[str] = ()) -> Remaining:
    """What is missing of a run: not stored, stored as "not measured", or done with another task or agent.

    Trials that failed, whatever the reason, are done again: an interrupted one was not finished, and for a missing
    key, a server or sandbox that was down, the user will have done something. A task or an agent that has changed
    since is told by its digest or fingerprint, and all its trials are done again, as the answers to two versions of a
    question cannot be compared. With `only`, trials of other agents than these are no part of the answer.

    Raises:
        InvalidFiles: as for `plan`.
    """
    digests, fingerprints = _keys(run)
    found = {record.id: record for record in stored}
    trials = [trial for trial in plan(run) if not only or trial.agent in only]
    missing: list[TrialPlan] = []
    why: Counter[str] = Counter()
    for trial in trials:
        record = found.get(trial.id)
        if record is None:
            missing.append(trial)
            continue
        if record.task_digest != digests[trial.task]:
            reason = f"task {trial.task} has changed"
        elif record.agent_fingerprint != fingerprints[trial.agent]:
            reason = f"agent {trial.agent} has changed"
        elif record.failure is not None:
            reason = f"not measured before ({record.failure.kind})"
        else:
            continue
        missing.append(trial)
        why[reason] += 1
    notes = tuple(f"{reason}: {_count(n)} done again" for reason, n in sorted(why.items()))
    return Remaining(plans=tuple(missing), done=len(trials) - len(missing), notes=notes)


def unmeasured(run: Run, trial: TrialPlan, failure: Failure) -> TrialRecord:
    """The record of a trial that could not be done at all."""
    digests, fingerprints = _keys(run)
    return TrialRecord(
        run=trial.run,
        agent=trial.agent,
        task=trial.task,
        repeat=trial.repeat,
        task_digest=digests[trial.task],
        agent_fingerprint=fingerprints[trial.agent],
        stop="error",
        failure=failure,
    )


def _keys(run: Run) -> tuple[dict[str, str], dict[str, str]]:
    return {task.id: task.digest for task in run.tasks}, {agent.name: fingerprint(agent) for agent in run.agents}


def _count(trials: int) -> str:
    return "1 trial is" if trials == 1 else f"{trials} trials are"


def _name_mistakes(run: Run) -> Iterator[Mistake]:
    tasks = [("task", task.id, task.path) for task in run.tasks]
    agents = [("agent", agent.name, agent.source) for agent in run.agents]
    for named in (tasks, agents):
        counts = Counter(name for _, name, _ in named)
        for kind, name, path in named:
            where = path or f"{kind} {name!r}"
            if not name or "/" in name:
                fix = f"name the {kind} without it: trials are named RUN/agent/task/repeat"
                yield Mistake(path=where, line=1, problem=f'{kind} name {name!r} is empty or holds "/"', fix=fix)
            elif counts[name] > 1:
                fix = f"give each {kind} a name of its own"
                yield Mistake(path=where, line=1, problem=f"{counts[name]} {kind}s are named {name!r}", fix=fix)


# ---------------------------------------------------------------------------- a request becomes a run


class Chosen(Struct, frozen=True, kw_only=True):
    """What a user sets in the place of what files say of an `Evaluation`, by its fields' names; None: as they say."""

    agents: tuple[str, ...] | None = None
    repeats: int | None = None
    jobs: int | None = None
    seed: int | None = None
    judge: tuple[str, ...] | None = None
    judge_weight: float | None = None
    budget_usd: float | None = None
    budget_ignores: tuple[str, ...] | None = None
    budget_seconds: float | None = None
    weights: Weights | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """What is set, by the names of an evaluation's fields."""
        return tuple(name for name in self.__struct_fields__ if getattr(self, name) is not None)

    def instead(self, evaluation: Evaluation) -> Evaluation:
        """The evaluation with what is set in the place of what it says."""
        typed = tuple(dict.fromkeys((*evaluation.typed, *self.names)))
        return structs.replace(evaluation, typed=typed, **{name: getattr(self, name) for name in self.names})

    def anew(self, run: Run) -> Run:
        """The run with what a later sitting sets in the place of what was set before; whom budgets ignore adds up."""
        evaluation = self.instead(run.evaluation)
        ignores = tuple(dict.fromkeys((*run.evaluation.budget_ignores, *evaluation.budget_ignores)))
        return structs.replace(run, evaluation=structs.replace(evaluation, budget_ignores=ignores))


_JUDGED = "name a judge with --judge"
_ANYWAY = "--ungraded measures speed and cost alone"


class Rosters(Struct, frozen=True, kw_only=True):
    """Who takes part, each once, and, where the LOPs say who does which task, the agents' names by task id."""

    agents: tuple[AgentConfig, ...]
    by_task: dict[str, tuple[str, ...]]


class Asked(Struct, frozen=True, kw_only=True):
    """What files and options ask for: the evaluation with what was chosen beside the files, and its tasks."""

    evaluation: Evaluation
    tasks: tuple[Task, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What a user or a client asks for: files, as they are named in `folder`, and what is chosen in their place.

    `command` is the command line that asks for the same. `writer`: the project's folder of whoever names agents beside
    the files; "": the user typed them. `look`, where there is one, is shown what the files hold before any agent is
    looked up: it says what there is to say of it, or refuses it.
    """

    files: tuple[str, ...]
    folder: Path
    chosen: Chosen
    command: str
    writer: str = ""
    look: Callable[[Asked], None] | None = None


class Ordered(NamedTuple):
    """What a request comes to: the run, and who grades what has a rubric."""

    run: Run
    judges: tuple[AgentConfig, ...]


def ordered(request: Request, roster: Sequence[AgentConfig], access: Access, now: datetime) -> Ordered:
    """The run that is asked for, with its judges; nothing is stored, and nobody is asked for anything.

    Raises:
        FlatfieldError: a file is not there, or has mistakes; or what `request.look` refuses.
        NotTrusted: a task is made by a function that may not be run.
        NotFound: an agent or a judge is not configured, or none is named for a task.
    """
    asked = _read(request, access)
    if request.look is not None:
        request.look(asked)
    run = new_run(asked.evaluation, asked.tasks, roster, now, command=request.command, writer=request.writer)
    return Ordered(run, judges_of(run, roster, request.writer))


def _read(request: Request, access: Access) -> Asked:
    """What the files hold; where no HOP gives the evaluation a title, their names do."""
    chosen = request.chosen
    loaded = load(request.files, request.folder, chosen.seed, access=access)
    evaluation = chosen.instead(loaded.evaluation or Evaluation(title=", ".join(request.files)))
    once = tuple(structs.replace(task, repeats=None) for task in loaded.tasks)
    tasks = tuple(loaded.tasks) if chosen.repeats is None else once
    return Asked(evaluation=evaluation, tasks=tasks, notes=tuple(loaded.notes))


def new_run(
    evaluation: Evaluation,
    tasks: Sequence[Task],
    roster: Sequence[AgentConfig],
    now: datetime,
    *,
    command: str,
    writer: str = "",
) -> Run:
    """The run that an evaluation of these tasks is; agents come from the HOP or the command line, else from the LOPs.

    `writer` is the project's folder of whoever names agents beside the files; "": the user typed them.

    Raises:
        NotFound: an agent is not configured, or none is named for a task.
    """
    found = with_candidates(resolve_agents(evaluation, tasks, roster, writer))
    return Run(
        id=new_run_id(now, random.SystemRandom()),
        created_at=now.isoformat(timespec="seconds"),
        evaluation=evaluation,
        tasks=tuple(tasks),
        agents=found.agents,
        repeats=repeats(tasks, evaluation, None),
        rosters=found.by_task,
        controls=tuple(agent.name for agent in found.agents if is_control(agent)),
        versions=versions(),
        command=command,
    )


def with_candidates(rosters: Rosters) -> Rosters:
    """The rosters in which agents that choose others, and name none, choose among all that ask models themselves.

    Raises:
        NotFound: there is nobody else.
    """
    others = tuple(one for one in rosters.agents if one.route is None and not one.steps and not is_control(one))
    is_open = {one.name for one in rosters.agents if one.route is not None and not one.steps}
    if is_open and not others:
        raise NotFound(
            f"{few(is_open)} chooses among the agents of an evaluation that ask a model: name some beside it"
        )
    agents = tuple(structs.replace(one, steps=others) if one.name in is_open else one for one in rosters.agents)
    return structs.replace(rosters, agents=agents)


def judges_of(
    run: Run, roster: Sequence[AgentConfig], writer: str = "", *, stored: Path | None = None
) -> tuple[AgentConfig, ...]:
    """Who grades what has a rubric: the judges that the run's evaluation names.

    `writer`: as for `new_run`. `stored` is the folder of the project whose store names them: nobody typed them now.

    Raises:
        NotFound: a judge is not configured.
    """
    named_by = _writer(run.evaluation, "judge", writer) if stored is None else folder_of(str(stored))
    return select_agents(run.evaluation.judge, roster, named_by)


def _writer(evaluation: Evaluation, field: str, beside: str) -> str:
    """The project's folder of whoever wrote a field of an evaluation: its file's, or of what is set `beside` it."""
    return folder_of(evaluation.path) if evaluation.path and field not in evaluation.typed else beside


def ungradable(run: Run, judged: str = _JUDGED, anyway: str = _ANYWAY) -> tuple[Mistake, ...]:
    """The tasks whose performance nothing would grade although agents work on them: no check, and no judge that could.

    `judged` says how a judge is named, `anyway` how a run begins all the same, "": it cannot.
    The controls' work costs nothing, so they may do any task.
    """
    found: list[Mistake] = []
    for task in run.tasks:
        working = set(run.rosters.get(task.id) or [agent.name for agent in run.agents]).difference(run.controls)
        checked = any(not plugins.verifier_traits(spec.kind).judged for spec in task.verifiers)
        if not working or checked or (run.evaluation.judge and rubric_of(task)):
            continue
        check = f"write `{EXAMPLE}` in its front matter"
        fix = f"{judged}, or {check}" if rubric_of(task) else check
        problem = "nothing checks what an agent does here" + (", and no judge is named" if rubric_of(task) else "")
        found.append(
            Mistake(path=task.path or task.id, line=1, problem=problem, fix=f"{fix} ({anyway})" if anyway else fix)
        )
    return tuple(found)


def resolve_agents(
    evaluation: Evaluation, tasks: Sequence[Task], roster: Sequence[AgentConfig], writer: str = ""
) -> Rosters:
    """Who does what: the evaluation's agents do every task; without them, each task is done by those that it names.

    `writer`: as for `new_run`.

    Raises:
        NotFound: agents that are not configured (all of them; the message says where they were named), or none named.
    """
    if evaluation.agents:
        named_by = _writer(evaluation, "agents", writer)
        return Rosters(agents=select_agents(evaluation.agents, roster, named_by), by_task={})
    chosen: dict[str, AgentConfig] = {}
    by_task: dict[str, tuple[str, ...]] = {}
    problems: list[NotFound] = []
    for task in tasks:
        try:
            by_task[task.id] = _take_in(select_agents(task.agents, roster, folder_of(task.path)), chosen)
        except NotFound as error:
            problems.append(NotFound(f"{task.path or task.id}: ", *error.args))
    if problems:
        raise together(problems)
    silent = [task.path or task.id for task in tasks if not by_task[task.id]]
    if silent or not tasks:
        where = f" for {', '.join(silent)}" if chosen else ""
        raise NotFound(
            f"no agents are named{where}: use --agents, or `agents:` in the HOP; configured are: ", *listed(roster)
        )
    return Rosters(agents=tuple(chosen.values()), by_task=by_task)


def _take_in(agents: Sequence[AgentConfig], chosen: dict[str, AgentConfig]) -> tuple[str, ...]:
    """Add agents to those chosen, and say under which names; two that only share a name are told apart by a number."""
    names: list[str] = []
    for agent in agents:
        name, number = agent.name, 2
        while name in chosen and fingerprint(chosen[name]) != fingerprint(agent):
            name, number = f"{agent.name}-{number}", number + 1
        chosen[name] = structs.replace(agent, name=name)
        names.append(name)
    return tuple(names)


# ---------------------------------------------------------------------------- a stored run goes on


def updated(run: Run, now: dict[str, str]) -> Run:
    """The run as it is carried out now: versions that are new are added, others are kept and their change noted."""
    changed = tuple(
        f"continued with {name} {value}, begun with {run.versions[name]}"
        for name, value in now.items()
        if run.versions.get(name, value) != value
    )
    notes = tuple(dict.fromkeys((*run.notes, *changed)))
    return structs.replace(run, versions=now | run.versions, notes=notes)


def reread(run: Run, access: Access) -> Run:
    """The run with its tasks as their files are now, so that an edited task is not mistaken for one that was done.

    Raises:
        InvalidFiles: files have mistakes now; all of them.
        NotFound: files are gone, or hold another task now; all of them.
        NotTrusted: a task is made by a function that may not be run.
    """
    mistakes: list[Mistake] = []
    gone: list[str] = []
    tasks = tuple(_reread(run, access, mistakes, gone))
    if mistakes:
        raise InvalidFiles(mistakes)
    if gone:
        raise NotFound("\n".join(gone))
    digests = {task.id: task.digest for task in run.tasks}
    changed = {task.id for task in tasks if task.digest != digests[task.id]}
    return structs.replace(run, tasks=tasks, anchors=tuple(item for item in run.anchors if item.task not in changed))


def of_its_store(run: Run, folder: Path, roster: Sequence[AgentConfig], typed: Collection[str] = ()) -> Run:
    """The run with what its agents may do judged anew: a store is a file, and `folder`, its project, wrote it.

    An agent that is configured now as it was then belongs to who configures it, one whose key and address are among
    what the user `typed` for the run to nobody, any other to the store's folder.
    """
    writer = str(project_of(folder.resolve()))

    def placed(agent: AgentConfig) -> AgentConfig:
        now = next((one for one in roster if is_same(one, agent, run)), None)
        if now is None and key_typed(agent) in typed:
            return structs.replace(agent, folder="")
        return structs.replace(agent, folder=writer if now is None else now.folder)

    return structs.replace(run, agents=tuple(map(placed, run.agents)))


def foreign(run: Run, folder: Path, typed: Collection[str] = ()) -> tuple[Want, ...]:
    """What a stored run wants of folders outside of its store's project: a copy of them for models.

    `typed`: what the user typed for the run, which is not asked for again.
    """
    project = str(project_of(folder.resolve()))
    return tuple(
        Want(folder=project, what=f"have a copy of {place} read by models")
        for place in _outside(run, folder)
        if place not in typed
    )


def typed_for(run: Run, folder: Path) -> tuple[str, ...]:
    """What a user who begins a run has typed that its store cannot vouch for later; `folder`: its project's."""
    keys = (key_typed(agent) for agent in run.agents if agent.is_typed and not agent.folder)
    return (*_outside(run, folder), *filter(None, keys))


def _outside(run: Run, folder: Path) -> tuple[str, ...]:
    project = project_of(folder.resolve())
    named = [run.source if any(task.plain and task.workspace is None for task in run.tasks) else ""]
    named += [task.workspace or "" for task in run.tasks if not task.path]
    return tuple(place for place in dict.fromkeys(named) if place and not Path(place).resolve().is_relative_to(project))


def unchanged(run: Run, access: Access) -> Run:
    """The run, when its tasks' files are as they were: what is compared must be the same task.

    Raises:
        InvalidFiles: files have mistakes now; all of them.
        NotFound: files are gone, or hold another task now; all of them.
        FlatfieldError: tasks have changed; all of them.
    """
    now = {task.id: task.digest for task in reread(run, access).tasks}
    changed = [f"{task.id} ({task.generated_from or task.path})" for task in run.tasks if now[task.id] != task.digest]
    if changed:
        raise FlatfieldError(
            f"run {run.id} was done with other versions of {', '.join(changed)}: what is added could not be compared; "
            f"put the files back as they were, or do it all again with: flatfield eval --resume {run.id}"
        )
    return run


def extended(run: Run, agents: Sequence[AgentConfig], anchors: Sequence[Anchors]) -> Run:
    """The run with more agents, who do every task of it, as often and under the same limits as those before.

    `anchors` are those of the run's grading as it was: its speed and cost scales stay, so that nobody is re-lettered.
    Neutral names stay too; only letters that a judge gave by comparing may change, which the run's notes say.

    Raises:
        FlatfieldError: the run is imported, or has an agent of that name.
    """
    if run.imported:
        raise FlatfieldError(f"run {run.id} is imported from {run.origin}: nothing can be added to it")
    known = {agent.name for agent in run.agents}
    again = [agent.name for agent in agents if agent.name in known]
    if again:
        raise FlatfieldError(
            f"run {run.id} has {', '.join(again)} already: name only new agents, or go on with it with: "
            f"flatfield eval --resume {run.id}"
        )
    added = tuple(agent.name for agent in agents)
    return structs.replace(
        run,
        agents=(*run.agents, *agents),
        rosters={task: (*names, *added) for task, names in run.rosters.items()},
        controls=(*run.controls, *(agent.name for agent in agents if is_control(agent))),
        anchors=tuple(anchors),
        notes=(
            *run.notes,
            f"{', '.join(added)} added later: on the same tasks, on the scales of the agents before",
            *judged_anew(run),
        ),
        began_with=run.began_with or len(known - control_names(run)),
    )


def judged_anew(run: Run) -> Iterator[str]:
    """What adding an agent does change: letters that a judge gave in comparison with the others."""
    compared = [task.id for task in run.tasks if is_comparative(rubric_of(task))]
    if compared and run.evaluation.judge:
        yield (
            f"the rubric of {', '.join(compared)} compares answers: the judge is asked anew about all of them, so"
            " letters that it gave before may change"
        )


def _reread(run: Run, access: Access, mistakes: list[Mistake], gone: list[str]) -> Iterator[Task]:
    for task in run.tasks:
        if not task.path:
            yield task
            continue
        path = task.generated_from or task.path
        if not Path(path).is_file():
            gone.append(f"the run's task {task.id!r} was read from {path}, which is gone; put it back to resume")
            continue
        try:
            found = read_task(Path(path), task.seed or 0, access=access)
        except InvalidFiles as error:
            mistakes += error.mistakes
            continue
        if found.id != task.id:
            gone.append(f"{path} is now task {found.id!r}, in the run it is {task.id!r}; name it so to resume")
            continue
        yield structs.replace(found, repeats=task.repeats)
