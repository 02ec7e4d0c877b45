"""`sabotages:`: the solution with changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from flatfield.records import Sabotage, SolutionStep
from flatfield.tasks.lop import read_task

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Write = Callable[[str, str], Path]

    from flatfield.records import Mistake

    Mistakes = Callable[..., list[Mistake]]

TASK = """id: t
verify:
  - answer: {contains: four}
  - file: {path: a.txt, equals: one}
  - file: {path: b/c.txt, exists: true}
solution:
  - list_directory: {}
  - copy: done/
  - edit_file: {file_path: a.txt, old_str: "1", new_str: "2"}
  - answer: four
sabotages:
"""


@pytest.fixture
def sabotaged(lop: Callable[..., Path], write: Write) -> Callable[[str], Path]:
    """A LOP with these sabotages; the first of their lines is line 13."""
    write("done/a.txt", "1")
    write("done/b/c.txt", "two")
    write("wrong/b/c.txt", "three")
    return lambda items: lop(TASK + items)


def test_what_is_skipped_added_answered_and_broken(sabotaged: Callable[[str], Path]) -> None:
    path = sabotaged(
        "  - {name: no copies, skip: 2, breaks: [2, file b/c.txt]}\n"
        "  - {name: no a, skip: [a.txt]}\n"
        "  - {name: silent, skip: [4]}\n"
        "  - name: wrong\n    answer: ''\n    breaks: answer\n"
        "    steps:\n      - copy: wrong/\n      - list_directory:\n"
    )
    three = SolutionStep(tool="write_file", arguments={"file_path": "b/c.txt", "content": "three"})
    task = read_task(path)
    assert task.sabotages == (
        Sabotage(name="no copies", skip=(1, 2), breaks=(1, 2), line=13),
        Sabotage(name="no a", skip=(1, 3), line=14),
        Sabotage(name="silent", skip=(4,), line=15),
        Sabotage(name="wrong", steps=(three, SolutionStep(tool="list_directory")), answer="", breaks=(0,), line=16),
    )


def test_what_a_sabotage_copies_is_part_of_the_task(sabotaged: Callable[[str], Path], write: Write) -> None:
    path = sabotaged("  - name: w\n    steps: [{copy: wrong/}]")
    before = read_task(path).digest
    write("wrong/b/c.txt", "other")
    assert read_task(path).digest != before


@pytest.mark.parametrize(
    ("items", "line", "problem", "fix"),
    [
        ("  - {skip: [1]}", 13, "has no `name`", "forgets the header"),
        ("  - {name: x}", 13, "changes nothing", "`skip`"),
        ("  - {name: x, skip: [5]}", 13, "no step 5 to skip", "1 to 4"),
        ("  - {name: x, skip: [z.txt]}", 13, "no step 'z.txt' to skip", "path"),
        ("  - {name: x, skip: [1], breaks: [4]}", 13, "no check 4", "1 to 3"),
        ("  - {name: x, skip: [1], breaks: [0]}", 13, "no check 0", "1 to 3"),
        ("  - {name: x, skip: [1], breaks: [file a.text]}", 13, "no check 'file a.text'", "file a.txt: equals"),
        ("  - {name: x, skips: [1]}", 13, "no key `skips`", "`skip`"),
        ("  - {name: x, steps: []}", 13, "not a list of steps", "solution"),
        ("  - {name: x, steps: [{answer: a}]}", 13, "no step of a sabotage", "beside"),
        ("  - {name: x, steps: [{run_command: {command: ls}}]}", 13, "does not give the tool", "tools"),
        ("  - {name: x, skip: [1]}\n  - {name: x, skip: [2]}", 14, "two sabotages are called 'x'", "line 13"),
        ("  - forgets", 13, "not a map", "key: value"),
        ("  {}", 13, "not a list", "items"),
    ],
)
def test_mistakes(
    sabotaged: Callable[[str], Path], mistakes: Mistakes, items: str, line: int, problem: str, fix: str
) -> None:
    found = mistakes(read_task, sabotaged(items))
    assert [mistake.line for mistake in found] == [line]
    assert problem in found[0].problem
    assert fix in found[0].fix


def test_without_a_solution_there_is_nothing_to_sabotage(lop: Callable[..., Path], mistakes: Mistakes) -> None:
    (mistake,) = mistakes(read_task, lop("sabotages:\n  - {name: x, skip: [1]}"))
    assert "no `solution`" in mistake.problem
