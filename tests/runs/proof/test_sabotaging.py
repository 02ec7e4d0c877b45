"""A sabotaged task is the same task with another solution."""

from __future__ import annotations

from flatfield.records import Sabotage, SolutionStep, Task
from flatfield.runs.proof import derived, sabotaged
from flatfield.tasks.solution import DEFAULT_ANSWER

READ = SolutionStep(tool="read_file", arguments={"file_path": "a"})
WRITE = SolutionStep(tool="write_file", arguments={"file_path": "b", "content": "1"})
RUN = SolutionStep(tool="run_command", arguments={"command": "make\n  " + "x" * 80})
SAID = SolutionStep(answer="Four.")
TASK = Task(id="t", title="T", prompt="p", solution=(READ, WRITE, RUN, SAID))


def test_steps_are_left_out_added_and_the_answer_replaced() -> None:
    assert sabotaged(TASK, Sabotage(name="s", skip=(1,))).solution == (READ, RUN, SAID)
    assert sabotaged(TASK, Sabotage(name="s", steps=(READ,))).solution == (READ, WRITE, RUN, READ, SAID)
    assert sabotaged(TASK, Sabotage(name="s", answer="")).solution[-1] == SolutionStep(answer="")
    assert sabotaged(TASK, Sabotage(name="s", skip=(3,))).solution[-1] == SolutionStep(answer="")
    assert sabotaged(TASK, Sabotage(name="s", skip=(0,))).id == "t"


def test_what_leaves_something_behind_is_left_out_in_turn() -> None:
    found = derived(TASK)
    assert [each.skip for each in found] == [(1,), (2,), ()]
    assert found[0].name == "without write_file b"
    assert found[1].name.startswith("without run_command make xxx")
    assert found[1].name.endswith("…")
    assert (found[2].name, found[2].answer) == ("an empty answer", "")


def test_an_answer_that_says_nothing_is_not_emptied() -> None:
    said = Task(id="t", title="T", prompt="p", solution=(WRITE, SolutionStep(answer=DEFAULT_ANSWER)))
    assert [each.skip for each in derived(said)] == [(0,)]
