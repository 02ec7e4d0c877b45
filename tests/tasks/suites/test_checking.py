"""What the engineering suite's checks share: numbers in right forms and no others, JSON that says one thing."""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import flatfield.tasks
from flatfield.agent.workspace import open_workspace
from flatfield.records import FileChange
from flatfield.scoring.verifying.reading import Files

SUITE = Path(flatfield.tasks.__file__).parent / "suites" / "engineering"


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`checks("NAME")`: the module of the suite, or of one of its tasks, by its path without .py."""
    monkeypatch.syspath_prepend(SUITE)

    def load(name: str) -> SimpleNamespace:
        made: dict[str, Any] = {"__file__": str(SUITE / f"{name}.py")}
        exec((SUITE / f"{name}.py").read_text("utf-8"), made)
        return SimpleNamespace(**made)

    yield load
    sys.modules.pop("checking", None)


@pytest.mark.parametrize(
    ("value", "right"),
    [
        *[(value, 1234) for value in (1234, 1234.0, "1234", "1,234", " 1234.00 ", "01234")],
        *[(value, -12) for value in (-12, "-12")],
        *[
            (value, None)
            for value in (True, None, "", "nan", "sNaN", "inf", "1_234", "+12", "1e3", "12,34", "1 234", "0x1")
        ],
        *[(value, None) for value in ("\u0661\u0662", "\uff11", "12 or 13", "not 12", "12.", ".5", [12])],
    ],
)
def test_numbers(value: object, right: int | None, checks: Any) -> None:
    assert checks("checking").number(value) == (None if right is None else Decimal(right))


@pytest.mark.parametrize(
    ("task", "function", "kinds", "score"),
    [
        ("migrate-config", "old_files_kept", {"settings.toml": "added", "convert.py": "added"}, 1.0),
        ("migrate-config", "old_files_kept", {"settings.toml": "added", "settings.ini": "deleted"}, 0.0),
        ("implement-spec", "only_the_module", {"p/lengths.py": "modified", "tests/test_mine.py": "added"}, 1.0),
        ("implement-spec", "only_the_module", {"p/lengths.py": "modified", "tests/test_stock.py": "deleted"}, 0.0),
        ("implement-spec", "only_the_module", {"p/lengths.py": "modified", "q/lengths.py": "added"}, 0.0),
    ],
)
def test_what_may_be_touched(
    task: str, function: str, kinds: dict[str, Any], score: float, checks: Any, tmp_path: Path
) -> None:
    (tmp_path / "settings.toml").write_text("")
    trial = SimpleNamespace(changes=[FileChange(path=path, kind=kind) for path, kind in kinds.items()])
    assert getattr(checks(f"{task}/checks"), function)(trial, Files(open_workspace(tmp_path).files))[0] == score
