"""A plan holds every trial once, in an order that depends on the seed alone; resuming leaves what is done."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from flatfield.errors import InvalidFiles
from flatfield.records import AgentConfig, Evaluation, Failure, Run, Task, TrialPlan, TrialRecord
from flatfield.runs.order import plan, remaining, repeats, roster, unmeasured
from flatfield.tasks.agents import fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable

names = st.lists(st.text(min_size=1).filter(lambda text: "/" not in text), unique=True, min_size=1, max_size=4)


def run_of(agents: list[str], tasks: list[str], often: list[int], seed: int) -> Run:
    return Run(
        id="r",
        created_at="",
        evaluation=Evaluation(seed=seed),
        tasks=tuple(Task(id=task, title="", prompt="") for task in tasks),
        agents=tuple(AgentConfig(name=agent, provider="noop") for agent in agents),
        repeats=dict(zip(tasks, often, strict=False)),
    )


def done(run: Run, trial: TrialPlan, **fields: Any) -> TrialRecord:
    agent = next(agent for agent in run.agents if agent.name == trial.agent)
    task = next(task for task in run.tasks if task.id == trial.task)
    values: dict[str, Any] = {"task_digest": task.digest, "agent_fingerprint": fingerprint(agent), "stop": "answered"}
    return TrialRecord(run=run.id, agent=trial.agent, task=trial.task, repeat=trial.repeat, **(values | fields))


@given(agents=names, tasks=names, often=st.lists(st.integers(1, 4), min_size=4, max_size=4), seed=st.integers())
def test_every_trial_once_whatever_the_order_of_the_files(
    agents: list[str], tasks: list[str], often: list[int], seed: int
) -> None:
    run = run_of(agents, tasks, often, seed)
    trials = plan(run)
    wanted = {(agent, task, n) for agent in agents for task, many in run.repeats.items() for n in range(1, many + 1)}
    assert {(trial.agent, trial.task, trial.repeat) for trial in trials} == wanted
    assert len(trials) == len(wanted)
    other = structs.replace(run, tasks=run.tasks[::-1], agents=run.agents[::-1])
    assert plan(other) == trials


def test_the_order_is_shuffled_by_the_seed_and_the_same_on_every_machine() -> None:
    trials = [(t.agent, t.task, t.repeat) for t in plan(run_of(["a", "b"], ["x", "y"], [2, 1], seed=7))]
    assert trials == [
        ("b", "y", 1), ("a", "x", 1), ("a", "y", 1), ("b", "x", 1), ("a", "x", 2), ("b", "x", 2),
    ]  # fmt: skip
    orders = {plan(run_of(["a", "b"], ["x", "y"], [2, 1], seed)) for seed in range(20)}
    assert len(orders) > 10


def test_a_run_that_ends_early_has_tried_all_agents_equally_often() -> None:
    trials = plan(run_of(["a", "b", "c"], ["x", "y"], [3, 3], seed=1))
    for end in range(6, len(trials) + 1, 6):
        assert len(set(Counter((t.agent, t.task) for t in trials[:end]).values())) == 1


def test_no_agent_gets_the_quiet_hours() -> None:
    """Whenever one looks into a repeat, all agents have done the same share of it, give or take a trial."""
    tasks = [f"t{n}" for n in range(12)]
    for seed in range(5):
        trials = plan(run_of(["a", "b", "c"], tasks, [2] * 12, seed=seed))
        for end in range(1, len(trials) + 1):
            done = Counter({"a": 0, "b": 0, "c": 0}) + Counter(t.agent for t in trials[:end])
            counts = [done[name] for name in "abc"]
            assert max(counts) - min(counts) <= 2


def test_how_often_is_said_by_the_command_line_then_the_task_then_the_evaluation() -> None:
    tasks = [Task(id="x", title="", prompt="", repeats=5), Task(id="y", title="", prompt="")]
    assert repeats(tasks, Evaluation(repeats=3)) == {"x": 5, "y": 3}
    assert repeats(tasks, None) == {"x": 5, "y": 1}
    assert repeats(tasks, Evaluation(repeats=3), asked=2) == {"x": 2, "y": 2}


@pytest.mark.parametrize(
    ("agents", "tasks", "problems"),
    [
        (["org/model"], ["x"], ["'org/model'"]),
        (["a"], ["x/y", ""], ["'x/y'", "''"]),
        (["a", "a"], ["x"], ["2 agents are named 'a'", "2 agents are named 'a'"]),
    ],
)
def test_names_that_would_not_tell_trials_apart_are_refused_all_at_once(
    agents: list[str], tasks: list[str], problems: list[str]
) -> None:
    with pytest.raises(InvalidFiles) as caught:
        plan(run_of(agents, tasks, [1, 1], seed=0))
    assert len(caught.value.mistakes) == len(problems)
    for mistake, problem in zip(caught.value.mistakes, problems, strict=True):
        assert problem in str(mistake)


def test_resuming_does_only_what_is_missing_in_the_same_order(make_run: Callable[..., Run]) -> None:
    run = make_run()
    trials = plan(run)
    assert remaining(run, ()).plans == trials
    left = remaining(run, [done(run, trial) for trial in trials[::2]])
    assert left.plans == trials[1::2]
    assert left.done == len(trials) - len(left.plans)
    assert not left.notes
    assert remaining(run, [done(run, trial) for trial in trials]).plans == ()


@pytest.mark.parametrize("kind", ["not_ready", "provider", "workspace", "sandbox", "harness", "interrupted"])
def test_resuming_does_again_what_was_not_measured(make_run: Callable[..., Run], kind: Any) -> None:
    run = make_run()
    first, *others = plan(run)
    failed = done(run, first, failure=Failure(kind=kind, message="down"))
    left = remaining(run, [failed, *(done(run, trial) for trial in others)])
    assert left.plans == (first,)
    assert left.notes == (f"not measured before ({kind}): 1 trial is done again",)


def test_an_edited_task_or_agent_is_not_mistaken_for_a_done_one(make_run: Callable[..., Run]) -> None:
    run = make_run()
    stored = [done(run, trial) for trial in plan(run)]
    read, write = run.tasks
    edited = structs.replace(run, tasks=(structs.replace(read, digest="new"), write))
    left = remaining(edited, stored)
    assert {trial.task for trial in left.plans} == {"read"}
    assert left.notes == ("task read has changed: 4 trials are done again",)
    fast, slow = run.agents
    changed = structs.replace(run, agents=(structs.replace(fast, temperature=1.0), slow))
    assert remaining(changed, stored).notes == ("agent fast has changed: 4 trials are done again",)


def test_a_trial_that_could_not_be_done_has_a_record_that_resuming_knows(make_run: Callable[..., Run]) -> None:
    run = make_run()
    trial = plan(run)[0]
    record = unmeasured(run, trial, Failure(kind="not_ready", message="no key"))
    assert record.id == trial.id
    assert remaining(run, [structs.replace(record, failure=None)]).done == 1


def test_a_task_with_a_roster_of_its_own_is_done_by_nobody_else(make_run: Callable[..., Run]) -> None:
    run = make_run(agents=("a", "b", "c"), rosters={"read": ("a", "c")})
    done_by = Counter((trial.task, trial.agent) for trial in plan(run))
    assert done_by == {("read", "a"): 2, ("read", "c"): 2, ("write", "a"): 2, ("write", "b"): 2, ("write", "c"): 2}
    assert roster(run, "read") == ("a", "c")
    assert roster(run, "write") == ("a", "b", "c")
    assert remaining(run, [done(run, trial) for trial in plan(run)]).plans == ()


def test_rosters_of_all_agents_change_no_order(make_run: Callable[..., Run]) -> None:
    run = make_run()
    assert plan(structs.replace(run, rosters={"read": ("slow", "fast"), "write": ("fast", "slow")})) == plan(run)
