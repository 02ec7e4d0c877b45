"""The basic suite: what is right scores 1, in any of its forms; what is nearly right does not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import pytest

from flatfield.records import Task
from flatfield.scoring.protocols import VerifyContext
from flatfield.tasks.loading import load

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.whole

Leave = Callable[..., Awaitable[VerifyContext]]
Measure = Callable[..., Awaitable[float]]
Read = Callable[[str], Task]
Edit = Callable[[str], str]
Edges = tuple[list[str], list[str]]
Trio = dict[str, str | None]

LEVELS = ["level-0-fact", "level-1-write", "level-2-edges", "level-3-extract", "level-4-analyse", "level-5-package"]
SANDBOXED = {"level-4-analyse", "level-5-package"}
WHOLE = [pytest.param(name, marks=pytest.mark.needs("bwrap") if name in SANDBOXED else ()) for name in LEVELS]


def test_the_suite_has_one_task_of_each_level(tmp_path: Path) -> None:
    loaded = load(["suite:basic"], tmp_path)
    assert [(task.id, task.level) for task in loaded.tasks] == [(name, level) for level, name in enumerate(LEVELS)]
    assert loaded.evaluation is None
    for task in loaded.tasks:
        assert task.targets.seconds
        assert task.targets.cost_usd
        assert "MODEL_NAME" not in task.prompt


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.some(3)
async def test_the_oracle_scores_1(name: str, task: Read, leave: Leave, measure: Measure) -> None:
    context = await leave(task(f"basic/{name}"), solved=True, sandboxed=name in SANDBOXED)
    assert await measure(context, whole_way=True) == 1.0


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.some(3)
async def test_noop_scores_0(name: str, task: Read, leave: Leave, measure: Measure) -> None:
    context = await leave(task(f"basic/{name}"), sandboxed=name in SANDBOXED)
    assert await measure(context, whole_way=True) == 0.0


# ---------------------------------------------------------------------------- level 0


@pytest.mark.parametrize(
    "answer",
    [
        "Jupiter",
        "jupiter.",
        "**Jupiter**.",
        "It is Jupiter!",
        "The answer is Jupiter.",
        "The largest planet is Jupiter.",
        "Jupiter is the largest planet in our solar system.",
        "The planet with the largest mass\nis Jupiter.",
        "```\nJupiter\n```",
        "\ufeffJupiter\r\n",
        "Which planet of our solar system has the largest mass? Jupiter!",
    ],
)
async def test_a_right_fact(answer: str, task: Read, leave: Leave, measure: Measure) -> None:
    assert await measure(await leave(task("basic/level-0-fact"), answer=answer)) == 1.0


@pytest.mark.parametrize(
    "answer",
    [
        "Saturn",
        "Jupiter or Saturn",
        "Jupiter is the answer to another question",
        "Jupiter is larger than\nEarth.",
        "Jupiters",
        "Not Jupiter: Saturn",
        "Everyone says Jupiter, but it is Saturn",
        "Jupiter is the largest? No.",
        "Mercury, Venus, Earth, Mars, Jupiter, Saturn, Uranus, Neptune",
        "Jupiter " * 100_000,
        "It is not Jupiter.",
        "It is anything but Jupiter.",
        "It isn’t Jupiter.",
        "It cannot be Jupiter.",
        "Jupiter isn't it.",
        "Jupiter, I think, is not the one.",
        "I doubt that it is Jupiter.",
        "Every planet except Jupiter",
        "Any planet other than Jupiter",
        "The one after Jupiter",
        "Jupiter, or the one with the rings",
        "The one with the rings / Jupiter",
        "Jupiter?",
        "Is it Jupiter?",
        "Jup",
        "I do not know.",
    ],
)
async def test_nearly_the_fact(answer: str, task: Read, leave: Leave, measure: Measure) -> None:
    assert await measure(await leave(task("basic/level-0-fact"), answer=answer)) == 0.0


# ---------------------------------------------------------------------------- level 1


@pytest.fixture
def ferry(task: Read) -> str:
    return str(task("basic/level-1-write").solution[0].arguments["content"])


def test_the_prompt_states_the_file_that_is_checked(task: Read, ferry: str) -> None:
    prompt = task("basic/level-1-write").prompt
    assert f"==========\n{ferry}==========" in prompt


@pytest.mark.parametrize("edit", [str, lambda text: text.removesuffix("\n")], ids=["newline", "no newline"])
@pytest.mark.parametrize("answer", ["Written.", ""])
async def test_the_exact_file(edit: Edit, answer: str, task: Read, ferry: str, leave: Leave, measure: Measure) -> None:
    context = await leave(task("basic/level-1-write"), {"notes/ferry.txt": edit(ferry), "notes/draft.txt": "x"}, answer)
    assert await measure(context) == 1.0


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace("\n\n", "\n", 1),
        lambda text: text.replace("    Holm", "\tHolm"),
        lambda text: text.replace("  Skjær", "Skjær"),
        lambda text: text.replace("æ", "ae"),
        lambda text: text.replace("—", "-"),
        lambda text: text.replace('"', "“", 1),
        lambda text: text.replace("\\", "\\\\"),
        lambda text: text.replace("\\new", "\new"),
        lambda text: text.replace("$4", ""),
        lambda text: text.replace("'", "’"),
        lambda text: text + "\n",
        lambda text: "\n" + text,
        lambda text: "```\n" + text + "```\n",
        lambda text: f"==========\n{text}==========\n",
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", " \n", 1),
        lambda text: "".join(text.splitlines(keepends=True)[:-1]),
        lambda text: "\ufeff" + text,
        lambda text: text[:0],
        lambda text: text.replace("æ", "\udce6"),
    ],
)
async def test_nearly_the_file(edit: Edit, task: Read, ferry: str, leave: Leave, measure: Measure) -> None:
    context = await leave(task("basic/level-1-write"), {"notes/ferry.txt": edit(ferry)}, "Written.")
    assert await measure(context) == 0.0


async def test_the_file_at_another_place(task: Read, ferry: str, leave: Leave, measure: Measure) -> None:
    context = await leave(task("basic/level-1-write"), {"ferry.txt": ferry, "notes/Ferry.txt": ferry}, ferry)
    assert await measure(context) == 0.0


# ---------------------------------------------------------------------------- level 2


@pytest.fixture
def edges(suites: Path) -> Edges:
    lines = (suites / "basic/level-2-edges/workspace/README.md").read_text(encoding="utf-8").splitlines()
    return lines[:10], lines[-10:]


def _form(first: list[str], last: list[str]) -> str:
    return "\n".join(["FIRST", *first, "LAST", *last, "END"])


@pytest.mark.parametrize(
    "edit",
    [
        str,
        lambda text: f"Here they are.\n\n{text}\n\nThe first and last ten lines, as asked.",
        lambda text: f"```\n{text}\n```\n",
        lambda text: text.replace("\n", "\r\n"),
    ],
)
async def test_the_right_lines(edit: Edit, task: Read, edges: Edges, leave: Leave, measure: Measure) -> None:
    context = await leave(task("basic/level-2-edges"), answer=edit(_form(*edges)))
    assert await measure(context) == 1.0


@pytest.mark.parametrize(
    ("change", "score"),
    [
        (lambda first, last: (first[:9], last), 0.5),
        (lambda first, last: (first, last[1:]), 0.5),
        (lambda first, last: (first[:9], last[1:]), 0.0),
        (lambda first, last: ([*first, "2. Put a number after each name:  `limpet 14`."], last), 0.5),
        (lambda first, last: (first, [*last, ""]), 0.5),
        (lambda first, last: (["", *first], last), 0.5),
        (lambda first, last: ([line for line in first if line], last), 0.5),
        (lambda first, last: (first, [line.removeprefix("> ") for line in last]), 0.5),
        (lambda first, last: ([f"{n}: {line}" for n, line in enumerate(first, 1)], last), 0.5),
        (lambda first, last: (["```", *first, "```"], ["```", *last, "```"]), 0.0),
        (lambda first, last: (first, ["  " + line for line in last]), 0.5),
        (lambda first, last: (last, first), 0.0),
        (lambda first, last: (first[:0], last[:0]), 0.0),
        (lambda first, last: (first, ["FIRST", *last]), 0.0),
    ],
)
async def test_nearly_the_lines(
    change: Callable[..., Edges], score: float, task: Read, edges: Edges, leave: Leave, measure: Measure
) -> None:
    context = await leave(task("basic/level-2-edges"), answer=_form(*change(*edges)))
    assert await measure(context) == score


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace("LAST\n", ""),
        lambda text: text.removesuffix("\nEND"),
        lambda text: text.replace("FIRST", "First"),
        lambda text: f"{text}\n{text}",
        lambda text: text.replace("\n", " "),
    ],
)
async def test_lines_without_the_form(edit: Edit, task: Read, edges: Edges, leave: Leave, measure: Measure) -> None:
    assert await measure(await leave(task("basic/level-2-edges"), answer=edit(_form(*edges)))) == 0.0


# ---------------------------------------------------------------------------- level 3


@pytest.fixture
def trio(task: Read) -> Trio:
    """The three files as the solution leaves them."""
    steps = task("basic/level-3-extract").solution
    return {step.arguments["file_path"]: step.arguments["content"] for step in steps if step.tool == "write_file"}


@pytest.mark.parametrize(
    "other",
    [
        {"keys.txt": "archive\ncontacts\nrevision\nsensors\nsite"},
        {"keys.txt": "archive\r\ncontacts\r\nrevision\r\nsensors\r\nsite\r\n"},
        {"active.json": '{\n  "l-12": -42.0,\n  "w-7\\u00f8": 0.0,\n  "p-300": 1.01325e3,\n  "t-101": 11.50\n}\n\n'},
        {"notes.txt": "not asked for, not forbidden"},
    ],
)
async def test_other_right_extracts(other: Trio, task: Read, trio: Trio, leave: Leave, measure: Measure) -> None:
    assert await measure(await leave(task("basic/level-3-extract"), {**trio, **other})) == 1.0


async def test_a_journal_without_its_last_newline(task: Read, trio: Trio, leave: Leave, measure: Measure) -> None:
    journal = str(trio["journal.txt"]).removesuffix("\n")
    assert await measure(await leave(task("basic/level-3-extract"), {**trio, "journal.txt": journal})) == 1.0


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("keys.txt", None),
        ("keys.txt", "site\nrevision\nsensors\ncontacts\narchive\n"),
        ("keys.txt", "archive\ncontacts\nrevision\nsensors\n"),
        ("keys.txt", "archive\ncontacts\nkeeper\nradio\nrevision\nsensors\nsite\n"),
        ("keys.txt", "- archive\n- contacts\n- revision\n- sensors\n- site\n"),
        ("keys.txt", "archive\n\ncontacts\n\nrevision\n\nsensors\n\nsite\n"),
        ("keys.txt", '["archive", "contacts", "revision", "sensors", "site"]'),
        ("active.json", None),
        ("active.json", "{'t-101': 11.5, 'w-7ø': 0, 'p-300': 1013.25, 'l-12': -42}"),
        ("active.json", '{"t-101": 11.5, "w-7ø": 0, "p-300": 1013.25, "l-12": -42,}'),
        ("active.json", '```json\n{"t-101": 11.5, "w-7ø": 0, "p-300": 1013.25, "l-12": -42}\n```'),
        ("active.json", '{"t-101": 11.5, "p-300": 1013.25, "l-12": -42}'),
        ("active.json", '{"t-101": 11.5, "w-7": 0, "p-300": 1013.25, "l-12": -42}'),
        ("active.json", '{"t-101": 11.5, "w-7ø": 0, "p-300": 1013.25, "l-12": -42, "s-9": 34.1}'),
        ("active.json", '{"t-101": "11.5", "w-7ø": 0, "p-300": 1013.25, "l-12": -42}'),
        ("active.json", '{"t-101": 11.5, "w-7ø": false, "p-300": 1013.25, "l-12": -42}'),
        ("active.json", '{"t-101": 11.5, "w-7ø": null, "p-300": 1013.25, "l-12": -42}'),
        ("active.json", '{"t-101": 11.5, "w-7ø": 0, "p-300": 1013, "l-12": -42}'),
        ("active.json", '{"t-101": 1, "t-101": 11.5, "w-7ø": 0, "p-300": 1013.25, "l-12": -42}'),
        ("active.json", '[{"t-101": 11.5, "w-7ø": 0, "p-300": 1013.25, "l-12": -42}]'),
        ("active.json", '{"active": {"t-101": 11.5, "w-7ø": 0, "p-300": 1013.25, "l-12": -42}}'),
        ("active.json", '{"t-101": NaN, "w-7ø": 0, "p-300": 1013.25, "l-12": -42}'),
        ("journal.txt", None),
        ("journal.txt", "extracted 4 sensors\n"),
    ],
)
async def test_nearly_the_extract(
    path: str, text: str | None, task: Read, trio: Trio, leave: Leave, measure: Measure
) -> None:
    files = {**trio, path: text}
    if text is None and path != "journal.txt":
        del files[path]
    assert 0.0 < await measure(await leave(task("basic/level-3-extract"), files)) < 1.0


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace("4 sensors", "6 sensors"),
        lambda text: text.replace("extracted", "Extracted"),
        lambda text: text + "extracted 4 sensors\n",
        lambda text: text.replace("extracted", "\nextracted"),
        lambda text: text + "\n",
        lambda text: "extracted 4 sensors\n" + text.removesuffix("extracted 4 sensors\n"),
        lambda text: text.replace("\t", "  "),
        lambda text: text.replace("\n\n", "\n"),
        lambda text: text.replace("gauge\n", "gauge"),
        lambda text: text.removesuffix("extracted 4 sensors\n"),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text[1:],
    ],
)
async def test_nearly_the_journal(edit: Edit, task: Read, trio: Trio, leave: Leave, measure: Measure) -> None:
    files = {**trio, "journal.txt": edit(str(trio["journal.txt"]))}
    assert await measure(await leave(task("basic/level-3-extract"), files)) == 0.75


@pytest.mark.parametrize("sensors", [None, "{}", '{"site": "Harbour North"}\n'])
async def test_a_changed_source_counts_against_all(
    sensors: str | None, task: Read, trio: Trio, leave: Leave, measure: Measure
) -> None:
    assert await measure(await leave(task("basic/level-3-extract"), {**trio, "sensors.json": sensors})) == 0.0
