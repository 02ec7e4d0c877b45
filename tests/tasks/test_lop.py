"""LOPs of both forms: what is read, byte for byte, and every mistake with its line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatfield.errors import InvalidFiles, NotFound
from flatfield.records import Limits, Targets
from flatfield.tasks.lop import EXAMPLE, looks_like_task, read_task
from flatfield.tasks.source import Lines, slug

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Write = Callable[[str, str], Path]

    from flatfield.records import Mistake

    Mistakes = Callable[..., list[Mistake]]

pytestmark = pytest.mark.whole

PLAIN = (
    '# Title\n\n## Instructions\n\n- go\n\n## Variables\n\nPROMPT: "Do it."\n\n## Agents\n\n@agent-a PROMPT\n\n'
    "## Expected Output\n\nDone.\n\n## Grading rubric\n\nIs it done?\n"
)


def test_the_original_projects_lops_are_read_as_they_are(nano_agent: Path) -> None:
    tasks = [read_task(path) for path in sorted((nano_agent / ".claude/commands/perf").glob("lop_*.md"))]
    assert [task.id for task in tasks][0::4] == ["lop_eval_1__dummy_test", "lop_eval_5__complex_engineering_test"]
    for task in tasks:
        assert task.plain
        assert task.workspace is None
        assert len(task.agents) == 9
        assert task.agents[0] == "nano-agent-gpt-5-nano"
        assert task.prompt.endswith("respond with your entire JSON response structure as is.")
        assert "```json" in task.expected
        assert task.rubric.startswith(("- ", "The shorter"))
        assert (task.verifiers, task.limits) == ((), Limits())
    assert "  'test_status': \"completed\"\n" in tasks[2].prompt
    assert "\n## Usage\n## Installation\n" in tasks[4].prompt
    assert "@agent-nobody PROMPT" in tasks[4].expected


def test_a_prompt_keeps_every_byte(write: Write) -> None:
    prompt = "tab\there\r\n'q' \"q\" $HOME {x} \\n 100% 🦜\r\n\r\n  indented  \r\n"
    task = read_task(write("t.md", f'---\r\nid: t\r\n---\r\n## Variables\r\nPROMPT: "{prompt}"\r\n\r\n## Agents\r\n'))
    assert task.prompt.encode() == prompt.encode()


def test_a_byte_order_mark_is_no_text(write: Write) -> None:
    assert read_task(write("t.md", "\ufeff" + PLAIN)).title == "Title"


def test_front_matter_is_read_whole(write: Write) -> None:
    write("ws/a.txt", "a")
    task = read_task(
        write(
            "t.md",
            "---\nid: my-task\ntitle: yes\nlevel: 3\ntags: [a, 12:30, 7]\nworkspace: ws\nfiles:\n  b/c.txt: |\n    hi\n"
            "  n.txt: 5\ntools: [read_file]\nlimits: {turns: 5, seconds: 1.5, output_tokens: 9, cost_usd: 1}\n"
            'targets: {seconds: 2}\nrepeats: 4\n---\n## Variables\nPROMPT: "x"\n## Grading Rubric\nnice\n',
        )
    )
    assert (task.id, task.title, task.level, task.tags) == ("my-task", "yes", 3, ("a", "12:30", "7"))
    assert task.workspace is not None
    assert task.workspace.endswith("/ws")
    assert task.files == {"b/c.txt": "hi\n", "n.txt": "5"}
    assert task.tools == ("read_file",)
    assert task.limits == Limits(turns=5, seconds=1.5, output_tokens=9, cost_usd=1.0)
    assert task.targets == Targets(seconds=2.0)
    assert (task.repeats, task.rubric, task.plain) == (4, "nice", False)


def test_claude_codes_keys_leave_a_lop_plain_even_when_they_are_no_yaml(write: Write) -> None:
    head = "---\nargument-hint: [a] [b]\ndescription: One: two\nallowed-tools:\n  - Read\nmodel: opus\n---\n"
    assert read_task(write("t.md", head + PLAIN)).plain


def test_a_plain_lop_needs_all_its_parts(write: Write, mistakes: Mistakes) -> None:
    found = mistakes(read_task, write("t.md", '## Variables\nPROMPT: "Do it."\n'))
    problems = "\n".join(mistake.problem for mistake in found)
    for part in ("title", "`## Instructions`", "`## Agents`", "`## Expected Output`", "`## Grading rubric`"):
        assert part in problems
    assert len(found) == 5


def test_without_a_prompt_only_what_counts_is_told(write: Write, mistakes: Mistakes) -> None:
    found = mistakes(read_task, write("t.md", "Just text.\n\n## Instructions\n"))
    assert [mistake.problem for mistake in found] == [
        "there is no `## Variables` section, so no PROMPT",
        "there is no title",
    ]


def test_an_empty_file_is_told_to_be_empty(write: Write, mistakes: Mistakes) -> None:
    (found,) = mistakes(read_task, write("t.md", " \n"))
    assert found.problem == "the file is empty"
    assert "`## Variables`" in found.fix


@pytest.mark.parametrize("text", ["Just text.\n", "# Add a test\n\nAdd one for `add`.\n"])
def test_a_bare_prompt_is_told_what_makes_it_gradable(write: Write, mistakes: Mistakes, text: str) -> None:
    (found,) = mistakes(read_task, write("t.md", text))
    assert found.problem == "this is a prompt and no LOP: nothing in it says how an agent's work is checked"
    assert '`verify: [{answer: {contains: "TEXT"}}]`' in found.fix
    assert "`## Variables`" in found.fix


@pytest.mark.parametrize(
    ("change", "line", "problem", "fix"),
    [
        (('PROMPT: "Do it."', ""), 7, "has no PROMPT", 'PROMPT: "…"'),
        (('PROMPT: "Do it."', "PROMPT: Do it."), 9, "not a PROMPT in double quotes", 'PROMPT: "…"'),
        (('PROMPT: "Do it."', 'Prompt: "Do it."'), 9, "not a PROMPT in double quotes", 'PROMPT: "…"'),
        (('PROMPT: "Do it."', 'PROMPT: ""'), 9, "PROMPT is empty", "write what"),
        (('PROMPT: "Do it."', 'PROMPT: "Do it.'), 9, "never closed", "end its last line"),
        (("@agent-a PROMPT", "nobody"), 11, "names no agent", "@agent-NAME PROMPT"),
        (("@agent-a PROMPT", "@agent-a PROMT"), 13, "not an agent's line", "@agent-NAME PROMPT"),
        (("## Expected Output", "## Expected Ouput"), 15, "is not a heading", "`## Expected Output`"),
        (("## Instructions\n", "Instructions\n"), 1, "no `## Instructions`", "write `## Instructions`"),
        (("# Title", "Title"), 1, "no title", "# Title"),
    ],
)
def test_mistakes_in_a_plain_lop(
    write: Write, mistakes: Mistakes, change: tuple[str, str], line: int, problem: str, fix: str
) -> None:
    path = write("t.md", PLAIN.replace(*change))
    found = [mistake for mistake in mistakes(read_task, path) if mistake.line == line]
    assert [problem in mistake.problem for mistake in found].count(True) == 1
    assert any(fix in mistake.fix for mistake in found)
    assert found[0].path == str(path)


@pytest.mark.parametrize(
    ("matter", "line", "problem", "fix"),
    [
        ("levle: 3", 2, "no key `levle`", "`level`"),
        ("max-turns: 3", 2, "no key `max-turns`", "use one of: id, title"),
        ("level: three", 2, "`level` is 'three'", "whole number, 0 or more"),
        ("level: true", 2, "`level` is true", "whole number"),
        ("level:\n", 2, "`level` is empty", "whole number"),
        ("id: a b", 2, "characters other than", "write a-b"),
        ("repeats: 0", 2, "`repeats` is 0", "1 or more"),
        ("limits:\n  turns: 1\n  second: 3", 4, "`limits` has no key `second`", "`seconds`"),
        ("limits:\n  turns: 0.5", 3, "`turns` is 0.5", "whole number, 1 or more"),
        ("limits: {seconds: .inf}", 2, "`seconds` is inf", "a number above 0"),
        ("limits: 5", 2, "`limits` is 5, not a map", "turns"),
        ("tags: {a: b}", 2, "`tags` is a map", "a list"),
        ("tools: [read_file, read_fil]", 2, "no tool `read_fil`", "`read_file`"),
        ("tools: [read_file, read_file]", 2, "stands twice", "once"),
        ("tools: read_file", 2, "`tools` is 'read_file'", "a list"),
        ("workspace: nowhere", 2, "is not there", "a folder beside t.md"),
        ("workspace: /tmp", 2, "is absolute", "a folder beside t.md"),
        ("workspace: .", 2, "holds the LOP", "below it"),
        ("files:\n  ok.txt: x\n  ../no.txt: x", 4, "'../no.txt' is not a path inside", "relative path"),
        ("files:\n  /no.txt: x", 3, "'/no.txt' is not a path inside", "relative path"),
        ("files:\n  a: x\n  a/b: y", 3, "a file and a folder", "rename"),
        ("files:\n  a.txt: [1]", 3, "`a.txt` in `files` is a list", "write text"),
        ("files:\n  a.txt:", 3, "`a.txt` in `files` is empty", "write text"),
        ("id: t\nid: u", 3, "`id` stands twice", "line 2"),
        ("id: [t", 2, "not YAML", "brackets"),
        ("title: a: b", 2, "not YAML", "quote a value"),
        ("\tid: t", 2, "not YAML", "spaces, not tabs"),
        ("- id", 2, "not a map", "key: value"),
        ("id: !!python/name:os.system x", 2, "tag", "remove it"),
        ("id: &a [*a]", 2, "refers to itself", "flat"),
        ("id: \x07", 2, "U+0007", "remove it"),
        ("verify: 3", 2, "`verify` is 3", "items such as"),
        ("solution: {}", 2, "`solution` is a map", "items such as"),
    ],
)
def test_mistakes_in_front_matter(
    lop: Callable[..., Path], mistakes: Mistakes, matter: str, line: int, problem: str, fix: str
) -> None:
    found = mistakes(read_task, lop(matter))
    assert [(m.line, problem in m.problem, fix in m.fix) for m in found] == [(line, True, True)], found


def test_all_mistakes_of_a_file_come_at_once_in_the_order_of_their_lines(
    lop: Callable[..., Path], mistakes: Mistakes
) -> None:
    path = lop(
        "levl: 1\nlimits: {turn: 1, seconds: x}\nrepeats: no\nverify:\n  - nothing: 1\nsolution:\n  - eat: {}",
        prompt="",
    )
    assert [mistake.line for mistake in mistakes(read_task, path)] == [2, 3, 3, 4, 6, 8, 14]


def test_front_matter_that_never_ends(write: Write, mistakes: Mistakes) -> None:
    found = mistakes(read_task, write("t.md", "---\nid: t\n" + PLAIN))
    assert (found[0].line, found[0].fix) == (1, "end it with a line that is only `---`")


def test_bytes_that_are_no_utf8_are_told_with_their_line(tmp_path: Path, mistakes: Mistakes) -> None:
    path = tmp_path / "t.md"
    path.write_bytes(b"# T\n\n\xff\n")
    assert [(m.line, m.problem) for m in mistakes(read_task, path)] == [(3, "byte 0xff is not UTF-8")]


def test_a_file_that_is_not_there_names_the_closest(write: Write, tmp_path: Path) -> None:
    write("capital.md", PLAIN)
    with pytest.raises(NotFound, match=r"no file .*captial\.md; did you mean 'capital\.md'\?"):
        read_task(tmp_path / "captial.md")
    with pytest.raises(NotFound, match="is a folder"):
        read_task(tmp_path)


def test_a_million_aliases_do_not_hang(lop: Callable[..., Path]) -> None:
    rows = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    with pytest.raises(InvalidFiles, match="nested too deeply"):
        read_task(lop("\n".join(rows)))


@given(
    st.lists(
        st.one_of(
            st.sampled_from(
                ["---\n", "## Variables\n", 'PROMPT: "', '"\n', "## Agents\n", "@agent-a PROMPT\n", "verify:\n"]
            ),
            st.sampled_from(
                ["solution:\n", "  - answer: ", "{a: [", "&a ", "*a\n", "id: t\n", "files:\n", "\t", "!x ", "? ", "|\n"]
            ),
            st.text(max_size=6),
        ),
        max_size=14,
    ).map("".join)
)
def test_whatever_is_in_a_file_it_is_a_task_or_its_mistakes(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.md"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    mistakes: tuple[Mistake, ...] = ()
    try:
        prompt = read_task(path).prompt
    except InvalidFiles as error:
        prompt, mistakes = "", error.mistakes
    assert bool(prompt) != bool(mistakes)
    assert all(1 <= mistake.line <= len(Lines.of(text)) for mistake in mistakes)


@pytest.mark.parametrize("matter", ["[" * 2000, "{a: " * 2000, "- " * 2000])
@pytest.mark.some(1)
def test_deep_nesting_is_a_mistake(lop: Callable[..., Path], matter: str) -> None:
    with pytest.raises(InvalidFiles, match="nested too deeply"):
        read_task(lop(f"tags: {matter}" if matter[0] != "-" else f"tags:\n  {matter}"))


def test_what_looks_like_a_lop() -> None:
    assert looks_like_task(PLAIN)
    assert looks_like_task("---\nverify: []\n---\n")
    assert not looks_like_task("# Read me\n\nText.\n")
    assert not looks_like_task("---\ntitle: A page\ntags: [x]\n---\n")


def test_a_files_name_as_an_id() -> None:
    assert [slug(name) for name in ("lop_eval_1__x", "my task (2)", "…")] == ["lop_eval_1__x", "my-task-2", "task"]


@pytest.mark.parametrize("name", ["../../outside", "link", "../.."])
def test_a_workspace_does_not_lead_out_of_the_lops_project(
    tmp_path: Path, lop: Callable[..., Path], mistakes: Mistakes, name: str
) -> None:
    (tmp_path / "project" / "tasks").mkdir(parents=True)
    (tmp_path / "project" / "shared").mkdir()
    (tmp_path / "project" / ".git").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "project" / "tasks" / "link").symlink_to(tmp_path / "outside")
    (found,) = mistakes(read_task, lop(f"workspace: {name}", name="project/tasks/t.md"))
    assert "leads out of the LOP's project" in found.problem
    task = read_task(lop("workspace: ../shared", name="project/tasks/t.md"))
    assert task.workspace == str(tmp_path / "project" / "shared")


def test_a_lop_without_sections_is_told_the_line_that_makes_it_gradable(write: Write, mistakes: Mistakes) -> None:
    found = mistakes(read_task, write("t.md", '# T\n\n## Variables\n\nPROMPT: "p"\n'))
    assert len(found) == 4
    assert all(EXAMPLE in mistake.fix for mistake in found)
