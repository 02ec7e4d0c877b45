"""The value rule, the sections and the agents' lines."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flatfield.tasks import markdown
from flatfield.tasks.source import Findings

TAIL = """

## Agents

Prose that says "so"

@agent-a PROMPT

## Expected Output

It answers "Oslo"

```json
{"result": "x",
 "more": "y"
}
## Agents
NAME: "no variable"
```

## Grading rubric

Short, they say: "short"
"""
SECTION = re.compile(r"(?i)##[ \t]+(instructions|variables|agents|expected\s+output|grading\s+rubric)\b")
OPENER = re.compile(r'[A-Z][A-Z0-9_]*: "')


def parse(text: str) -> tuple[markdown.Prompt, Findings]:
    found = Findings("t.md")
    return markdown.parse(text, 0, found), found


def prompt_of(value: str, newline: str = "\n") -> str | None:
    text = f'# T\n\n## Variables\n\nPROMPT: "{{}}"{TAIL}'.replace("\n", newline).replace("{}", value)
    prompt, found = parse(text)
    assert found.mistakes == []
    assert [line for line in prompt.sections if line != "Variables"] == ["Agents", "Expected Output", "Grading rubric"]
    assert markdown.agent_lines(prompt.sections["Agents"], found) == ("a",)
    return prompt.variables["PROMPT"].value


def obeys_the_value_rule(text: str) -> bool:
    return not any(SECTION.match(line) or OPENER.match(line) for line in re.split(r"\r\n?|\n", text)[1:])


pieces = st.lists(
    st.one_of(
        st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=12),
        st.sampled_from(
            ['"', "\n", "\r\n", "\r", "```", "```py", "~~~", "## ", "---", "<!--", "\t", "$1", "{x}", "🦜", "> ", "- "]
        ),
    ),
    max_size=12,
).map("".join)


@given(value=pieces, newline=st.sampled_from(["\n", "\r\n"]))
@example(value='say "hi"\n"bye"', newline="\n")
@example(value="```python\nprint('x')\n```", newline="\n")
@example(value="an open fence\n```\nand no end", newline="\n")
@example(value="Usage\n---\n<!-- never closed\n<pre>", newline="\n")
@example(value='"', newline="\r\n")
@example(value="a\u2028## Agents\x0cb\x85c", newline="\n")
def test_every_value_that_obeys_the_rule_comes_back_unchanged(value: str, newline: str) -> None:
    if obeys_the_value_rule(value):
        assert prompt_of(value, newline) == value


@pytest.mark.parametrize(
    "value",
    [
        'Write this:\n```yaml\nNAME: "x"\nOTHER: "y"\n```\nand stop.',
        'Write a LOP:\n~~~markdown\n## Variables\n\nPROMPT: "x"\n\n## Agents\n~~~',
        "Nested:\n````md\n```json\n{}\n```\n## Agents\n````",
    ],
)
def test_stops_inside_a_fence_of_the_value_are_text(value: str) -> None:
    assert prompt_of(value) == value


def test_several_values_and_prose_between_them() -> None:
    text = '## Variables\n\nFirst:\nONE: "1"\nnot part of it\nTWO_B: "a\nb"  \n\nPROMPT: ""x""\n## Agents\n'
    prompt, found = parse(text)
    assert {name: variable.value for name, variable in prompt.variables.items()} == {
        "ONE": "1",
        "TWO_B": "a\nb",
        "PROMPT": '"x"',
    }
    assert [variable.line for variable in prompt.variables.values()] == [4, 6, 9]
    assert found.mistakes == []


@pytest.mark.parametrize("text", ['PROMPT: "', 'PROMPT: "never\nclosed', 'PROMPT: "a\nNEXT: "b"'])
def test_a_value_that_never_closes_is_a_mistake_at_its_line(text: str) -> None:
    _, found = parse(f"# T\n\n## Variables\n\n{text}\n\n## Agents\n")
    assert [(m.line, m.problem) for m in found.mistakes] == [(5, "the value of PROMPT is never closed")]
    assert '"' in found.mistakes[0].fix


def test_a_name_given_twice_is_a_mistake_that_names_the_first() -> None:
    _, found = parse('## Variables\nPROMPT: "a"\nPROMPT: "b"\n')
    assert [(m.line, m.problem, m.fix) for m in found.mistakes] == [(3, "PROMPT stands twice", "keep one (see line 2)")]


def test_headings_match_whatever_their_case_and_spacing() -> None:
    prompt, _ = parse("## GRADING  Rubric ##\none\n## expected output:\ntwo\n### Detail\nthree\n# Other\nfour")
    assert prompt.text("Grading rubric") == "one"
    assert prompt.text("Expected Output") == "two\n### Detail\nthree"
    assert prompt.title == "Other"


def test_headings_in_fences_lists_quotes_and_comments_are_none() -> None:
    prompt, _ = parse("```\n## Agents\n```\n\n- x\n  ## Agents\n\n> ## Agents\n\n<!--\n## Agents\n-->\n")
    assert prompt.sections == {}


def test_a_section_that_stands_twice_is_a_mistake() -> None:
    _, found = parse("## Agents\n\n## Agents\n")
    assert [(m.line, m.problem) for m in found.mistakes] == [(3, "`## Agents` stands twice")]


def test_agent_lines_keep_their_order_and_repetitions() -> None:
    text = (
        "## Agents\n\nIMPORTANT: ask @agent-prose PROMPT nicely.\n@agent-b-1 PROMPT\n- @agent-gpt-oss:20b   PROMPT  \n"
        "@agent-b-1 PROMPT\n\n```\n@agent-fenced PROMPT\n```\n\n<!--\n@agent-comment PROMPT\n-->\n"
    )
    prompt, found = parse(text)
    assert markdown.agent_lines(prompt.sections["Agents"], found) == ("b-1", "gpt-oss:20b", "b-1")
    assert found.mistakes == []


@pytest.mark.parametrize(
    "line", ["@agent-x", "@agent-x prompt", '@agent-x "do it"', "@nano-agent-x PROMPT", "@agent- PROMPT"]
)
def test_a_line_that_is_almost_an_agents_is_a_mistake(line: str) -> None:
    prompt, found = parse(f"# T\n\n## Agents\n\n@agent-ok PROMPT\n{line}\n")
    assert markdown.agent_lines(prompt.sections["Agents"], found) == ("ok",)
    assert [m.line for m in found.mistakes] == [6]
    assert "`@agent-NAME PROMPT`" in found.mistakes[0].fix


def test_lines_count_the_same_with_all_line_endings() -> None:
    for newline in ("\n", "\r\n", "\r"):
        prompt, _ = parse(newline.join(["# T", "", "## Variables", 'PROMPT: "x"', "", "## Agents"]))
        assert prompt.variables["PROMPT"].line == 4
        assert prompt.sections["Agents"].line == 6


def test_nothing_at_all() -> None:
    prompt, found = parse("")
    assert (prompt.title, prompt.sections, prompt.variables, found.mistakes) == ("", {}, {}, [])
