"""What the scoring tests share: trials, and verify contexts over a real confined workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import pytest

from flatfield.agent.files.confined import ConfinedFiles
from flatfield.agent.workspace import snapshot
from flatfield.records import Task, TrialRecord
from flatfield.scoring.protocols import VerifyContext
from flatfield.tasks.access import everything
from flatfield.testing.trials import a_trial

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class MakeTrial(Protocol):
    def __call__(self, **fields: Any) -> TrialRecord: ...


class MakeContext(Protocol):
    def __call__(
        self, *, answer: str = "", before: dict[str, str] | None = None, task: Task | None = None
    ) -> VerifyContext: ...


@pytest.fixture
def make_trial() -> MakeTrial:
    plain = a_trial(run="20260101-000000-abcd")

    def make(**fields: Any) -> TrialRecord:
        return msgspec.structs.replace(plain, **fields)

    return make


@pytest.fixture
def make_context(tmp_path: Path, make_trial: MakeTrial) -> Iterator[MakeContext]:
    """A context over `tmp_path/work`; what a test writes there after the call is what the agent did."""
    opened: list[ConfinedFiles] = []

    def make(*, answer: str = "", before: dict[str, str] | None = None, task: Task | None = None) -> VerifyContext:
        root = tmp_path / "work"
        root.mkdir(exist_ok=True)
        for path, text in (before or {}).items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(text.encode())
        files = ConfinedFiles(root)
        opened.append(files)
        return VerifyContext(
            access=everything(),
            trial=make_trial(answer=answer),
            task=task or Task(id="t", title="T", prompt="do it"),
            files=files,
            root=root,
            before=snapshot(files),
        )

    yield make
    for files in opened:
        files.close()
