"""Agents that do no work: what they answer, and what they write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.agent.files.copying import plan_copy
from flatfield.records import SolutionStep, Task, VerifierSpec
from flatfield.runs import proof

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_an_echo_answers_with_the_prompt() -> None:
    assert proof.echoing(Task(id="t", title="T", prompt="Do.")).solution == (SolutionStep(answer="Do."),)


def test_a_copy_rewrites_every_text_and_answers_with_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_bytes(b"one\r\n")
    (tmp_path / "b.txt").write_text("replaced")
    (tmp_path / "c.bin").write_bytes(b"\xff")
    (tmp_path / "long.txt").write_text("x" * 50)
    monkeypatch.setattr(proof, "COPIED_BYTES", 20)
    task = Task(id="t", title="T", prompt="p", workspace=str(tmp_path), files={"b.txt": "two", "big.txt": "y" * 50})
    *steps, said = proof.copying(task, plan_copy(task, tmp_path)).solution
    assert [tuple(step.arguments.values()) for step in steps] == [("a.txt", "one\r\n"), ("b.txt", "two")]
    assert said.answer == "one\r\n\ntwo"


def test_a_copy_guesses_which_files_are_wanted(tmp_path: Path) -> None:
    (tmp_path / "there.txt").write_text("kept")
    wanted: list[dict[str, object]] = [
        {"path": "there.txt", "exists": True},
        {"path": "./new.txt", "matches": "x"},
        {"path": "out/", "exists": True},
        {"path": "gone", "absent": True},
        {"path": "never", "exists": False},
    ]
    verifiers = (
        VerifierSpec(kind="answer", options={"contains": "path"}),
        *(VerifierSpec(kind="file", options=options) for options in wanted),
    )
    task = Task(id="t", title="T", prompt="p", workspace=str(tmp_path), verifiers=verifiers)
    *steps, said = proof.copying(task, plan_copy(task, tmp_path)).solution
    assert [tuple(step.arguments.values()) for step in steps] == [
        ("there.txt", "kept"),
        ("new.txt", ""),
        ("out/empty", ""),
    ]
    assert said.answer == "kept"
