"""What was asked for becomes a run: who does what, how often, with which versions; and again when it is resumed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import structs

from flatfield.errors import FlatfieldError, InvalidFiles, NotFound
from flatfield.records import AgentConfig, Anchors, Evaluation, Run, Task, VerifierSpec
from flatfield.runs.order import (
    Asked,
    Chosen,
    Request,
    extended,
    judges_of,
    new_run,
    ordered,
    plan,
    reread,
    resolve_agents,
    unchanged,
    ungradable,
    updated,
)
from flatfield.runs.store.codec import decode, encode
from flatfield.tasks.access import everything, nobody
from flatfield.tasks.lop import read_task

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ROSTER = (
    AgentConfig(name="ada", provider="openai-chat", model="m1", base_url="http://h/v1"),
    AgentConfig(name="bob", provider="openai-chat", model="m2", base_url="http://h/v1"),
    AgentConfig(name="cleo", provider="openai-chat", model="m3", base_url="http://h/v1"),
    AgentConfig(name="oracle", provider="oracle"),
)


def task(name: str, *agents: str, **fields: Any) -> Task:
    return Task(id=name, title=name, prompt="Do it.", agents=agents, **fields)


def run_of(tasks: Sequence[Task], **evaluation: Any) -> Run:
    return new_run(Evaluation(**evaluation), tasks, ROSTER, NOW, command="flatfield eval x")


def who_does_what(run: Run) -> set[tuple[str, str]]:
    return {(trial.task, trial.agent) for trial in plan(run)}


CHECK = VerifierSpec(kind="answer", options={"contains": "x"})
ITEMS = VerifierSpec(kind="rubric", options={"value": ["names the cause"]})


@pytest.mark.parametrize(
    ("fields", "judge", "gradable"),
    [
        ({}, (), False),
        ({}, ("cleo",), False),
        ({"rubric": "Is it right?"}, (), False),
        ({"rubric": "Is it right?"}, ("cleo",), True),
        ({"verifiers": (ITEMS,)}, (), False),
        ({"verifiers": (ITEMS,)}, ("cleo",), True),
        ({"verifiers": (ITEMS, CHECK)}, (), True),
    ],
)
def test_a_task_that_nothing_would_grade_is_told_with_what_would(
    fields: dict[str, Any], judge: tuple[str, ...], *, gradable: bool
) -> None:
    run = run_of([task("x", "ada", path="x.md", **fields), task("y", "ada", verifiers=(CHECK,))], judge=judge)
    mistakes = ungradable(run)
    assert [mistake.path for mistake in mistakes] == ([] if gradable else ["x.md"])
    for mistake in mistakes:
        assert 'verify: [{answer: {contains: "TEXT"}}]' in mistake.fix
        assert ("--judge" in mistake.fix) == bool(fields)


def test_controls_may_do_any_task() -> None:
    assert ungradable(run_of([task("x")], agents=("oracle",))) == ()
    assert ungradable(run_of([task("x", "oracle"), task("y", "ada", verifiers=(CHECK,))])) == ()
    assert len(ungradable(run_of([task("x")], agents=("oracle", "ada")))) == 1


def test_each_task_is_done_by_the_agents_that_it_names() -> None:
    run = run_of([task("x", "ada", "bob"), task("y", "bob", "oracle")])
    assert [agent.name for agent in run.agents] == ["ada", "bob", "oracle"]
    assert who_does_what(run) == {("x", "ada"), ("x", "bob"), ("y", "bob"), ("y", "oracle")}
    assert run.controls == ("oracle",)


def test_agents_of_the_evaluation_replace_every_roster() -> None:
    run = run_of([task("x", "ada"), task("y")], agents=("bob", "cleo"))
    assert who_does_what(run) == {("x", "bob"), ("x", "cleo"), ("y", "bob"), ("y", "cleo")}
    assert run.rosters == {}


def test_globs_and_specs_of_tasks() -> None:
    spec = "openai-chat:m@http://host:1/v1"
    run = run_of([task("x", "*"), task("y", spec, "ada")])
    assert who_does_what(run) == {
        ("x", "ada"), ("x", "bob"), ("x", "cleo"), ("y", "openai-chat:m@host:1"), ("y", "ada"),
    }  # fmt: skip


def test_agents_that_only_share_a_name_stay_apart_over_tasks() -> None:
    first, second = "openai-chat:m@http://host/a/v1", "openai-chat:m@http://host/b/v1"
    run = run_of([task("x", first), task("y", second), task("z", first, second)])
    urls = {agent.name: agent.base_url for agent in run.agents}
    assert len(urls) == 2
    assert {(name, urls[agent]) for name, agent in who_does_what(run)} == {
        ("x", "http://host/a/v1"), ("y", "http://host/b/v1"), ("z", "http://host/a/v1"), ("z", "http://host/b/v1"),
    }  # fmt: skip


def test_unknown_agents_are_named_with_their_files_all_at_once() -> None:
    tasks = [task("x", "ada", "bbo", path="x.md"), task("y", "cloe", path="y.md")]
    with pytest.raises(NotFound, match=r"(?s)x\.md: there is no agent 'bbo'.*bob.*\ny\.md: there is no agent 'cloe'"):
        run_of(tasks)


def test_tasks_that_nobody_would_do_are_named() -> None:
    with pytest.raises(NotFound, match=r"no agents are named for y\.md: use --agents"):
        run_of([task("x", "ada", path="x.md"), task("y", path="y.md")])
    with pytest.raises(NotFound, match=r"no agents are named: use --agents.*configured are: ada, bob"):
        run_of([task("x")])
    with pytest.raises(NotFound, match="no agents are named"):
        resolve_agents(Evaluation(), [], ROSTER)


def test_a_run_knows_its_versions_and_how_it_was_asked_for() -> None:
    run = run_of([task("x", "ada", repeats=3), task("y", "ada")], repeats=2, seed=5)
    assert {"flatfield", "python", "platform", "aiohttp", "msgspec"} <= set(run.versions)
    assert (run.repeats, run.evaluation.seed, run.command) == ({"x": 3, "y": 2}, 5, "flatfield eval x")
    assert run.id.startswith("20260102-030405-")
    assert decode(encode(run), Run) == run


def test_other_versions_on_resuming_are_noted_once() -> None:
    run = structs.replace(run_of([task("x", "ada")]), versions={"flatfield": "0.1", "python": "3.11"})
    now = {"flatfield": "0.2", "python": "3.11", "sandbox": "bubblewrap"}
    again = updated(updated(run, now), now)
    assert again.versions == {"flatfield": "0.1", "python": "3.11", "sandbox": "bubblewrap"}
    assert again.notes == ("continued with flatfield 0.2, begun with 0.1",)


LOP = '---\nlevel: 1\n---\n# One\n\n## Variables\n\nPROMPT: "{}"\n'


def test_a_resumed_run_reads_its_tasks_again(tmp_path: Path) -> None:
    path = tmp_path / "one.md"
    path.write_text(LOP.format("Old."))
    stored = run_of([structs.replace(read_task(path), agents=("ada",)), task("memory", "ada")], repeats=2)
    assert reread(stored, everything()).tasks[0].digest == stored.tasks[0].digest
    path.write_text(LOP.format("New."))
    again = reread(stored, everything())
    assert (again.tasks[0].prompt, again.tasks[1]) == ("New.", stored.tasks[1])
    assert again.tasks[0].digest != stored.tasks[0].digest
    assert who_does_what(again) == who_does_what(stored)


def test_all_that_keeps_a_run_from_being_resumed_is_said_at_once(tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.md" for name in "abc"]
    for path in paths:
        path.write_text(LOP.format("Do it."))
    run = run_of([read_task(path) for path in paths], agents=("ada",))
    paths[0].unlink()
    paths[1].write_text(LOP.format("Do it.").replace("level: 1", "id: other"))
    with pytest.raises(
        NotFound, match=r"(?s)a\.md, which is gone.*\n.*b\.md is now task 'other', in the run it is 'b'"
    ):
        reread(run, everything())
    paths[1].write_text("# No prompt\n")
    paths[2].write_text(LOP.format("Do it.").replace("level: 1", "repeats: none"))
    with pytest.raises(InvalidFiles) as caught:
        reread(run, everything())
    assert {mistake.path for mistake in caught.value.mistakes} == {str(paths[1]), str(paths[2])}


def test_added_agents_do_every_task_as_often_and_the_scales_are_kept() -> None:
    run = run_of([task("x", "ada", repeats=3), task("y", "bob")], seed=5)
    kept = Anchors(task="x", measure="speed", best=1.0, worst=9.0)
    again = extended(run, [ROSTER[2], ROSTER[3]], [kept])
    assert [agent.name for agent in again.agents] == ["ada", "bob", "cleo", "oracle"]
    added = {(name, agent) for name in "xy" for agent in ("cleo", "oracle")}
    assert who_does_what(again) == who_does_what(run) | added
    assert {trial.id for trial in plan(run)} < {trial.id for trial in plan(again)}
    assert (again.anchors, again.controls, again.repeats) == ((kept,), ("oracle",), run.repeats)
    assert again.evaluation == run.evaluation
    assert "cleo, oracle added later" in again.notes[-1]
    assert decode(encode(again), Run) == again


def test_agents_that_are_in_a_run_are_not_added_again() -> None:
    run = run_of([task("x", "ada", "bob")])
    with pytest.raises(FlatfieldError, match="has bob already: name only new agents"):
        extended(run, [ROSTER[1], ROSTER[2]], ())
    with pytest.raises(FlatfieldError, match="is imported from published figures"):
        extended(structs.replace(run, imported=True), [ROSTER[2]], ())


def test_a_run_is_extended_with_its_tasks_as_they_were_only(tmp_path: Path) -> None:
    path = tmp_path / "one.md"
    path.write_text(LOP.format("Old."))
    run = run_of([structs.replace(read_task(path), agents=("ada",)), task("memory", "ada")])
    assert unchanged(run, everything()) == run
    path.write_text(LOP.format("New."))
    with pytest.raises(FlatfieldError, match=r"other versions of one \(.*one\.md\).*put the files back"):
        unchanged(run, everything())


def test_scales_of_a_task_that_has_changed_are_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "one.md"
    path.write_text(LOP.format("Old."))
    scales = [Anchors(task=name, measure="speed", best=1.0, worst=2.0) for name in ("one", "memory")]
    run = extended(
        run_of([structs.replace(read_task(path), agents=("ada",)), task("memory", "ada")]), [ROSTER[1]], scales
    )
    assert reread(run, everything()).anchors == tuple(scales)
    path.write_text(LOP.format("New."))
    assert reread(run, everything()).anchors == tuple(scales[1:])


def test_a_generated_task_is_made_again_with_the_seed_of_its_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLATFIELD_CACHE", str(tmp_path / "first"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "make.py").write_text("def build(seed, folder):\n    return {'n': seed}\n")
    path = tmp_path / "mine" / "t.md"
    path.write_text('---\ngenerate: make.py::build\n---\n# T\n\n## Variables\n\nPROMPT: "Say {{n}}."\n')
    run = run_of([structs.replace(read_task(path, 7, access=everything()), agents=("ada",))])
    monkeypatch.setenv("FLATFIELD_CACHE", str(tmp_path / "second"))
    (again,) = reread(run, everything()).tasks
    assert (again.prompt, again.seed, again.digest) == ("Say 7.", 7, run.tasks[0].digest)
    assert again.path.startswith(str(tmp_path / "second"))
    path.unlink()
    with pytest.raises(NotFound, match=r"was read from .*/t\.md, which is gone"):
        reread(run, everything())


CAPITAL = (
    '---\nid: capital\n---\n# A capital\n\n## Variables\n\nPROMPT: "Which capital?"\n\n## Grading rubric\n\nRight?\n'
)
JUDGE = "openai-chat:m9@http://h/v1"


def asked_in(folder: Path, chosen: Chosen, **more: Any) -> Request:
    (folder / ".git").mkdir(parents=True)
    (folder / "hop.md").write_text(f"---\nagents: [ada]\njudge: ['{JUDGE}']\n---\n")
    (folder / "capital.md").write_text(CAPITAL)
    return Request(files=("capital.md", "hop.md"), folder=folder, chosen=chosen, command="x", **more)


def test_a_request_becomes_a_run_and_its_judges(tmp_path: Path) -> None:
    seen: list[Asked] = []
    request = asked_in(tmp_path, Chosen(repeats=3), look=seen.append)
    run, judges = ordered(request, ROSTER, nobody(), NOW)
    assert [(asked.evaluation, asked.tasks) for asked in seen] == [(run.evaluation, run.tasks)]
    assert who_does_what(run) == {("capital", "ada")}
    assert (run.repeats, run.evaluation.typed, run.command) == ({"capital": 3}, ("repeats",), "x")
    assert [judge.model for judge in judges] == ["m9"]


def test_a_request_that_is_refused_looks_for_nobody(tmp_path: Path) -> None:
    def refuse(_: Asked) -> None:
        raise FlatfieldError("not this one")

    with pytest.raises(FlatfieldError, match="not this one"):
        ordered(asked_in(tmp_path, Chosen(agents=("nobody",)), look=refuse), ROSTER, nobody(), NOW)


def test_judges_belong_to_whoever_names_them(tmp_path: Path) -> None:
    """Whose they are decides who is asked before a key goes to their address."""
    theirs, here = tmp_path / "theirs", tmp_path / "here"
    run, judges = ordered(asked_in(theirs, Chosen(), writer=str(here)), ROSTER, nobody(), NOW)
    assert [judge.folder for judge in judges] == [str(theirs)], "the file names them"
    typed = Chosen(judge=(JUDGE,)).anew(run)
    assert [judge.folder for judge in judges_of(typed, ROSTER)] == [""], "the user typed them just now"
    assert [judge.folder for judge in judges_of(typed, ROSTER, str(here))] == [str(here)], "a client names them"
    here.mkdir()
    assert [judge.folder for judge in judges_of(typed, ROSTER, stored=here)] == [str(here)], "a store names them"
    assert judges_of(run_of([task("x")], agents=("ada",)), ROSTER) == ()
