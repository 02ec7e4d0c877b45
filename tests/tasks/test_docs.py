"""The examples in docs/files.md are what they say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flatfield.plugins import default_tools
from flatfield.records import AgentConfig, Evaluation, Task, Weights
from flatfield.tasks import agents, config, hop, lop, solution
from flatfield.tasks.access import everything
from flatfield.tasks.agents import select_agents
from flatfield.tasks.config import read_config
from flatfield.tasks.frontmatter import CLAUDE_KEYS
from flatfield.tasks.hop import is_evaluation, read_evaluation
from flatfield.tasks.lop import read_task
from flatfield.tasks.sub_agents import read_agent_file

if TYPE_CHECKING:
    from collections.abc import Callable

    Write = Callable[[str, str], Path]

PAGE = (Path(__file__).parents[2] / "docs" / "files.md").read_text(encoding="utf-8")
EXAMPLES = [match.group(2) for match in re.finditer(r"(?ms)^(`{3,4})(?:markdown|toml)\n(.*?)^\1$", PAGE)]


@pytest.fixture
def examples(write: Write) -> tuple[Task, Task, Evaluation, AgentConfig, tuple[AgentConfig, ...]]:
    plain, full, evaluation, sub_agent, config, *_ = EXAMPLES
    assert [is_evaluation(text) for text in (plain, full, evaluation)] == [False, False, True]
    read = read_agent_file(write("a.md", sub_agent))
    assert read is not None
    return (
        read_task(write("plain.md", plain)),
        read_task(write("full.md", full)),
        read_evaluation(write("hop.md", evaluation)),
        read,
        read_config(write("flatfield.toml", config), "flatfield.toml").agents,
    )


def test_they_can_be_read(examples: tuple[Task, Task, Evaluation, AgentConfig, tuple[AgentConfig, ...]]) -> None:
    plain, full, evaluation, sub_agent, configured = examples
    assert plain.plain
    assert plain.prompt == 'Read notes.txt and answer with the "capital" it names.\nOne word, no punctuation.'
    assert plain.agents == ("nano-agent-gpt-5-nano", "nano-agent-gpt-oss-20b")
    assert [spec.kind for spec in full.verifiers] == ["file", "answer", "rubric"]
    assert [step.tool for step in full.solution] == ["read_file", "write_file", None]
    assert evaluation.weights == Weights(performance=0.6, speed=0.2, cost=0.2)
    assert (sub_agent.provider, sub_agent.model) == ("ollama", "gpt-oss:20b")
    roster = (sub_agent, *configured)
    assert [agent.name for agent in select_agents(evaluation.agents[:2], roster)] == [
        "nano-agent-gpt-5-nano",
        "nano-agent-gpt-oss-20b",
    ]


def block(language: str, beginning: str) -> str:
    """The block of the page that begins so."""
    (text,) = re.findall(rf"(?ms)^```{language}\n({re.escape(beginning)}.*?)^```$", PAGE)
    return str(text)


def test_the_task_that_is_generated_is_made_of_its_seed(tmp_path: Path) -> None:
    (tmp_path / "sales").mkdir()
    lop_file = tmp_path / "sales" / "task.md"
    lop_file.write_text(block("text", "---\ngenerate: "))
    (tmp_path / "sales" / "make.py").write_text(block("python", "import json\nimport random"))
    made = [read_task(lop_file, seed, cache=tmp_path / "cache", access=everything()) for seed in (1, 1, 2)]
    assert made[0] == made[1] != made[2]
    assert made[0].id == "sales"
    assert "{{" not in made[0].prompt


def test_the_sabotages_belong_to_the_full_task(write: Write) -> None:
    sabotages = block("yaml", "sabotages:")
    full = EXAMPLES[1].replace("\nsolution:", f"\n{sabotages}solution:")
    read = read_task(write("full.md", full)).sabotages
    assert [one.name for one in read] == ["forgets the file", "counts one word too many", "does not say it"]


def test_every_key_is_in_its_table() -> None:
    for key in (*lop._READERS, *hop._READERS, *agents.SETTINGS, *config.LANE_LIMITS):
        assert re.search(rf"(?m)^\|[^|\n]*`{key}`", PAGE), key
    assert all(
        f"`{key}`" in PAGE for key in ("description", "allowed-tools", "argument-hint", "model") if key in CLAUDE_KEYS
    )
    assert f"`{solution.DEFAULT_ANSWER}`" in PAGE
    assert ", ".join(f"`{tool}`" for tool in default_tools()) in PAGE
