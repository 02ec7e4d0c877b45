"""`verify:` items, checked by the verifiers themselves."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import msgspec
import pytest

from flatfield import plugins
from flatfield.tasks.lop import read_task

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Write = Callable[[str, str], Path]

    from flatfield.records import Mistake

    Mistakes = Callable[..., list[Mistake]]


class Options(msgspec.Struct, forbid_unknown_fields=True):
    size: int
    mode: str = "fast"


def _check(options: Options, folder: Path) -> str | None:
    return None if options.size < 100 else f"size {options.size} is too much for {folder.name}; take less"


@pytest.fixture
def third_party(monkeypatch: pytest.MonkeyPatch) -> None:
    """A verifier without `parse`, and one whose library is missing."""

    def load(kind: str, name: str) -> object:
        if name == "broken":
            raise ModuleNotFoundError("No module named 'numbers_of_the_beast'")
        return SimpleNamespace(Options=Options, check_options=_check, create=lambda options: options)

    monkeypatch.setattr(plugins, "names", lambda kind: ("broken", "gauge") if kind == "verifier" else ("read_file",))
    monkeypatch.setattr(plugins, "load", load)


def test_our_verifiers_in_all_their_forms(lop: Callable[..., Path], write: Write) -> None:
    write("checks.py", "def verify(trial, files):\n    return 1, 'ok'\n")
    write("tests/test_a.py", "def test_a(): pass\n")
    task = read_task(
        lop(
            "verify:\n  - answer: {contains: x, json: {a: [1, yes]}}\n    weight: 2\n    skill: code\n"
            "  - file: {path: out.json, exists: true}\n  - command: {run: 'python -m pytest -q', hidden: tests/}\n"
            "  - python: checks.py::verify\n  - rubric: [is it short, is it right]"
        )
    )
    assert [(spec.kind, spec.line) for spec in task.verifiers] == [
        ("answer", 3),
        ("file", 6),
        ("command", 7),
        ("python", 8),
        ("rubric", 9),
    ]
    assert task.verifiers[0].options == {"contains": "x", "json": {"a": [1, "yes"]}}
    assert (task.verifiers[0].weight, task.verifiers[0].skill) == (2.0, "code")
    assert [spec.options for spec in task.verifiers[3:]] == [
        {"value": "checks.py::verify"},
        {"value": ["is it short", "is it right"]},
    ]


@pytest.mark.parametrize(
    ("item", "line", "problem", "fix"),
    [
        ("- anwser: {contains: x}", 3, "no verifier `anwser`", "`answer`"),
        ("- answer: {contain: x}", 3, "`answer` has no option `contain`", "`contains`"),
        (
            "- answer:\n      contains: x\n      equals: [1]",
            5,
            "`equals` of `answer` is a list",
            "write text (in quotes)",
        ),
        ("- command: {run: ls, timeout_seconds: '9'}", 3, "`timeout_seconds` of `command` is '9'", "write a number"),
        ("- command: {run: ls, hidden: 5}", 3, "`hidden` of `command` is 5", "write text (in quotes)"),
        ("- file: {path: a, exists: 1}", 3, "`exists` of `file` is 1", "write true or false"),
        ("- answer: x", 3, "`answer`", ""),
        ("- answer: {}", 3, "`answer`", ""),
        ("- answer", 3, "without a verifier", "one of: answer"),
        ("- {weight: 2}", 3, "without a verifier", "one of: answer"),
        ("- answer: {contains: x}\n    weight: 0", 4, "`weight` is 0", "above 0"),
        ("- answer: {contains: x}\n    wieght: 2", 4, "no verifier `wieght`", "`weight`"),
        ("- answer: {contains: x}\n    file: {path: a}", 4, "`answer` and `file` stand in one item", "`- `"),
        ("- python: checks.py::nothing", 3, "checks.py", ""),
        ("- python: [x]", 3, "`python`", ""),
        ("- command: {run: ls, hidden: nowhere/}", 3, "nowhere", ""),
        ("- rubric: []", 3, "`rubric`", ""),
    ],
)
def test_mistakes_stand_at_their_lines(
    lop: Callable[..., Path], mistakes: Mistakes, item: str, line: int, problem: str, fix: str
) -> None:
    found = mistakes(read_task, lop(f"verify:\n  {item}"))
    assert [(m.line, problem in m.problem, fix in m.fix) for m in found] == [(line, True, True)], found


@pytest.mark.usefixtures("third_party")
def test_a_verifier_without_parse_is_checked_field_by_field(lop: Callable[..., Path], mistakes: Mistakes) -> None:
    assert read_task(lop("verify: [{gauge: {size: 3}}]")).verifiers[0].options == {"size": 3}
    found = mistakes(read_task, lop("verify:\n  - gauge:\n      sise: 3\n      mode: 5"))
    assert [(m.line, m.problem) for m in found] == [
        (4, "`gauge` has no option `sise`"),
        (4, "`gauge` needs `size`"),
        (5, "`mode` of `gauge` is 5"),
    ]
    assert found[-1].fix == "write text (in quotes)"
    found = mistakes(read_task, lop("verify:\n  - gauge: {size: 300}"))
    assert [(m.line, m.fix) for m in found] == [(3, "take less")]
    found = mistakes(read_task, lop("verify:\n  - gauge: 3"))
    assert [(m.line, m.fix) for m in found] == [(3, "its options are: size, mode")]


@pytest.mark.usefixtures("third_party")
def test_a_verifier_whose_library_is_missing_is_a_mistake_not_a_crash(
    lop: Callable[..., Path], mistakes: Mistakes
) -> None:
    found = mistakes(read_task, lop("verify:\n  - broken: 3"))
    assert [(m.line, m.fix) for m in found] == [(3, "install what it needs")]


class Loose(msgspec.Struct):
    """Says nothing of unknown fields."""

    size: int


@pytest.mark.parametrize(
    ("module", "item", "problem"),
    [
        ({"Options": Loose, "verify": len}, "gauge: {size: 1, sise: 2}", "`gauge` has no option `sise`"),
        ({"Options": Loose, "verify": len}, "gauge: 3", "`gauge`: it takes a map"),
        ({"verify": len}, "gauge: {size: 1}", "has no `Options`"),
        ({"Options": dict, "verify": len}, "gauge: {size: 1}", "has no `Options`"),
        ({"Options": Loose}, "gauge: {size: 1}", "neither `verify(trial, files, options)` nor `create(options)`"),
    ],
)
def test_what_a_simple_verifier_does_not_say_is_asked_for(
    lop: Callable[..., Path],
    mistakes: Mistakes,
    monkeypatch: pytest.MonkeyPatch,
    module: dict[str, object],
    item: str,
    problem: str,
) -> None:
    monkeypatch.setattr(plugins, "names", lambda kind: ("gauge",) if kind == "verifier" else ("read_file",))
    monkeypatch.setattr(plugins, "load", lambda *_: SimpleNamespace(**module))
    (found,) = mistakes(read_task, lop(f"verify:\n  - {item}"))
    assert (found.line, problem in found.problem) == (3, True), found
