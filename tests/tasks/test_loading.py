"""What a command names, loaded together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from flatfield.errors import InvalidFiles, NotFound
from flatfield.tasks import loading
from flatfield.tasks.access import everything
from flatfield.tasks.loading import load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Write = Callable[[str, str], Path]

pytestmark = pytest.mark.whole


HOP = "# {}\n\n$ARGUMENTS\n"


def test_the_original_projects_folder_is_five_lops_and_a_hop(nano_agent: Path) -> None:
    loaded = load([".claude/commands/perf"], nano_agent)
    assert [task.title for task in loaded.tasks][:2] == ["Problem #1: The Warm-Up", "Problem #2: Reading One File"]
    assert len(loaded.tasks) == 5
    assert loaded.evaluation is not None
    assert loaded.evaluation.title == "Evaluate nano agents"


def test_files_keep_the_order_they_are_named_in_and_come_once(
    lop: Callable[..., Path], write: Write, tmp_path: Path
) -> None:
    for name in ("b", "a", "c"):
        lop(f"id: {name}", name=f"{name}.md")
    write("README.md", "# Read me\n")  # of which nobody thinks that it is a task
    write("ideas.md", "# Ideas\n")
    loaded = load(["c.md", ".", str(tmp_path / "a.md")], tmp_path)
    assert [task.id for task in loaded.tasks] == ["c", "a", "b"]
    assert loaded.evaluation is None
    assert loaded.notes == ("ideas.md passed over: it has no `## Variables` with a PROMPT",)


def test_a_file_named_itself_is_never_passed_over(write: Write, tmp_path: Path) -> None:
    write("README.md", "# Read me\n")
    with pytest.raises(InvalidFiles, match=r"README\.md:1: this is a prompt and no LOP"):
        load(["README.md"], tmp_path)


def test_a_hop_named_as_a_file_wins_over_those_in_folders(write: Write, tmp_path: Path) -> None:
    write("one.md", HOP.format("One"))
    write("f/two.md", HOP.format("Two"))
    loaded = load(["f", "one.md"], tmp_path)
    assert loaded.evaluation is not None
    assert loaded.evaluation.title == "One"
    assert loaded.notes == ("f/two.md passed over: one.md is the HOP",)


def test_a_hop_in_a_folder_may_begin_with_a_byte_order_mark(write: Write, tmp_path: Path) -> None:
    write("f/one.md", "\ufeff---\nagents: [ada]\n---\n# One\n")
    evaluation = load(["f"], tmp_path).evaluation
    assert evaluation is not None
    assert evaluation.agents == ("ada",)


def test_several_hops_are_mistakes(write: Write, tmp_path: Path) -> None:
    for name in ("one", "two"):
        write(f"{name}.md", "---\nrepeats: 2\n---\n" + HOP.format(name))
    assert load(["."], tmp_path, asks_how=False).evaluation is None
    with pytest.raises(InvalidFiles) as caught:
        load(["."], tmp_path)
    assert [(m.path, m.fix) for m in caught.value.mistakes] == [("one.md", "name one HOP"), ("two.md", "name one HOP")]


def test_commands_that_say_nothing_of_how_to_evaluate_are_no_hops(
    write: Write, lop: Callable[..., Path], tmp_path: Path
) -> None:
    for name in ("commit", "plan"):
        write(f"c/{name}.md", HOP.format(name))
    lop(name="c/t.md")
    loaded = load(["c"], tmp_path)
    assert loaded.evaluation is None
    assert loaded.notes == ("c/commit.md, c/plan.md passed over: they say nothing of how to evaluate",)
    write("c/perf.md", "---\nrepeats: 2\n---\n" + HOP.format("Perf"))
    loaded = load(["c"], tmp_path)
    assert loaded.evaluation is not None
    assert (loaded.evaluation.title, loaded.evaluation.repeats) == ("Perf", 2)
    assert loaded.notes == ("c/commit.md, c/plan.md passed over: c/perf.md is the HOP",)


def test_keys_of_others_below_the_claude_folder_are_passed_over(write: Write, tmp_path: Path) -> None:
    front = "---\ncategory: eval\nthinking: a: [b\ntags: [x]\n---\n"
    write(".claude/commands/hop.md", front + HOP.format("H"))
    loaded = load([".claude/commands/hop.md"], tmp_path)
    assert loaded.notes == (".claude/commands/hop.md: category, thinking, tags in its front matter passed over",)
    write(".claude/commands/hop.md", "---\nrepeat: 3\ncategory: x\n---\n" + HOP.format("H"))
    with pytest.raises(
        InvalidFiles, match=r"hop\.md:2: the front matter has no key `repeat`; did you mean `repeats`\?"
    ):
        load([".claude/commands/hop.md"], tmp_path)
    write("hop.md", front.replace("thinking: a: [b\n", "") + HOP.format("H"))
    with pytest.raises(InvalidFiles, match="has no key `category`"):
        load(["hop.md"], tmp_path)


def test_a_file_of_another_kind_that_is_not_utf_8_is_passed_over(
    write: Write, lop: Callable[..., Path], tmp_path: Path
) -> None:
    lop(name="f/t.md")
    (tmp_path / "f/notes.md").write_bytes("# Référence\n".encode("latin-1"))
    loaded = load(["f"], tmp_path)
    assert [task.id for task in loaded.tasks] == ["t"]
    assert loaded.notes == ("f/notes.md passed over: it has no `## Variables` with a PROMPT",)
    (tmp_path / "f/u.md").write_bytes('# U\n\n## Variables\n\nPROMPT: "é"\n'.encode("latin-1"))
    with pytest.raises(InvalidFiles, match=r"f/u\.md:5: byte 0xe9 is not UTF-8"):
        load(["f"], tmp_path)


def test_mistakes_of_all_files_come_at_once_under_short_paths(
    lop: Callable[..., Path], write: Write, tmp_path: Path
) -> None:
    lop("levle: 1\nrepets: 1", name="sub/a.md")
    lop("level: x", name="b.md")
    write("h.md", "---\nagents: []\n---\n")
    (tmp_path / "c.md").write_bytes(b"\xff")
    with pytest.raises(InvalidFiles) as caught:
        load(["sub/a.md", "b.md", "h.md", "c.md"], tmp_path)
    assert [(m.path, m.line) for m in caught.value.mistakes] == [
        ("sub/a.md", 2),
        ("sub/a.md", 3),
        ("b.md", 2),
        ("h.md", 2),
        ("c.md", 1),
    ]


def test_two_tasks_with_one_id_are_a_mistake(lop: Callable[..., Path], tmp_path: Path) -> None:
    lop("id: same", name="a.md")
    lop("id: same", name="b.md")
    with pytest.raises(InvalidFiles, match=r"b\.md:1: the id 'same' is also that of a\.md"):
        load(["a.md", "b.md"], tmp_path)


def test_everything_that_is_missing_is_said_at_once(lop: Callable[..., Path], tmp_path: Path) -> None:
    lop(name="task.md")
    lop(name="outer/inner/t.md")
    with pytest.raises(NotFound) as caught:
        load(["tusk.md", "outer", "suite:nothing"], tmp_path)
    lines = str(caught.value).splitlines()
    assert lines[0] == "there is no file or folder tusk.md; did you mean 'task.md'?"
    assert lines[1] == "there is no Markdown file in outer; name a folder below it: inner"
    assert lines[2].startswith("there is no suite 'nothing'")


def test_a_suite_is_a_folder_of_lops(
    lop: Callable[..., Path], write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lop("id: z", name="suites/mine/z.md")
    lop("id: y", name="suites/mine/y.md")
    write("suites/mine/y/workspace/README.md", "# no LOP\n")
    monkeypatch.setattr(loading, "_suites_folder", lambda: tmp_path / "suites")
    assert loading.suites() == ("mine",)
    assert [task.id for task in load(["suite:mine"], tmp_path).tasks] == ["y", "z"]


def test_one_task_of_a_suite_can_be_named(tmp_path: Path) -> None:
    loaded = load(["suite:demo/leaf", "suite:basic"], tmp_path)
    assert len(loaded.tasks) == 1 + len(load(["suite:basic"], tmp_path).tasks)
    assert loaded.tasks[0].id == "leaf"
    with pytest.raises(NotFound, match=r"suite:demo/leav; did you mean 'leaf\.md'\?"):
        load(["suite:demo/leav"], tmp_path)


def test_every_shipped_suite_loads(tmp_path: Path) -> None:
    for name in loading.suites():
        assert load([f"suite:{name}"], tmp_path).tasks


def test_a_readme_beside_lops_is_passed_over_without_a_word(
    lop: Callable[..., Path], write: Write, tmp_path: Path
) -> None:
    lop(name="mine/t.md")
    write("mine/README.md", "# About these tasks\n")
    write("mine/ideas.md", "# Ideas\n")
    loaded = load(["mine"], tmp_path, access=everything())
    assert len(loaded.tasks) == 1
    assert loaded.notes == ("mine/ideas.md passed over: it has no `## Variables` with a PROMPT",)


def test_generated_tasks_are_made_from_the_seed_that_is_given_or_the_hops(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLATFIELD_CACHE", str(tmp_path / "cache"))
    write("mine/made/make.py", "def build(seed, folder):\n    return {'n': seed}\n")
    write("mine/made/task.md", '---\ngenerate: make.py::build\n---\n# T\n\n## Variables\n\nPROMPT: "Say {{n}}."\n')
    write("hop.md", HOP.format("One").replace("# One", "---\nagents: [noop]\nseed: 5\n---\n# One"))
    assert [task.prompt for task in load(["mine"], tmp_path, access=everything()).tasks] == ["Say 0."]
    assert [task.prompt for task in load(["mine", "hop.md"], tmp_path, access=everything()).tasks] == ["Say 5."]
    (task,) = load(["mine", "hop.md"], tmp_path, seed=9, access=everything()).tasks
    assert (task.id, task.prompt, task.seed) == ("made", "Say 9.", 9)


@pytest.mark.parametrize(
    "other",
    [
        b"# R\xe9sum\xe9\n\n$ARGUMENTS\n",
        b"---\ndescription: x\n\n$ARGUMENTS\n",
        b"---\nagent: build\n---\n\n$ARGUMENTS\n",
    ],
)
def test_mistakes_of_a_command_that_is_not_the_hop_stop_nothing(
    write: Write, lop: Callable[..., Path], tmp_path: Path, other: bytes
) -> None:
    lop(name=".claude/commands/t.md")
    write(".claude/commands/hop.md", HOP.format("H"))
    (tmp_path / ".claude/commands/other.md").write_bytes(other)
    loaded = load([".claude/commands"], tmp_path)
    assert [task.id for task in loaded.tasks] == ["t"]
    assert loaded.evaluation is None
    write(".claude/commands/hop.md", "---\nrepeats: 3\n---\n" + HOP.format("H"))
    loaded = load([".claude/commands"], tmp_path)
    assert loaded.evaluation is not None
    assert loaded.evaluation.repeats == 3
    with pytest.raises(InvalidFiles, match=r"other\.md:"):
        load([".claude/commands/other.md"], tmp_path)


def test_mistakes_of_the_only_hop_are_told(write: Write, lop: Callable[..., Path], tmp_path: Path) -> None:
    lop(name="c/t.md")
    write("c/hop.md", "---\nrepeats: many\n---\n" + HOP.format("H"))
    for commands in ((), ("plan",)):
        for name in commands:
            write(f"c/{name}.md", HOP.format(name))
        with pytest.raises(InvalidFiles, match=r"c/hop\.md:2: `repeats` is 'many'"):
            load(["c"], tmp_path)
