"""The guard's own judgement: whose limit is reached, the command's or the host's."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from flatfield.machine.protocols import SandboxLimits
from flatfield.machine.sandbox import processes
from flatfield.machine.sandbox.processes import Exceeded, Guard
from flatfield.machine.sandbox.unsafe import UnsafeSandbox

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_disk_that_is_nearly_full_is_the_hosts_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "reserve_bytes", lambda _disk: 1 << 62)
    monkeypatch.setattr(processes, "WALK_BYTES", -(1 << 62))
    result = await UnsafeSandbox(os.environ).run("sleep 30", tmp_path, SandboxLimits(wall_seconds=20))
    assert (result.exit_code, result.timed_out, result.host_short) == (None, False, True)
    assert result.stopped == "the disk that the workspace lies on is nearly full"


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (SandboxLimits(memory_bytes=1), "its processes used more than 0 MB of memory together"),
        (SandboxLimits(workspace_files=2, memory_bytes=1 << 50), "the workspace holds more than 2 files and folders"),
        (SandboxLimits(workspace_bytes=1, memory_bytes=1 << 50), "the workspace holds more than 0 MB"),
    ],
)
async def test_its_own_limits_are_the_commands_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limits: SandboxLimits, reason: str
) -> None:
    for name in "abc":
        (tmp_path / name).write_text("x" * 5000)
    monkeypatch.setattr(processes, "WALK_SECONDS", 0)
    assert await Guard(tmp_path, limits, private_tmp=False).exceeded(os.getpid()) == Exceeded(reason=reason)
