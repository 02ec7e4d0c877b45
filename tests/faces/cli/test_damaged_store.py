"""Commands on a damaged store: exit code 2, one sentence, and nothing written over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    Cli = Callable[..., CompletedProcess[str]]

pytestmark = pytest.mark.whole

COMMANDS = (
    ["runs"], ["runs", "--json"], ["report"], ["report", "--format", "json"], ["pick"], ["show", "x/oracle/oslo/1"],
    ["eval", "oslo.md", "--agents", "oracle"], ["compare", "a", "b"], ["regrade"],
)  # fmt: skip


@pytest.mark.parametrize("data", [b"x", b"no database" * 100], ids=["one byte", "another file"])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_damaged_store_is_said(cli: Cli, project: Path, command: list[str], data: bytes) -> None:
    (project / ".flatfield").mkdir()
    (project / ".flatfield" / "store.db").write_bytes(data)
    ended = cli(*command)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "store.db is damaged (file is not a database): restore it from a copy, or move it away" in ended.stderr
    assert (project / ".flatfield" / "store.db").read_bytes() == data


def test_one_byte_in_a_store_with_runs_is_said(cli: Cli, project: Path) -> None:
    assert cli("eval", "oslo.md", "--agents", "oracle").returncode == 0
    (project / ".flatfield" / "store.db").write_bytes(b"x")
    assert cli("runs").returncode == 2


def test_no_store_is_no_damage(cli: Cli) -> None:
    ended = cli("runs")
    assert ended.returncode == 0
    assert "No runs are stored" in ended.stdout + ended.stderr
