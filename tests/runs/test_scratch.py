"""What a killed run left is cleared away; what a living one works in is not, nor what is somebody else's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flatfield.machine.sandbox.container import owner_prefix
from flatfield.runs.scratch import scratch_folder, sweep

pytestmark = pytest.mark.whole

HOLD = (
    "import sys\nfrom flatfield.runs.scratch import scratch_folder\n"
    "with scratch_folder() as folder:\n    (folder / 'work').mkdir()\n"
    "    print(folder, flush=True)\n    sys.stdin.read()\n"
)


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def test_a_killed_runs_folder_goes_with_the_next_run_and_a_living_ones_stays(tmp_path: Path) -> None:
    holding = [
        subprocess.Popen([sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    with holding[0] as killed, holding[1] as living:
        assert killed.stdout is not None
        assert living.stdout is not None
        left, kept = (Path(each.stdout.readline().strip()) for each in (killed, living) if each.stdout)
        killed.kill()
        killed.wait()
        assert (left / "work").is_dir()
        with scratch_folder() as ours:
            assert sorted(tmp_path.iterdir()) == sorted([kept, ours])
            assert ours.stat().st_mode & 0o777 == 0o711
            assert sweep() == ()
        assert (kept / "work").is_dir()
    assert list(tmp_path.iterdir()) == []


def test_containers_of_dead_runs_go_with_their_folders_and_nobody_asks_for_any_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    left = f"{owner_prefix()}{ended.pid}-5-aa"
    programs = tmp_path / "bin"
    programs.mkdir()
    docker = programs / "docker"
    docker.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >> {tmp_path}/asked\n[ "$1" != ps ] || echo {left}\n')
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    assert sweep() == ()
    assert not (tmp_path / "asked").exists()
    (tmp_path / "trials-dead").mkdir()
    (tmp_path / "trials-dead" / ".lock").touch()
    assert sweep() == (tmp_path / "trials-dead",)
    assert (tmp_path / "asked").read_text().splitlines()[1:] == [f"rm --force --volumes {left}"]


def test_folders_without_a_lock_and_links_and_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "trials-new").mkdir()
    (tmp_path / "trials-file").touch()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / ".lock").touch()
    (tmp_path / "trials-link").symlink_to(outside)
    (tmp_path / "trials-linked").mkdir()
    (tmp_path / "trials-linked" / ".lock").symlink_to(outside / ".lock")
    before = sorted(tmp_path.iterdir())
    assert sweep() == ()
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a folder of somebody else's")
def test_another_users_folder_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "trials-theirs"
    folder.mkdir()
    (folder / ".lock").touch()
    os.chown(folder, 60_999, -1)
    assert sweep() == ()
    assert folder.is_dir()
