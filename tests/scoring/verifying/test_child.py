from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from flatfield.scoring.verifying import child
from flatfield.scoring.verifying.child import run_child


async def test_input_goes_in_and_both_outputs_come_out(tmp_path: Path) -> None:
    code = (
        "import os, sys; sys.stdout.write(sys.stdin.read().upper() + os.getcwd()); sys.stderr.write('e'); sys.exit(3)"
    )
    result = await run_child([sys.executable, "-c", code], b"abc", timeout_seconds=60, folder=tmp_path)
    assert (result.exit_code, result.printed, result.complained) == (3, f"ABC{tmp_path}", "e")


async def test_a_flood_is_kept_up_to_the_limit_and_unread_input_is_no_error() -> None:
    code = "import sys; sys.stdout.write('x' * 3_000_000)"
    result = await run_child([sys.executable, "-c", code], b"y" * 3_000_000, timeout_seconds=60)
    assert result.exit_code == 0
    assert result.printed.count("x") == child.OUTPUT_LIMIT_BYTES


async def test_what_a_process_leaves_behind_is_gone_with_it() -> None:
    code = "import subprocess; print(subprocess.Popen(['sleep', '600']).pid)"
    result = await run_child([sys.executable, "-c", code], b"", timeout_seconds=60)
    assert result.exit_code == 0
    while _alive(int(result.printed)):  # noqa: ASYNC110 - killed, and gone when the kernel comes to it
        await asyncio.sleep(0.01)


async def test_a_descendant_in_a_session_of_its_own_is_gone_too_and_does_not_hold_the_caller() -> None:
    code = "import subprocess; print(subprocess.Popen(['sleep', '600'], start_new_session=True).pid)"
    result = await run_child([sys.executable, "-c", code], b"x" * 1_000_000, timeout_seconds=60)
    assert result.exit_code == 0
    assert not _alive(int(result.printed))


async def test_a_process_is_ended_when_its_time_is_over() -> None:
    result = await run_child(["sleep", "600"], b"", timeout_seconds=0.05)
    assert result.exit_code is None


async def test_cancelling_ends_the_process(tmp_path: Path) -> None:
    code = "import os, sys, time; open('pid', 'w').write(str(os.getpid())); os.rename('pid', 'done'); time.sleep(600)"
    task = asyncio.create_task(run_child([sys.executable, "-c", code], b"", timeout_seconds=60, folder=tmp_path))
    while not (tmp_path / "done").exists():  # noqa: ASYNC110 - another process sets it
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not _alive(int((tmp_path / "done").read_text()))


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
