"""The desk suite: right work scores 1 in any of its forms, nearly right work less; a seed makes the same files."""

from __future__ import annotations

import os
import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import pytest

import flatfield.tasks
from flatfield.records import Task
from flatfield.runs.proof import echoing, sabotaged
from flatfield.scoring.protocols import VerifyContext
from flatfield.tasks.loading import load
from flatfield.tasks.lop import read_task

pytestmark = pytest.mark.whole

Leave = Callable[..., Awaitable[VerifyContext]]
Measure = Callable[..., Awaitable[float]]
Read = Callable[[str], Task]
Left = tuple[dict[str, str], str]
"""The files that an agent wrote, and its answer."""

SUITE = Path(flatfield.tasks.__file__).parent / "suites" / "desk"
TASKS = sorted(path.parent.name for path in SUITE.glob("*/task.md"))
SOME = [pytest.param(name, marks=pytest.mark.slow) if at % 4 else name for at, name in enumerate(TASKS)]
"""What starts programs for each task: for one of four in `make test`, for all in `make test-slow`."""
LEVELS = [0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 4, 4]
SEED = int(os.environ.get("SUITE_SEED", "0"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def made(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Read:
    """`find-value` → the Task of that name, with or without its number."""
    monkeypatch.syspath_prepend(SUITE)  # where `marking` lies

    def read(name: str) -> Task:
        (whole,) = [task for task in TASKS if task == name or re.sub(r"^desk-\d+-", "", task) == name]
        return read_task(SUITE / whole / "task.md", SEED, cache=cache)

    return read


def test_the_suite_rises_from_level_to_level(tmp_path: Path) -> None:
    loaded = load(["suite:desk"], tmp_path)
    assert [task.id for task in loaded.tasks] == TASKS
    assert [task.level for task in loaded.tasks] == LEVELS
    assert loaded.evaluation is None


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.some(3)
def test_it_suits_a_slow_laptop(name: str, made: Read) -> None:
    task = made(name)
    assert task.limits.turns <= 12
    assert task.limits.seconds == 240
    assert task.limits.output_tokens <= 1000
    assert task.targets.seconds
    assert task.targets.cost_usd
    assert len(task.prompt) < 400
    assert len(task.sabotages) >= 2
    assert {spec.kind for spec in task.verifiers} == {"python"}  # nothing needs a sandbox
    assert "MODEL_NAME" not in task.prompt


@pytest.mark.parametrize("name", SOME)
async def test_the_oracle_scores_1(name: str, made: Read, leave: Leave, measure: Measure) -> None:
    assert await measure(await leave(made(name), solved=True), whole_way=True) == 1.0


@pytest.mark.parametrize("name", SOME)
async def test_noop_an_echo_and_a_copy_score_0(name: str, made: Read, leave: Leave, measure: Measure) -> None:
    task = made(name)
    assert await measure(await leave(task), whole_way=True) == 0.0
    assert await measure(await leave(echoing(task), solved=True)) == 0.0
    written = _workspace(task)
    assert await measure(await leave(task, written, "\n".join(written.values()))) == 0.0


@pytest.mark.parametrize("name", TASKS)
async def test_every_sabotage_scores_less(name: str, made: Read, leave: Leave, measure: Measure) -> None:
    task = made(name)
    for item in task.sabotages:
        assert await measure(await leave(sabotaged(task, item), solved=True)) < 1.0, item.name


@pytest.mark.parametrize("name", SOME)
def test_a_seed_makes_the_same_files_and_another_one_others(name: str, cache: Path, tmp_path: Path) -> None:
    path = SUITE / name / "task.md"
    made = [read_task(path, seed, cache=folder) for seed, folder in ((0, cache), (0, tmp_path), (1, tmp_path))]
    expected = [((Path(task.path).parent / "expected.json").read_bytes(), _workspace(task)) for task in made]
    assert made[0].digest == made[1].digest != made[2].digest
    assert made[0].prompt == made[1].prompt
    assert expected[0] == expected[1] != expected[2]
    assert "{{" not in "".join(task.prompt for task in made)


ANSWERED = ["find-value", "list-folder", "follow-pointers", "add-two"]


@pytest.mark.parametrize("name", ANSWERED)
def test_what_has_to_be_found_is_not_in_the_prompt(name: str, made: Read) -> None:
    task = made(name)
    assert not [part for part in task.solution[-1].answer.split(", ") if part in task.prompt]


# ---------------------------------------------------------------------------- right work of another kind


def _workspace(task: Task) -> dict[str, str]:
    """The texts that the agent is given, by their paths."""
    folder = Path(task.path).parent / "workspace"
    files = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
    return {path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in files}


def _solved(task: Task) -> Left:
    """What the solution leaves."""
    files, written = _workspace(task), {}
    for step in task.solution:
        path = step.arguments.get("file_path", "")
        if step.tool == "write_file":
            written[path] = step.arguments["content"]
        elif step.tool == "edit_file":
            written[path] = files[path].replace(step.arguments["old_str"], step.arguments["new_str"])
    return written, task.solution[-1].answer


def _each(change: Callable[[str], str]) -> Callable[[Left], Left]:
    return lambda left: ({path: change(text) for path, text in left[0].items()}, left[1])


def _answer(form: str) -> Callable[[Left], Left]:
    return lambda left: (left[0], form.format(left[1]))


WRITTEN = [name.split("-", 2)[2] for name in TASKS if name.split("-", 2)[2] not in ANSWERED] + ["add-two"]
NO_LINE_END, MORE_LINE_ENDS = _each(lambda text: text.rstrip("\n")), _each(lambda text: f"{text}\n\n")
WINDOWS = _each(lambda text: text.replace("\n", "\r\n"))


def _with_a_file_more(left: Left) -> Left:
    return {**left[0], "notes.md": "what I did\n"}, left[1]


@pytest.mark.parametrize("change", [NO_LINE_END, MORE_LINE_ENDS, WINDOWS, _with_a_file_more])
@pytest.mark.parametrize("name", WRITTEN)
async def test_other_forms_of_right_files(
    name: str, change: Callable[[Left], Left], made: Read, leave: Leave, measure: Measure
) -> None:
    task = made(name)
    files, answer = change(_solved(task))
    assert await measure(await leave(task, files, answer)) == 1.0


@pytest.mark.parametrize(
    "form",
    [
        "{}.",
        "**{}**",
        "`{}`\n",
        "```\n{}\n```",
        "It is {}, as far as I can see.",
        "I have done it, and not more than that.\n\nThe answer: {}",
        "{} (I could not find any other)",
    ],
)
@pytest.mark.parametrize("name", ANSWERED)
async def test_other_forms_of_right_answers(name: str, form: str, made: Read, leave: Leave, measure: Measure) -> None:
    task = made(name)
    files, answer = _answer(form)(_solved(task))
    assert await measure(await leave(task, files, answer)) == 1.0


@pytest.mark.parametrize("form", ["Is it {}?", "It is not {}.", "It isn’t {}.", "{} is not it.", "any other than {}"])
@pytest.mark.parametrize("name", ANSWERED)
async def test_answers_that_do_not_say_it(name: str, form: str, made: Read, leave: Leave, measure: Measure) -> None:
    task = made(name)
    files, answer = _answer(form)(_solved(task))
    assert await measure(await leave(task, files, answer)) < 1.0


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("list-folder", lambda left: (left[0], "\n".join(f"- {name}" for name in reversed(left[1].split(", "))))),
        ("list-folder", lambda left: (left[0], str(left[1].split(", ")))),
        ("list-folder", lambda left: (left[0], left[1].replace(", ", " and ").upper())),
        ("find-value", lambda left: (left[0], left[1].lower())),
        ("rename-key", _each(lambda text: re.sub(r"\s+", " ", text))),
        ("rename-key", _each(lambda text: "{" + ",".join(reversed(text.strip()[1:-1].split(","))) + "}")),
        ("count-lines", _each(lambda text: f"late: {text}")),
        ("count-lines", _each(lambda text: f"\n{text}")),
        ("first-last", _each(lambda text: text.replace("\n", " \n"))),
        ("write-line", _each(lambda text: f"\n{text}")),
        ("add-two", lambda left: (left[0], f"The sum is {left[1]}, in total.txt.")),
    ],
)
async def test_what_is_left_open(
    name: str, change: Callable[[Left], Left], made: Read, leave: Leave, measure: Measure
) -> None:
    task = made(name)
    files, answer = change(_solved(task))
    assert await measure(await leave(task, files, answer)) == 1.0


async def test_a_sum_may_be_written_out_in_the_answer(made: Read, leave: Leave, measure: Measure) -> None:
    task = made("add-two")
    files, total = _solved(task)
    one, other = (re.findall(r"\d+", text)[0] for text in _workspace(task).values())
    assert await measure(await leave(task, files, f"{one} + {other} = {total}")) == 1.0
    assert await measure(await leave(task, files, f"The 2 depots have {total} of them.")) == 1.0
    assert await measure(await leave(task, files, f"{one} + {other}")) == pytest.approx(2 / 3)


@pytest.mark.parametrize("way", ["by hand", "in every file"])
async def test_a_word_may_be_changed_in_more_than_one_way(way: str, made: Read, leave: Leave, measure: Measure) -> None:
    task = made("find-and-fix")
    files, answer = _solved(task)
    same = _workspace(task) if way == "in every file" else {}  # written again, as they were
    assert await measure(await leave(task, {**same, **files}, answer)) == 1.0


# ---------------------------------------------------------------------------- nearly right work


@pytest.mark.parametrize(
    ("name", "change", "score"),
    [
        ("write-line", _each(lambda text: text.replace(" ", "  ")), 0.0),
        ("write-line", _each(str.lower), 0.0),
        ("write-line", _each(lambda text: f"{text}{text}"), 0.0),
        ("write-line", _each(lambda text: f"```\n{text}```\n"), 0.0),
        ("fix-typo", _each(lambda text: text.replace("\n", "\n\n", 1)), 0.0),
        ("fix-typo", _each(lambda text: text.replace("Yours", "yours")), 0.0),
        ("copy-file", _each(lambda text: f"\n{text}"), 0.0),
        ("copy-file", _each(lambda text: text.replace("  - ", "- ")), 0.0),
        ("append-line", _each(lambda text: "\n".join(sorted(text.split("\n")))), 0.0),
        ("append-line", _each(lambda text: "\n\n".join(text.rstrip().rsplit("\n", 1))), 0.0),
        ("rename-key", _each(lambda text: text.replace("}", ', "more": 1}')), 0.0),
        ("rename-key", _each(lambda text: f"[{text}]"), 0.0),
        ("rename-key", _each(lambda _text: ""), 0.0),
        ("first-last", _each(lambda text: text.split("\n")[0] + "\n?"), 0.5),
        ("first-last", _each(lambda text: f"First: {text.strip()}"), 0.5),
        ("first-last", _each(lambda text: text.replace("\n", " ")), 0.0),
        ("count-lines", _each(lambda text: text.replace("\n", "0\n", 1)), 0.0),
        ("count-lines", _each(lambda text: f"{text}5\n"), 0.0),
        ("count-lines", _each(lambda _text: "late\n"), 0.0),
        ("count-lines", _each(lambda text: re.sub(r"(\d+)", r"\1 or 0", text)), 0.0),
        ("list-folder", lambda left: (left[0], left[1].split(", ")[1]), 0.5),
        ("list-folder", lambda left: (left[0], left[1].replace(".", "-1.", 1)), 0.0),
        ("list-folder", lambda left: (left[0], left[1] + " and more.csv"), 0.0),
        ("find-value", lambda left: (left[0], left[1] + "9"), 0.0),
        ("find-value", lambda left: (left[0], left[1][:-1]), 0.0),
        ("find-value", lambda left: (left[0], f"{left[1]} or KX-1234"), 0.0),
        ("add-two", lambda left: ({"total.txt": f"Sum: {left[1]}"}, left[1]), 1 / 3),
        ("add-two", lambda left: ({"sum.txt": left[1]}, left[1]), 1 / 3),
        ("add-two", lambda left: (left[0], "I have written total.txt."), 2 / 3),
    ],
)
async def test_nearly_right_work(
    name: str, change: Callable[[Left], Left], score: float, made: Read, leave: Leave, measure: Measure
) -> None:
    task = made(name)
    files, answer = change(_solved(task))
    assert await measure(await leave(task, files, answer)) == pytest.approx(score)


KEPT = {"copy-file": "list.txt", "first-last": "names.txt", "count-lines": "parcels.txt"}


@pytest.mark.parametrize("name", KEPT)
async def test_a_file_that_was_to_be_left_alone(name: str, made: Read, leave: Leave, measure: Measure) -> None:
    task = made(name)
    files, answer = _solved(task)
    changed: Mapping[str, str | None] = {KEPT[name]: _workspace(task)[KEPT[name]] + "more\n"}
    assert await measure(await leave(task, {**files, **changed}, answer)) == 0.0
    assert await measure(await leave(task, {**files, KEPT[name]: None}, answer)) == 0.0
