"""A run is carried out by one process at a time, and a dead one holds nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from flatfield.errors import NotReady, StoreError
from flatfield.runs.scratch import claimed

if TYPE_CHECKING:
    from pathlib import Path

HOLD = """
import sys
from pathlib import Path
from flatfield.runs.scratch import claimed
with claimed("r1", Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_told_who_holds_it_and_a_killed_one_holds_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with (
            pytest.raises(NotReady, match=f"run r1 is being carried out by process {other.pid}"),
            claimed("r1", tmp_path),
        ):
            pass
        with claimed("r2", tmp_path):
            pass
        other.kill()
        other.wait()
    with claimed("r1", tmp_path):
        pass


def test_it_lets_go_after_an_error(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(KeyError), claimed("r1", tmp_path):
            raise KeyError


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "claims").write_text("in the way")
    with pytest.raises(StoreError, match="cannot be written"), claimed("r1", tmp_path):
        pass
    assert os.listdir(tmp_path) == ["claims"]  # noqa: PTH208 - names only
