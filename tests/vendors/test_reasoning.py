"""Reasoning that a server leaves in a reply's text, with the model's own marks around it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatfield.vendors._text_calls import parted


@pytest.mark.parametrize(
    ("text", "reasoning", "answer"),
    [
        ("<think>\nIt is 4.\n</think>\n\n4", "It is 4.", "4"),
        ("\n<think></think>\n\n4", "", "4"),
        ("It is 4.\n</think>\n4", "It is 4.", "4"),  # the template opened it in the prompt
        ("<think>It is", "It is", ""),  # cut, or never ended
        ("[THINK]It is 4.[/THINK]4", "It is 4.", "4"),
        ("<seed:think>It is 4.</seed:think>4", "It is 4.", "4"),
        ("<|START_THINKING|>It is 4.<|END_THINKING|>4", "It is 4.", "4"),
        (
            "<|channel|>analysis<|message|>It is 4.<|end|><|start|>assistant<|channel|>final<|message|>4<|return|>",
            "It is 4.",
            "4",
        ),
        ("<|channel|>analysis<|message|>It is", "It is", ""),
        ("4", "", "4"),
        ("It is 4.</think>4", "It is 4.", "4"),
        ("It says `</think>` itself.\n</think>\n4", "It says `</think>` itself.", "4"),
        ("<thought>It is 4.</thought>4", "It is 4.", "4"),
        ("<|channel>thought\nIt is 4.<channel|>4", "It is 4.", "4"),
        ("", "", ""),
    ],
)
def test_the_beginning_is_reasoning_and_the_rest_the_answer(text: str, reasoning: str, answer: str) -> None:
    assert parted(text) == (reasoning, answer)


@pytest.mark.parametrize(
    "text",
    [
        "Write <think> in front, and </think> behind.",
        "The tag is `</think>`.",
        "A model ends its reasoning with </think>",
        'Split it: text.split("</think>")[1]',
        "<thought> is the tag that some models use.",
        "<reasoning>It is even.</reasoning><answer>4</answer>",
        "gpt-oss writes `<|channel|>analysis<|message|>…<|end|>` first.",
        "It begins with <|channel|>final<|message|>, then the answer.",
    ],
)
def test_an_answer_that_speaks_of_marks_loses_nothing(text: str) -> None:
    assert parted(text) == ("", text)


def test_a_channel_that_is_addressed_to_a_tool_stays_in_the_text() -> None:
    call = '<|channel|>commentary to=functions.read_file <|constrain|>json<|message|>{"file_path": "a"}<|call|>'
    reasoning, answer = parted(f"<|channel|>analysis<|message|>I read it.<|end|><|start|>assistant{call}")
    assert (reasoning, answer) == ("I read it.", f"<|start|>assistant{call}")


@given(st.text(alphabet=st.sampled_from(list("<>/|think[]THINK ab\n"))))
def test_nothing_is_lost_but_marks_and_space(text: str) -> None:
    reasoning, answer = parted(text)
    assert len(reasoning) + len(answer) <= len(text)
    if "think" not in text and "THINK" not in text:
        assert answer == text
