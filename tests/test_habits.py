"""What contributors are told is so: commands, pins, workflows, hooks and versions agree with each other."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PINS = dict(
    line.split("==") for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if "==" in line
)


def plain(name: str) -> str:
    """A project's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def targets() -> set[str]:
    return set(re.findall(r"(?m)^([a-z-]+):", MAKEFILE))


def workflow(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / ".github/workflows" / name).read_text(encoding="utf-8"))
    return found


def runs(job: dict[str, Any]) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


@pytest.mark.parametrize(
    "wanted",
    [*PROJECT["dependencies"], *(each for group in PROJECT["optional-dependencies"].values() for each in group)],
)
def test_all_that_the_project_needs_is_pinned(wanted: str) -> None:
    name = re.split(r"[<>=!~ ;\[]", wanted)[0]
    assert plain(name) in map(plain, PINS)


def test_nothing_in_the_pins_names_a_host() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not line.startswith("#") and not re.fullmatch(r"[\w.-]+==[\w.+!]+", line)] == []


def test_continuous_integration_runs_one_command_everywhere() -> None:
    assert (ROOT / ".ci/run").read_text(encoding="utf-8").strip().endswith("exec make test")
    job = workflow("test.yml")["jobs"]["test"]
    assert runs(job)[-1] == ".ci/run"
    matrix = job["strategy"]["matrix"]
    assert {each.split("-")[0] for each in matrix["os"]} == {"ubuntu", "macos"}
    said = [text.rpartition(" ")[2] for text in PROJECT["classifiers"] if "Python :: 3." in text]
    assert matrix["python"] == said
    assert PROJECT["requires-python"] == f">={said[0]}"


def test_workflows_and_hooks_run_commands_that_there_are() -> None:
    commands = workflow("weekly.yml")["jobs"]["weekly"]["strategy"]["matrix"]["command"]
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    assert [each["repo"] for each in hooks] == ["local"]
    commands += [hook["entry"] for each in hooks for hook in each["hooks"]]
    for command in commands:
        make, target, *_ = command.split()
        assert make == "make"
        assert target in targets()


def test_contributors_are_told_every_command_and_none_that_there_is_not() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    told = set(re.findall(r"`make ([a-z-]+)", text))
    assert told <= targets()
    assert {"format", "check", "test", "test-slow", "test-clients", "bench", "pins"} <= told


def test_contributors_are_told_of_tests_that_there_are() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    contract = (ROOT / "tests/vendors/test_contract.py").read_text(encoding="utf-8")
    named = re.findall(r"\btest_\w+(?!\.py|\w)", re.sub(r"[\w/]*test_\w+\.py", "", text))
    assert len(named) > 10
    assert [name for name in named if f"def {name}(" not in contract and name != "test_NAME"] == []


def test_the_changelog_begins_with_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    heads = re.findall(r"(?m)^## (\d+\.\d+\.\d+) \((not released|\d{4}-\d{2}-\d{2})\)$", text)
    assert len(heads) == len(re.findall(r"(?m)^## ", text))
    assert heads[0][0] == PROJECT["version"] == version("flatfield")
