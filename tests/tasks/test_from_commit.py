"""A commit's message becomes a prompt, its tests are told from the rest, and how they are run is found out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from flatfield.tasks.from_commit import (
    CommitParts,
    Written,
    distribution,
    generated_version,
    is_of_tests,
    lop_text,
    own_modules,
    prompt_of,
    split,
    title_of,
    way_of,
)
from flatfield.tasks.git_objects import FILE, LINK, PROGRAM, SUBMODULE, Blob
from flatfield.tasks.lop import UNEDITED, check_prompt, read_task

if TYPE_CHECKING:
    from pathlib import Path

    from flatfield.tasks.from_commit import Tree


@pytest.mark.parametrize(
    ("message", "prompt"),
    [
        ("Fix the crash (#12)\n", "Fix the crash"),
        ("Fix the crash\n\nSigned-off-by: A <a@b>\nCo-authored-by: B <b@c>\n", "Fix the crash"),
        ("Fix the crash\n\nWhy it came, see gh-7.\n\nCloses #5, #6\n", "Fix the crash\n\nWhy it came."),
        ("Merge pull request #5 from a/b\n\nAdd `--wide`\n", "Add `--wide`"),
        ("Fixed #35688 -- Kept the time zone.\n", "Kept the time zone."),
        ("gh-123: Read UTF-8: all of it\n", "Read UTF-8: all of it"),
        ("SHOP-12: Read SHA-256 sums\n", "Read SHA-256 sums"),
        ("UTF-8: read it\n", "UTF-8: read it"),
        ("Do it\n\nhttps://github.com/a/b/issues/4\n(cherry picked from commit 1234567890)\n", "Do it"),
        ("Make it #fff\n", "Make it #fff"),
        ("Merge branch 'main'\n", ""),
        ("One\n\n\n\n\ntwo\r\n", "One\n\ntwo"),
    ],
)
def test_a_message_without_what_is_not_about_the_work(message: str, prompt: str) -> None:
    assert prompt_of(message) == prompt


@pytest.mark.parametrize(
    "message",
    [
        'Say "hi"',
        '"quoted"',
        'Title\n\n## Variables\n\nPROMPT: "x"\nNAME: "y"\n',
        "Title\n\n```\n## Agents\n```\nend",
        "Fence\n\n```\nnever closed",
        "---\nfront: matter\n---",
        "Emoji 😀 and \x85 and \u2028 \ufeff",
    ],
)
def test_a_lop_says_what_the_message_said(message: str, tmp_path: Path) -> None:
    prompt = prompt_of(message)
    written = Written(id="x", sha="1" * 40, prompt=prompt, command="python -m pytest -q", timeout_seconds=120)
    for folder in ("workspace", "hidden"):
        (tmp_path / folder).mkdir()
    (tmp_path / "hidden" / "test_a.py").write_text("")
    (tmp_path / "task.md").write_text(lop_text(written, CommitParts(removed=("a b", "-c")), {"l'ink": "-to"}))
    task = read_task(tmp_path / "task.md")
    assert task.prompt == prompt
    assert [step.arguments["command"] for step in task.solution if step.tool] == [
        "rm -f -- 'a b' -c",
        "ln -sfn -- -to 'l'\"'\"'ink'",
    ]
    assert any(UNEDITED in text for text in check_prompt(task))


def test_an_edited_lop_is_not_pointed_out(tmp_path: Path) -> None:
    lop = '---\nfiles: {}\n---\n# T\n\n## Instructions\n\nDo it well.\n\n## Variables\n\nPROMPT: "x"\n'
    (tmp_path / "task.md").write_text(lop)
    assert check_prompt(read_task(tmp_path / "task.md")) == ()


def test_a_title_is_short() -> None:
    assert title_of("## Head\nmore", "1" * 40) == "Head"
    assert len(title_of("x" * 500, "1" * 40)) == 100
    assert title_of("", "1234567890") == "What commit 1234567 did"


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("tests/test_a.py", True),
        ("test_a.py", True),
        ("src/shop/tests/data/a.json", True),
        ("shop/tests.py", True),
        ("conftest.py", True),
        ("src/a.test.ts", True),
        ("src/__tests__/a.js", True),
        ("pkg/a_test.go", True),
        ("test.js", True),
        ("src/shop/testing.py", False),
        ("src/latest/a.py", False),
        ("contest/a.py", False),
        ("docs/tests.md", False),
        ("setup.py", False),
    ],
)
def test_tests_are_known_by_their_names(path: str, *, wanted: bool) -> None:
    assert is_of_tests(path) is wanted


def tree(*paths: str, **shas: str) -> Tree:
    return {path: Blob(path=path, mode=FILE, sha=shas.get(path, "0")) for path in paths}


def test_a_commit_is_split() -> None:
    before = tree("pkg/a.py", "pkg/gone.py", "tests/test_a.py", "tests/test_b.py", "tests/help.py", "conftest.py")
    after = {path: blob for path, blob in before.items() if path != "pkg/gone.py"}
    after |= {path: Blob(path=path, mode=FILE, sha="1") for path in ("pkg/a.py", "tests/test_a.py", "tests/data/x.bin")}
    after["pkg/run"] = Blob(path="pkg/run", mode=PROGRAM, sha="1")
    after["pkg/link"] = Blob(path="pkg/link", mode=LINK, sha="1")
    parts = split(before, after)
    assert parts.runs == ("tests/test_a.py",)
    assert [blob.path for blob in parts.hidden] == [
        "conftest.py",
        "tests/data/x.bin",
        "tests/help.py",
        "tests/test_a.py",
    ]
    assert [blob.path for blob in parts.writes] == ["pkg/a.py", "pkg/run"]
    assert [blob.path for blob in parts.links] == ["pkg/link"]
    assert parts.removed == ("pkg/gone.py", "pkg/link")
    assert [blob.path for blob in parts.marks] == ["pkg/run"]
    assert parts.is_work


def test_data_of_tests_runs_the_tests_round_about() -> None:
    before = tree("a.py", "tests/test_a.py", "tests/cases.yaml", "other/tests/test_o.py")
    after = before | {path: Blob(path=path, mode=FILE, sha="1") for path in ("a.py", "tests/cases.yaml")}
    assert split(before, after).runs == ("tests/test_a.py",)


def test_a_moved_submodule_is_seen() -> None:
    before = tree("a.py") | {"dep": Blob(path="dep", mode=SUBMODULE, sha="0")}
    assert split(before, before | {"dep": Blob(path="dep", mode=SUBMODULE, sha="1")}).submodules == ("dep",)


def way(changed: str, texts: dict[str, str], *others: str) -> str:
    before = tree(*texts, *others)
    after = before | {changed: Blob(path=changed, mode=FILE, sha="1")}
    found = way_of(split(before, after), before, texts.get)
    return found.command if found else ""


def test_how_python_is_tested() -> None:
    assert way("tests/test_a.py", {}, "pkg/__init__.py") == "python -m pytest -q tests/test_a.py"
    src = way("tests/test_a b.py", {"pyproject.toml": ""}, "src/pkg/__init__.py")
    assert src == "PYTHONPATH=$PYTHONPATH:src python -m pytest -q 'tests/test_a b.py'"
    inner = way("libs/x/tests/test_a.py", {"libs/x/setup.py": ""}, "libs/x/src/x.py", "src/other.py")
    assert inner == "PYTHONPATH=$PYTHONPATH:libs/x/src:libs/x python -m pytest -q libs/x/tests/test_a.py"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "pyproject.toml",
            '[tool.pytest.ini_options]\naddopts = "-ra --import-mode=importlib -p plug -p no:cacheprovider"\n',
        ),
        ("pyproject.toml", '[tool.pytest.ini_options]\naddopts = ["--import-mode=importlib", "--cov=x", "-p plug"]\n'),
        ("pytest.ini", "[pytest]\naddopts = -n auto\n  --import-mode=importlib -p plug\n"),
        ("setup.cfg", "[tool:pytest]\naddopts = --import-mode=importlib -p plug\n"),
    ],
)
def test_options_that_tests_need_are_kept(name: str, text: str) -> None:
    assert way("tests/test_a.py", {name: text}) == "python -m pytest -q --import-mode=importlib -p plug tests/test_a.py"


@pytest.mark.parametrize(
    ("changed", "texts", "command"),
    [
        ("test/a.js", {"package.json": '{"scripts": {"test": "node --test"}}'}, "node --test test/a.js"),
        ("test/a.mjs", {"test/a.mjs": "import test from 'node:test'"}, "node --test test/a.mjs"),
        (
            "test.js",
            {"package.json": '{"scripts": {"test": "xo && ava"}}'},
            'PATH="$PWD/node_modules/.bin:$PATH" ava test.js',
        ),
        (
            "a.spec.ts",
            {"package.json": '{"scripts": {"test": "vitest"}}'},
            'PATH="$PWD/node_modules/.bin:$PATH" vitest run a.spec.ts',
        ),
        ("test/a.js", {"package.json": "{broken"}, ""),
        ("pkg/a_test.go", {}, "go test ./pkg"),
        ("a_test.go", {}, "go test ."),
        ("tests/cli.rs", {}, "cargo test --offline --test cli"),
    ],
)
def test_how_others_are_tested(changed: str, texts: dict[str, str], command: str) -> None:
    assert way(changed, texts) == command


def test_what_a_project_says_of_itself() -> None:
    table = '[project]\nname = "shop"\nversion = "2"\n[project.entry-points.pytest11]\nshop = "shop.plug"\n'
    found = distribution({"pyproject.toml": table}.get)
    assert (found.name, found.version, found.points) == ("shop", "2", {"pytest11": {"shop": "shop.plug"}})
    assert distribution({"setup.cfg": "[metadata]\nname = shop\nversion = attr: shop.x\n"}.get).version == "0"
    assert distribution({"pyproject.toml": "broken ["}.get).name == ""
    there = tree("src/shop/a.py", "lone.py", "tests/x/test_a.py", "docs/a.md")
    assert own_modules(there) == {"shop", "lone", "tests"}


def test_a_version_that_the_build_writes() -> None:
    there = tree("src/shop/a.py")
    made = generated_version({"pyproject.toml": '[tool.x]\nversion-file = "src/shop/_v.py"\n'}.get, there)
    assert made is not None
    assert made[0] == "src/shop/_v.py"
    space: dict[str, object] = {}
    exec(made[1], space)
    assert space["__version__"] == "0"
    for text in ('version_file = "../_v.py"', 'version_file = "/_v.py"', 'version_file = "else/_v.py"', ""):
        assert generated_version({"pyproject.toml": text}.get, there) is None


def test_many_paths_are_several_commands(tmp_path: Path) -> None:
    removed = tuple(f"folder/{'x' * 200}{number}" for number in range(600))
    written = Written(id="x", sha="1" * 40, prompt="p", command="true", timeout_seconds=120)
    text = lop_text(written, CommitParts(removed=removed), {})
    commands = re.findall(r'command: "(rm .*?)"}', text)
    assert len(commands) == 3
    assert all(len(command) < 60_000 for command in commands)
    assert sum(command.count("folder/") for command in commands) == 600
