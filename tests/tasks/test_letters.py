"""What a letter of any script is, in all places where names are made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from flatfield.tasks import markdown, source
from flatfield.tasks.agents import is_name, parse_agent, wrapper_name
from flatfield.tasks.lop import read_task
from flatfield.tasks.source import lettered

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Write = Callable[[str, str], Path]

NAMES = ("हिन्दी", "தமிழ்", "ภาษาไทย", "עִבְרִית", "မြန်မာ", "می\u200cخواهم", "क्\u200dष", "x\u0302y")
SIGN = "\u093f"  # a vowel sign
NO_NAMES = (SIGN, f"-{SIGN}", "a\u200cb", "ا\u200c", "\u200cا", "日\ufe00", "a\u034fb", "a b")


@pytest.mark.parametrize("name", NAMES)
def test_a_letter_has_its_marks_wherever_names_are_read(write: Write, name: str) -> None:
    assert is_name(name)
    assert source.slug(f"{name}!") == name
    assert wrapper_name(name) == f"nano-agent-{name}"
    assert parse_agent(f"ollama:{name}").name == f"ollama:{name}"
    section = markdown.PromptSection("Agents", f"@agent-{name} PROMPT\n", 1)
    found = source.Findings("")
    assert (markdown.agent_lines(section, found), found.mistakes) == ((name,), [])
    lop = f'---\nid: {name}\nverify: [{{answer: {{contains: x}}}}]\n---\n## Variables\n\nPROMPT: "p"\n'
    assert read_task(write("a.md", lop)).id == name


@pytest.mark.parametrize("name", NO_NAMES)
def test_what_nobody_sees_and_marks_of_nothing_are_no_letters(name: str) -> None:
    assert not is_name(name)
    assert len(lettered(name)) == len(name)


def test_names_that_differ_in_a_vowel_sign_are_two() -> None:
    assert source.slug("कि") != source.slug("की")
    assert wrapper_name("कि") != wrapper_name("की")
