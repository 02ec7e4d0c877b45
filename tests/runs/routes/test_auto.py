"""Routes: who is chosen for a task by what others of its kind showed, why, and who comes when that one fails."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import structs

from flatfield.errors import NotFound
from flatfield.faces.composed import routed
from flatfield.records import (
    AgentConfig,
    CascadeStep,
    Check,
    Evaluation,
    Event,
    Limits,
    Run,
    RunResult,
    Task,
    TrialRecord,
)
from flatfield.runs import readiness
from flatfield.runs.results import load_result
from flatfield.runs.routes.auto import beside_single, choose, chosen_here, is_same_task, kind_of, nearest
from flatfield.runs.routes.here import work_here
from flatfield.runs.single import FolderWork, Surroundings
from flatfield.runs.world import Outside
from flatfield.scoring.grading import grade
from flatfield.tasks.agents import Roster, select_agents
from flatfield.tasks.project import Project
from flatfield.testing.fake_server import FakeReply, Fault
from flatfield.testing.wires.openai_chat import FakeChat

from .conftest import Sitting, cascade, model, task, writing

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.whole


def made(number: int, tag: str = "", **given: Any) -> Task:
    values = {"title": "", "prompt": f"prompt {number} about {tag or 'nothing'}", "tags": (tag,) if tag else ()} | given
    return Task(id=f"{tag or 't'}-{number}", digest=f"{tag}-{number}", **values)


def route(policy: str = "best", *names: str) -> AgentConfig:
    steps = tuple(AgentConfig(name=name, provider="openai", model=name) for name in names or ("weak", "strong"))
    return AgentConfig(name="auto", provider="auto", route=policy, steps=steps)


def known(tasks: list[Task], scores: dict[tuple[str, str], float], **usd: float) -> RunResult:
    """By agent and tag of a task: the score of all its trials there, two each."""
    trials = [
        TrialRecord(
            run="r", agent=agent, task=one.id, repeat=repeat, task_digest=one.digest, agent_fingerprint=agent,
            stop="answered", active_seconds=5.0, wall_seconds=5.0, cost_usd=usd.get(agent, 0.01),
            checks=(Check(verifier="answer", label="", score=score, reason=""),),
        )
        for (agent, tag), score in scores.items()
        for one in tasks if tag in (one.tags or ("",))
        for repeat in (1, 2)
    ]  # fmt: skip
    run = Run(
        id="r", created_at="", evaluation=Evaluation(), tasks=tuple(tasks), agents=route().steps,
        repeats={one.id: 2 for one in tasks},
    )  # fmt: skip
    return RunResult(run=run, trials=tuple(trials), verdicts=(), grading=grade(run, trials, ()))


EASY, HARD = [made(n, "easy") for n in range(9)], [made(n, "hard") for n in range(9)]
APART = {("weak", "easy"): 1.0, ("weak", "hard"): 0.0, ("strong", "easy"): 0.0, ("strong", "hard"): 1.0}


def test_the_best_of_the_tasks_kind_is_chosen_and_the_reason_told() -> None:
    found = known([*EASY, *HARD], APART)
    for tag, best in (("easy", "weak"), ("hard", "strong")):
        choice = choose(route(), made(99, tag), found)
        assert choice.order[0].name == best
        assert f"{best}: of 9 other tasks with the tag {tag}, it is the best with probability" in choice.why
        assert "$0.01" in choice.why


def test_a_policy_says_what_matters() -> None:
    scores = {("weak", "easy"): 0.9, ("strong", "easy"): 1.0}
    found = known(EASY, scores, weak=0.001, strong=1.0)
    assert choose(route("best"), made(99, "easy"), found).order[0].name == "strong"
    assert choose(route("cheap"), made(99, "easy"), found).order[0].name == "weak"


def test_a_tasks_own_results_never_count() -> None:
    """On all tasks but its own, weak is the best; on its own strong is, so often that it would win."""
    own = made(1, "own", path="own.md")
    versions = [
        own,
        structs.replace(own, id="own-other", prompt="another"),
        structs.replace(own, id="seeded", path="seeded.md", prompt="seeded", generated_from="own.md", seed=7),
    ]
    assert all(is_same_task(one, own) for one in versions)
    scores = {("weak", "easy"): 1.0, ("strong", "easy"): 0.5, ("weak", "own"): 0.0, ("strong", "own"): 1.0}
    few = EASY[:2]
    found = known([*few, *versions], scores)
    choice = choose(route(), own, found)
    assert choice.order[0].name == "weak"
    assert "2 other tasks (too few to tell kinds apart: it is the best single agent)" in choice.why


def test_kinds_are_told_by_tag_then_level_then_prompts() -> None:
    levels = [made(n, level=n % 2) for n in range(18)]
    assert kind_of(made(99, level=1), levels)[1] == "9 other tasks of level 1"
    words = [made(n, prompt=f"fix the parser bug {n}") for n in range(8)]
    words += [made(10 + n, prompt=f"write a poem on spring {n}") for n in range(8)]
    asked = made(99, prompt="there is a bug in the parser, fix it")
    near, why = kind_of(asked, words)
    assert {one.prompt.split()[0] for one in near} == {"fix"}
    assert why == "the 8 other tasks with the nearest prompts"
    assert nearest("", words)
    assert kind_of(asked, words[:9])[1] == "all 9 other tasks"


def test_without_any_results_the_first_is_taken_and_it_is_said() -> None:
    for found in (None, known([], {})):
        choice = choose(route(), made(1), found)
        assert (choice.order[0].name, choice.why) == (
            "weak",
            "weak, the first of 2: no other task is measured here yet",
        )


def test_anybody_can_name_it_and_an_agent_of_that_name_goes_first() -> None:
    (named,) = select_agents(["auto:cheap"], ())
    assert (named.name, named.provider, named.route, named.steps) == ("auto:cheap", "auto", "cheap", ())
    own = AgentConfig(name="auto", provider="ollama", model="m")
    assert select_agents(["auto"], (own,)) == (own,)


def around(events: list[Event]) -> Surroundings:
    return Surroundings(outside=Outside(), observe=events.append)


async def test_on_a_real_folder_it_chooses_by_the_prompt_and_goes_on_where_a_provider_fails(
    sitting: Sitting, tmp_path: Path
) -> None:
    async with FakeChat(writing({"weak": "wrong", "strong": "right"}), models=["weak", "strong"]) as server:
        roster = (model(server.base_url, "weak"), model(server.base_url, "strong"), model(server.base_url, "new"))
        (auto,) = select_agents(["auto:best"], ())
        await sitting.evaluate(sitting.run([task(f"t{n}") for n in range(9)], list(roster[:2])))
        found, why = await chosen_here(auto, "Do t33.", sitting.store, here(tmp_path, *roster), Outside())
        assert [step.name for step in found.steps] == ["strong", "weak"], (
            "of one that was never measured nothing is known"
        )
        assert why.startswith("strong: of all 9 other tasks, it is the best with probability")
        folder, events = tmp_path / "work", list[Event]()
        folder.mkdir()
        first = FolderWork(prompt="Do it.", agent=found, folder=folder, limits=Limits(), why=why)
        record = await work_here(first, around(events))
        assert record.notes[0] == f"chosen: {why}"
        assert (record.agent, record.answer) == ("auto:best", "wrote right")
        assert (folder / "done.txt").read_text() == "right"
        gone = structs.replace(found.steps[0], name="gone", base_url="http://127.0.0.1:1/v1")
        other = await work_here(
            replace(first, agent=structs.replace(found, steps=(gone, *found.steps))), around(events)
        )
        assert [step.agent for step in other.steps] == ["strong"]
        assert any("gone cannot work" in event.text for event in events)


def here(folder: Path, *roster: AgentConfig) -> Project:
    return Project(folder=folder, config=None, data=folder / ".flatfield", roster=Roster(roster), notes=())


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No server runs on this machine, and no model file lies there."""
    monkeypatch.setattr(readiness, "_usual_servers", lambda _: iter(()))
    monkeypatch.setattr(readiness, "list_models", lambda _: ())


PUBLISHED = (
    AgentConfig(name="mini", provider="openai", model="gpt-5.4"),
    AgentConfig(name="nobody-knows", provider="openai", model="gpt-0-unheard-of"),
    AgentConfig(name="opus", provider="anthropic", model="claude-opus-4-8"),
    AgentConfig(name="pro", provider="openai", model="gpt-5.5"),
)
OPENAI = Outside(environ={"OPENAI_API_KEY": "k"})


@pytest.mark.usefixtures("alone")
async def test_while_nothing_is_measured_it_goes_by_what_was_published_of_those_who_can_be_asked(
    sitting: Sitting, tmp_path: Path
) -> None:
    (auto,) = select_agents(["auto:best"], ())
    found, why = await chosen_here(auto, "Do it.", sitting.store, here(tmp_path, *PUBLISHED), OPENAI)
    assert [step.name for step in found.steps] == ["pro", "mini", "nobody-knows"], "of opus there is no key"
    assert why.startswith("pro: nothing is measured here; by what others published for code-repair it is the best of 2")
    assert "of the 500 tasks of swe-bench" in why
    both = Outside(environ={"OPENAI_API_KEY": "k", "ANTHROPIC_API_KEY": "k"})
    found, why = await chosen_here(auto, "Do it.", sitting.store, here(tmp_path, *PUBLISHED), both)
    assert "it is the best of 3 that can be asked from here" in why
    assert {step.name for step in found.steps} == {one.name for one in PUBLISHED}


@pytest.mark.usefixtures("alone")
async def test_those_it_chooses_among_are_all_tried_whatever_was_published(sitting: Sitting, tmp_path: Path) -> None:
    named = structs.replace(route(), steps=(PUBLISHED[2], PUBLISHED[0]))
    found, why = await chosen_here(named, "Do it.", sitting.store, here(tmp_path, *PUBLISHED), OPENAI)
    assert [step.name for step in found.steps] == ["mini", "opus"]
    assert why.startswith("mini: nothing is measured here; by what others published")
    unheard = structs.replace(route(), steps=(PUBLISHED[1],))
    found, why = await chosen_here(unheard, "Do it.", sitting.store, here(tmp_path, *PUBLISHED), OPENAI)
    assert why == "nobody-knows, the first of 1: nothing is measured here, and nothing was published of them"


@pytest.mark.usefixtures("alone")
async def test_where_nobody_can_be_asked_that_is_said(sitting: Sitting, tmp_path: Path) -> None:
    (auto,) = select_agents(["auto"], ())
    with pytest.raises(NotFound, match="no agent can be asked from here: flatfield doctor"):
        await chosen_here(auto, "Do it.", sitting.store, here(tmp_path, *PUBLISHED), Outside(environ={}))


async def test_what_was_measured_of_an_agent_that_is_another_now_does_not_count(
    sitting: Sitting, tmp_path: Path, alone: None
) -> None:
    async with FakeChat(writing({"weak": "wrong", "strong": "right"}), models=["weak", "strong"]) as server:
        weak, strong = model(server.base_url, "weak"), model(server.base_url, "strong")
        await sitting.evaluate(sitting.run([task()], [weak, strong]))
        changed = structs.replace(strong, temperature=0.5)
        named = structs.replace(route(), steps=(weak, changed))
        found, _ = await chosen_here(named, "Do u.", sitting.store, here(tmp_path, weak, changed), Outside())
        assert [step.name for step in found.steps] == ["weak", "strong"]


async def test_in_an_evaluation_it_runs_after_the_others_and_says_why(sitting: Sitting) -> None:
    asked: list[str] = []

    def script(request: dict[str, Any], number: int) -> FakeReply:
        asked.append(request["model"])
        return writing({"weak": "wrong", "strong": "right"})(request, number)

    tasks = [task(f"t{n}") for n in range(9)]
    async with FakeChat(script, models=["weak", "strong"]) as server:
        (auto,) = select_agents(["auto:best"], ())
        agents = [auto, model(server.base_url, "weak"), model(server.base_url, "strong")]
        run = sitting.run(tasks, agents)
        assert [step.name for step in run.agents[0].steps] == ["weak", "strong"]
        summary = await sitting.evaluate(run)
    assert len(summary.measured) == 27
    assert asked[-18:] == ["strong"] * 18, "two turns a task, all behind the others'"
    record = sitting.trial(run, "auto:best", "t3")
    assert [step.agent for step in record.steps] == ["strong"]
    assert record.checks[0].score == 1.0
    assert any(note.startswith("chosen: strong: of all 8 other tasks, it is the best") for note in record.notes)
    assert routed(load_result(sitting.store, run.id)) == (
        "auto:best took the best single agent (strong), chosen the same way, by other tasks alone, on all 9 tasks",
    )


def ran(tasks: list[Task], found: RunResult) -> RunResult:
    """The run, with a trial of the route on each of the tasks: what the chosen agent did there, once more."""
    auto, trials = route(), []
    for one in tasks:
        choice = choose(auto, one, found)
        done = next(each for each in found.trials if (each.agent, each.task) == (choice.order[0].name, one.id))
        step = CascadeStep(agent=choice.order[0].name, turns=1, stop="answered")
        trials.append(structs.replace(done, agent=auto.name, single=choice.single, steps=(step,)))
    run = structs.replace(found.run, agents=(*found.run.agents, auto))
    whole = (*found.trials, *trials)
    return structs.replace(found, run=run, trials=whole, grading=grade(run, whole, ()))


@pytest.mark.slow
def test_kinds_told_apart_beat_the_best_single_agent_chosen_the_same_way() -> None:
    """Each is good at one kind: who is best on all other tasks is never who is best on this kind."""
    found = ran([*EASY, *HARD], known([*EASY, *HARD], APART))
    (one,) = beside_single(found)
    assert (one.score, one.single_score, one.tasks, one.same) == (1.0, 0.0, 18, 0)
    assert one.better > 0.99
    assert (one.seconds, one.single_seconds, one.usd) == (5.0, 5.0, 0.01)
    (line,) = routed(found)
    assert line.startswith("auto did 1.00 (5.00 s, $0.0100 a trial) where the best single agent (")
    assert "did 0.00 (5.00 s, $0.0100 a trial); on 18 of 18 tasks it took another one" in line


def test_with_few_tasks_it_is_the_best_single_agent_and_says_so() -> None:
    few_tasks = EASY[:8]
    (line,) = routed(ran(few_tasks, known(few_tasks, {("weak", "easy"): 0.2, ("strong", "easy"): 0.9})))
    assert line == (
        "auto is the best single agent here (strong), chosen the same way, by other tasks alone: fewer than 8 other"
        " tasks tell no kinds apart"
    )
    assert routed(known(few_tasks, {("weak", "easy"): 1.0, ("strong", "easy"): 0.5})) == ()


async def test_when_its_provider_fails_the_next_one_does_it(sitting: Sitting) -> None:
    def script(request: dict[str, Any], number: int) -> FakeReply | Fault:
        if request["model"] == "weak":
            return Fault(status=400)
        return writing({"strong": "right"})(request, number)

    async with FakeChat(script, models=["weak", "strong"]) as server:
        auto = structs.replace(route(), steps=(model(server.base_url, "weak"), model(server.base_url, "strong")))
        run = sitting.run([task()], [auto])
        await sitting.evaluate(run)
    record = sitting.trial(run, "auto")
    assert [step.agent for step in record.steps] == ["weak", "strong"]
    assert record.failure is None
    assert "weak could not be asked, so strong was" in record.notes


def test_alone_in_an_evaluation_it_has_nobody_to_choose(sitting: Sitting) -> None:
    with pytest.raises(NotFound, match="auto chooses among the agents of an evaluation that ask a model"):
        sitting.run([task()], list(select_agents(["auto"], ())))


def test_a_mistyped_route_is_told_the_one_that_is_meant() -> None:
    with pytest.raises(NotFound, match="there is no route 'auto:chep'; did you mean 'auto:cheap'"):
        select_agents(["auto:chep"], ())


@pytest.mark.usefixtures("alone")
async def test_cascades_and_routes_are_nobody_to_choose_among(sitting: Sitting, tmp_path: Path) -> None:
    both = cascade("http://127.0.0.1:9/v1", "hidden")
    desk = AgentConfig(name="desk", provider="auto", route="cheap", steps=both.steps)
    (auto,) = select_agents(["auto:best"], ())
    found, _ = await chosen_here(auto, "Do it.", sitting.store, here(tmp_path, both, desk, *PUBLISHED), OPENAI)
    assert [step.name for step in found.steps] == ["pro", "mini", "nobody-knows"]
