"""LOPs that are made by a function from a seed: what is made, when it is made again, and what is said of mistakes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flatfield.errors import FlatfieldError, InvalidFiles
from flatfield.tasks import digest, frontmatter, generating
from flatfield.tasks.access import everything
from flatfield.tasks.lop import read_task
from flatfield.tasks.source import Findings, plain

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flatfield.records import Mistake

    Write = Callable[[str, str], Path]
    Made = Callable[..., Path]

pytestmark = pytest.mark.whole

LOP = """---
generate: make.py::build
level: 2
workspace: workspace
verify:
  - file: {path: "{{name}}.json", json: "{{whole}}"}
  - python: checks.py::verify
solution:
  - copy: solution/
---

# Write {{name}}

## Variables

PROMPT: "Write {{name}}.json, with {{count}} in it.\r
{{ not one }}"
"""
MAKE = """
import shared


def build(seed, folder):
    (folder / "workspace").mkdir()
    (folder / "workspace" / "in.txt").write_text(f"{seed}")
    (folder / "solution").mkdir()
    (folder / "solution" / "x.json").write_text("{}")
    print("noise")
    return {"name": shared.NAMES[seed % 2], "whole": {"n": seed}, "count": seed}
"""


@pytest.fixture
def made(write: Write) -> Made:
    """A LOP that is made by a function, in a folder of its own below one with a shared module."""

    def made(lop: str = LOP, make: str = MAKE, shared: str = 'NAMES = ["yes", "07"]\n') -> Path:
        write("suite/shared.py", shared)
        write("suite/mine/make.py", make)
        write(
            "suite/mine/checks.py", "from shared import NAMES\n\n\ndef verify(trial, files):\n    return 1, NAMES[0]\n"
        )
        write("suite/mine/static/table.txt", "kept")
        return write("suite/mine/task.md", lop)

    return made


def read(path: Path, seed: int = 3) -> list[Mistake]:
    with pytest.raises(InvalidFiles) as caught:
        read_task(path, seed, cache=path.parents[2] / "cache", access=everything())
    return list(caught.value.mistakes)


def test_a_seed_makes_a_plain_task_that_is_read_as_any_other(made: Made, tmp_path: Path) -> None:
    path = made()
    task = read_task(path, 3, cache=tmp_path / "cache", access=everything())
    assert (task.id, task.level, task.seed, task.generated_from) == ("mine", 2, 3, str(path))
    assert task.prompt == "Write 07.json, with 3 in it.\r\n{{ not one }}"
    assert task.verifiers[0].options == {"path": "07.json", "json": {"n": 3}}
    assert task.solution[0].arguments == {"file_path": "x.json", "content": "{}"}
    folder = (tmp_path / "cache" / "tasks" / "mine").glob("3-*/*")
    assert sorted(entry.name for entry in folder) == [
        "checks.py", "shared.py", "solution", "static", "task.md", "workspace"
    ]  # fmt: skip


def test_the_same_seed_makes_the_same_bytes_and_another_one_another_task(made: Made, tmp_path: Path) -> None:
    path = made()
    tasks = [
        read_task(path, seed, cache=tmp_path / cache, access=everything())
        for seed, cache in ((1, "a"), (1, "b"), (3, "a"))
    ]
    assert tasks[0].digest == tasks[1].digest != tasks[2].digest
    trees = [digest.of_task(b"", tmp_path / cache, [tmp_path / cache / "tasks"]) for cache in "ab"]
    assert trees[0] != trees[1]  # "a" holds seed 3 as well
    read_task(path, 3, cache=tmp_path / "b", access=everything())
    assert trees[0] == digest.of_task(b"", tmp_path / "b", [tmp_path / "b" / "tasks"])


def test_what_is_made_is_kept_until_it_is_altered_or_gone(made: Made, tmp_path: Path) -> None:
    path = made()
    task = read_task(path, 3, cache=tmp_path / "cache", access=everything())
    made_file = tmp_path / "cache" / "tasks" / "mine"
    (file,) = made_file.glob("3-*/workspace/in.txt")
    kept = file.stat().st_ino
    assert read_task(path, 3, cache=tmp_path / "cache", access=everything()).digest == task.digest
    assert file.stat().st_ino == kept
    file.write_text("spoilt")
    assert read_task(path, 3, cache=tmp_path / "cache", access=everything()).digest == task.digest
    assert file.read_text() == "3"
    for entry in sorted(file.parents[1].rglob("*"), reverse=True):
        entry.unlink() if entry.is_file() else entry.rmdir()
    assert read_task(path, 3, cache=tmp_path / "cache", access=everything()).digest == task.digest
    assert file.read_text() == "3"


@pytest.mark.parametrize("name", ["suite/shared.py", "suite/mine/static/table.txt", "suite/mine/make.py"])
def test_a_change_of_what_it_is_made_from_makes_another_task(
    name: str, made: Made, write: Write, tmp_path: Path
) -> None:
    path = made()
    before = read_task(path, 3, cache=tmp_path / "cache", access=everything())
    write(name, (tmp_path / name).read_text() + "\n# changed\n")
    assert read_task(path, 3, cache=tmp_path / "cache", access=everything()).digest != before.digest


def test_what_tools_leave_beside_a_lop_changes_nothing(made: Made, write: Write, tmp_path: Path) -> None:
    path = made()
    before = read_task(path, 3, cache=tmp_path / "cache", access=everything())
    write("suite/mine/.flatfield/runs.sqlite", "x")
    write("suite/mine/__pycache__/make.pyc", "x")
    write("suite/unused.py", "x = 1\n")
    assert read_task(path, 3, cache=tmp_path / "cache", access=everything()).path == before.path


def test_placeholders_and_values_must_meet(made: Made) -> None:
    found = read(made(LOP.replace("{{count}}", "{{cuont}} {{count_2}}")))
    assert [mistake.line for mistake in found] == [2, 16, 16]
    assert "the value `count` is never used" in str(found[0])
    assert "`{{cuont}}` has no value; did you mean `count`?" in str(found[1])
    assert {mistake.path for mistake in found} == {found[0].path}
    assert found[0].path.endswith("task.md")


@pytest.mark.parametrize(
    ("make", "line", "problem"),
    [
        ("def build(seed, folder):\n    return {}['x']\n", 2, "KeyError: 'x'"),
        ("def build(seed, folder):\n    raise SystemExit(3)\n", 2, "SystemExit: 3"),
        ("x = 1\n\ndef build(seed, folder):\n    return [1]\n", 3, "build returned [1], not a dict"),
        ("def build(seed, folder):\n    return {'name': {1: 2}}\n", 1, "build returned {1: 2} as 'name', not a text"),
        ("def built(seed, folder):\n    return {}\n", 1, "it defines no function build(seed, folder)"),
        ("x = (\n", 1, "this is not Python"),
        ("import os\ndef build(seed, folder):\n    os._exit(4)\n", 1, "build ended its process"),
    ],
)
def test_what_a_function_does_wrong_is_said_with_its_line(made: Made, make: str, line: int, problem: str) -> None:
    (found,) = read(made(make=make))
    assert found.path.endswith("make.py")
    assert found.line == line
    assert problem in found.problem


def test_a_function_that_hangs_is_ended(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generating, "TIMEOUT_SECONDS", 0.5)
    (found,) = read(made(make="def build(seed, folder):\n    while True:\n        pass\n"))
    assert found.problem == "build took more than 0.5 seconds"


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("make.py", "`generate` is not FILE.py::FUNCTION"),
        ("../make.py::build", "`generate` is not FILE.py::FUNCTION"),
        ("mkae.py::build", "there is no file mkae.py beside task.md"),
    ],
)
def test_what_is_wrong_with_the_key_is_said(made: Made, value: str, problem: str) -> None:
    (found,) = read(made(LOP.replace("make.py::build", value)))
    assert (found.line, found.problem) == (2, problem)


def test_the_environment_is_clean_and_fixed(made: Made, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SECRET_API_KEY", "sk-secret")
    make = MAKE.replace(
        "print(",
        "import os; assert 'SECRET_API_KEY' not in os.environ; assert os.environ['PYTHONHASHSEED'] == '0'; print(",
    )
    assert read_task(made(make=make), 3, cache=tmp_path / "cache", access=everything()).seed == 3


def test_a_cache_that_cannot_be_written_is_said(made: Made, write: Write) -> None:
    path = made()
    with pytest.raises(FlatfieldError, match=r"cannot be made in .*; make room or set FLATFIELD_CACHE"):
        read_task(path, 3, cache=write("file", "x"), access=everything())


def test_what_lies_beside_is_limited(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generating, "LIMIT_BYTES", 100)
    (found,) = read(made())
    assert found.fix == "give the task a folder of its own"


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["C"]) | st.sampled_from(" \n:#-'\"{}[]"), max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS.filter(bool), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=50, deadline=None)
@given(JSON)
def test_every_value_is_read_back_as_it_was(value: object) -> None:
    text = '---\ngenerate: make.py::build\nkey: "{{value}}"\n---\nbody\n'
    found = Findings("x.md")
    matter = frontmatter.read(text, found)
    written = generating.filled(text, matter, {"value": value}, head="made", extra={})
    back = plain(frontmatter.read(written, found))
    assert not found.mistakes
    assert back == {"key": value}
