"""The demo: right answers score 1 in any form, and it is small enough for a model on the desk."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import pytest

from flatfield.plugins import default_tools
from flatfield.plugins import load as load_plugin
from flatfield.records import Task
from flatfield.scoring.protocols import VerifyContext
from flatfield.tasks.loading import load
from flatfield.vendors import _tool_protocols as json_protocol
from flatfield.vendors.base import SYSTEM_PROMPT

if TYPE_CHECKING:
    from pathlib import Path

Leave = Callable[..., Awaitable[VerifyContext]]
Measure = Callable[..., Awaitable[float]]
Read = Callable[[str], Task]

TASKS = ["capital", "leaf", "note"]


def test_the_demo_is_one_evaluation_of_three_small_tasks(tmp_path: Path) -> None:
    loaded = load(["suite:demo"], tmp_path)
    assert sorted(task.id for task in loaded.tasks) == TASKS
    assert {task.level for task in loaded.tasks} == {0, 1}
    assert all((task.limits.turns, task.limits.output_tokens) == (3, 96) for task in loaded.tasks)
    assert loaded.evaluation is not None
    assert loaded.evaluation.agents == ("smollm2-json", "smollm2-native", "oracle", "noop")
    assert "a floor, not a contender" in loaded.evaluation.body


@pytest.mark.parametrize("name", TASKS)
def test_what_the_model_reads_is_short(name: str, task: Read) -> None:
    lop = task(f"demo/{name}")
    specs = [load_plugin("tool", tool).SPEC for tool in lop.tools or default_tools()]
    text = f"{SYSTEM_PROMPT}\n\n{json_protocol.instructions(specs)}{lop.prompt}"
    assert len(text) < 1000  # fewer than 300 tokens of the model's own


@pytest.mark.parametrize("name", TASKS)
async def test_the_controls(name: str, task: Read, leave: Leave, measure: Measure) -> None:
    assert await measure(await leave(task(f"demo/{name}"), solved=True), whole_way=True) == 1.0
    assert await measure(await leave(task(f"demo/{name}")), whole_way=True) == 0.0


@pytest.mark.parametrize(
    ("name", "files", "answer"),
    [
        ("capital", {}, "paris"),
        ("capital", {}, "The capital of France is Paris."),
        ("capital", {}, "**Paris**, France."),
        ("leaf", {"leaf.txt": "green\n"}, ""),
        ("leaf", {"leaf.txt": "green", "b.txt": "red"}, "I have written it."),
        ("note", {}, "tokyo"),
        ("note", {}, "The capital of Japan is Tokyo."),
        ("note", {}, "What is the capital of Japan? Tōkyō, Japan."),
    ],
)
async def test_other_right_results(
    name: str, files: dict[str, str], answer: str, task: Read, leave: Leave, measure: Measure
) -> None:
    assert await measure(await leave(task(f"demo/{name}"), files, answer)) == 1.0


@pytest.mark.parametrize(
    ("name", "files", "answer"),
    [
        ("capital", {}, "Lyon"),
        ("capital", {}, "Parisian"),
        ("capital", {}, "It is anything but Paris."),
        ("capital", {}, "Paris or Lyon"),
        ("capital", {}, "Lyon, Marseille and Paris"),
        ("capital", {}, "Is it Paris?"),
        ("capital", {}, "It isn't Paris."),
        ("leaf", {"leaf.txt": "Green"}, "done"),
        ("leaf", {"leaf.txt": "green leaf"}, "done"),
        ("leaf", {"leaf.txt": "'green'"}, "done"),
        ("leaf", {"green.txt": "green"}, "done"),
        ("leaf", {}, "green"),
        ("note", {}, "Kyoto"),
        ("note", {}, "What is the capital of Japan?"),
        ("note", {}, "Tokyoite"),
        ("note", {}, "Tokyo is not the capital of Japan."),
        ("note", {}, "Kyoto or Tokyo"),
    ],
)
async def test_nearly_right_results(
    name: str, files: dict[str, str], answer: str, task: Read, leave: Leave, measure: Measure
) -> None:
    assert await measure(await leave(task(f"demo/{name}"), files, answer)) == 0.0
