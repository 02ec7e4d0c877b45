"""`solution:`: what the oracle plays."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from flatfield.records import SolutionStep
from flatfield.tasks.lop import read_task

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Write = Callable[[str, str], Path]

    from flatfield.records import Mistake

    Mistakes = Callable[..., list[Mistake]]


@pytest.fixture
def with_folders(lop: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """A LOP beside an empty folder and one with a file that is no text."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "binary").mkdir()
    (tmp_path / "binary" / "a.txt").write_text("a")
    (tmp_path / "binary" / "x.bin").write_bytes(b"\xff\xfe")
    return lop


def test_tool_calls_copies_and_the_answer(lop: Callable[..., Path], write: Write) -> None:
    write("done/b/c.txt", 'two\r\n"q"')
    write("done/a.txt", "one")
    write("done/__pycache__/a.pyc", "\x00")
    path = lop(
        "solution:\n  - list_directory: {}\n  - edit_file: {file_path: x, old_str: '1', new_str: 2}\n"
        "  - copy: done/\n  - answer: Fine."
    )
    assert read_task(path).solution == (
        SolutionStep(tool="list_directory"),
        SolutionStep(tool="edit_file", arguments={"file_path": "x", "old_str": "1", "new_str": "2"}),
        SolutionStep(tool="write_file", arguments={"file_path": "a.txt", "content": "one"}),
        SolutionStep(tool="write_file", arguments={"file_path": "b/c.txt", "content": 'two\r\n"q"'}),
        SolutionStep(answer="Fine."),
    )


def test_what_is_no_text_is_copied_by_a_command(with_folders: Callable[..., Path], tmp_path: Path) -> None:
    """The steps, done by a shell, make the same bytes; the packed text is gone."""
    (tmp_path / "binary" / "it's").write_bytes(bytes(range(256)))
    path = with_folders("tools: [write_file, run_command]\nsolution:\n  - copy: binary")
    place = tmp_path / "done"
    place.mkdir()
    for step in read_task(path).solution:
        if step.tool == "write_file":
            (place / step.arguments["file_path"]).write_text(step.arguments["content"])
        elif step.tool == "run_command":
            subprocess.run(step.arguments["command"], shell=True, cwd=place, check=True)
    assert {file.name: file.read_bytes() for file in place.iterdir()} == {
        "a.txt": b"a",
        "x.bin": b"\xff\xfe",
        "it's": bytes(range(256)),
    }


def test_the_oracle_always_ends_with_an_answer(lop: Callable[..., Path]) -> None:
    assert read_task(lop("solution:\n  - list_directory:")).solution[-1] == SolutionStep(answer="Done.")
    assert read_task(lop('solution:\n  - answer: ""')).solution == (SolutionStep(answer=""),)


@pytest.mark.parametrize(
    ("step", "line", "problem", "fix"),
    [
        ("- write_fil: {file_path: a, content: b}", 3, "no tool `write_fil`", "`write_file`"),
        ("- write_file: {file_path: a}", 3, "`write_file` needs `content`", "content"),
        ("- write_file: {path: a, file_path: a, content: b}", 3, "no key `path`", "`file_path`"),
        ("- write_file: a", 3, "the arguments of `write_file` are 'a'", "name: value"),
        ("- write_file:\n      file_path: a\n      content: [b]", 5, "`content` is a list", "write text"),
        ("- run_command: {command: ls}", 3, "does not give the tool `run_command`", "add run_command to `tools:`"),
        ("- answer: a\n  - list_directory: {}", 3, "`answer` is not the last step", "end"),
        ("- answer", 3, "a step is 'answer'", "one tool"),
        ("- {answer: a, copy: b}", 3, "a step is a map", "one tool"),
        ("- copy: nowhere/", 3, "no folder 'nowhere/'", "beside the LOP"),
        ("- copy: ../", 3, "no folder '../'", "beside the LOP"),
        ("- copy: .", 3, "no folder '.'", "beside the LOP"),
        ("- copy: empty", 3, "holds no file", "files there"),
        ("- copy: binary", 3, "binary/x.bin is not a readable UTF-8 text", "texts only"),
    ],
)
def test_mistakes_stand_at_their_lines(
    with_folders: Callable[..., Path], mistakes: Mistakes, step: str, line: int, problem: str, fix: str
) -> None:
    found = mistakes(read_task, with_folders(f"solution:\n  {step}"))
    assert [(m.line, problem in m.problem, fix in m.fix) for m in found] == [(line, True, True)], found


def test_a_tool_that_the_task_gives_may_be_used(lop: Callable[..., Path]) -> None:
    task = read_task(lop("tools: [run_command]\nsolution:\n  - run_command: {command: ls}"))
    assert task.solution[0] == SolutionStep(tool="run_command", arguments={"command": "ls"})


TOOL = """
from flatfield.records import ToolSpec, ToolTraits

TRAITS = ToolTraits(path_argument="to")
SPEC = ToolSpec(
    name="paint",
    description="Paint a file.",
    parameters={
        "type": "object",
        "properties": {"to": {"type": "string"}, "times": {"type": "integer"}},
        "required": ["to"],
        "additionalProperties": False,
    },
)
"""
PAINTED = "tools: [paint]\nsolution:\n  - paint: {to: x, times: 2}\n"
SABOTAGES = "verify:\n  - file: {path: x, exists: true}\nsabotages:\n  - {name: unpainted, skip: [x]}\n"


def test_a_third_partys_tool_is_checked_by_its_parameters(
    lop: Callable[..., Path], mistakes: Mistakes, install: Callable[..., Path]
) -> None:
    install("flatfield.tools", "paint", TOOL)
    steps = read_task(lop(PAINTED)).solution
    assert steps[0] == SolutionStep(tool="paint", arguments={"to": "x", "times": 2})
    (missing,) = mistakes(read_task, lop(PAINTED.replace("to: x, ", "")))
    assert (missing.line, missing.problem) == (4, "`paint` needs `to`")
    (unknown,) = mistakes(read_task, lop(PAINTED.replace("times", "tims")))
    assert unknown.fix == "did you mean `times`?"


def test_a_third_partys_tool_is_skipped_by_the_path_that_it_writes_to(
    lop: Callable[..., Path], install: Callable[..., Path]
) -> None:
    install("flatfield.tools", "paint", TOOL)
    (sabotage,) = read_task(lop(PAINTED + SABOTAGES)).sabotages
    assert sabotage.skip == (0,)


@pytest.mark.parametrize(
    "text", ["", "SPEC = 1", "import no_such_library", TOOL.replace('"additionalProperties"', '"x"')]
)
def test_a_tool_that_states_no_closed_parameters_checks_them_itself(
    lop: Callable[..., Path], install: Callable[..., Path], text: str
) -> None:
    install("flatfield.tools", "paint", text)
    (step, _) = read_task(lop(PAINTED.replace("times: 2", "much: [1]"))).solution
    assert step.arguments == {"to": "x", "much": [1]}
