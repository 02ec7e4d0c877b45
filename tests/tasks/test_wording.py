"""Lines of a prompt that talk about the harness."""

from __future__ import annotations

import pytest

from flatfield.records import Task
from flatfield.tasks.lop import check_prompt


def notes(prompt: str) -> tuple[str, ...]:
    return check_prompt(Task(id="t", title="T", prompt=prompt))


@pytest.mark.parametrize(
    "line",
    [
        "Then respond with your entire JSON response structure as is.",
        "RESPOND WITH THE COMPLETE JSON response.",
        "Return the answer of the nano-agent MCP server.",
        "Call mcp__nano-agent__prompt_nano_agent first.",
        "Do not change the prompt.",
        "Keep `execution_time_seconds` as it is.",
    ],
)
def test_harness_wording_is_pointed_out_with_its_line(line: str) -> None:
    (note,) = notes(f"Do it.\r\n{line}\r\nThen stop.")
    assert note.startswith("line 2 of the prompt of t talks about the harness")
    assert line in note


@pytest.mark.parametrize(
    "prompt",
    [
        "Write a JSON response parser.",
        "Answer with the full name of the author.",
        "Create 'x_MODEL_NAME.py' (replace MODEL_NAME with your actual model name).",
        "Respond with JSON: {}",
        "Change the prompt of the shell to $",
    ],
)
def test_ordinary_wording_is_left_alone(prompt: str) -> None:
    assert notes(prompt) == ()


def test_a_long_line_is_cut_in_the_note() -> None:
    (note,) = notes("x" * 300 + " json response structure")
    assert len(note) < 260


def test_quotes_that_programs_write_are_pointed_out() -> None:
    (note,) = check_prompt(Task(id="t", title="t", prompt='""Say "hello"\nand go.""'))
    assert note.startswith("the prompt of t begins and ends with two quotes, which are sent to the model")
    (note,) = check_prompt(Task(id="t", title="t", prompt='Print ""'))
    assert "ends with two quotes" in note
    assert check_prompt(Task(id="t", title="t", prompt='"Hello" and "go"')) == ()
