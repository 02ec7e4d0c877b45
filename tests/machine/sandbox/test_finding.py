"""What sandboxed commands can do, what they cannot, and what happens where there is no sandbox."""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import shutil
import socket
import tempfile
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flatfield.errors import NotReady
from flatfield.machine.protocols import CommandResult, Sandbox, SandboxLimits
from flatfield.machine.sandbox import finding
from flatfield.machine.sandbox.bubblewrap import Bubblewrap
from flatfield.machine.sandbox.finding import examine, find_sandbox
from flatfield.machine.sandbox.unsafe import UnsafeSandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flatfield.testing.clocks import IdleTime

pytestmark = pytest.mark.whole

needs_bwrap = pytest.mark.needs("bwrap")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root lends files to another user")


@pytest.fixture
def work() -> Iterator[Path]:
    """A workspace that the sandbox's user can reach: pytest's own folders are closed to others."""
    with tempfile.TemporaryDirectory(prefix="work-") as name:
        Path(name).chmod(0o755)
        workspace = Path(name) / "ws"
        workspace.mkdir()
        yield workspace


@pytest.fixture
def sandbox() -> Bubblewrap:
    found = find_sandbox(os.environ)
    assert isinstance(found, Bubblewrap)
    return found


async def _run(sandbox: Sandbox, command: str, work: Path, **limits: float) -> CommandResult:
    values = {"wall_seconds": 60.0, **limits}
    return await sandbox.run(command, work, SandboxLimits(**values))  # type: ignore[arg-type]


# ------------------------------------------------------------------------ bubblewrap: what works


@needs_bwrap
async def test_a_command_reads_and_writes_the_workspace(sandbox: Bubblewrap, work: Path) -> None:
    (work / "in.txt").write_text("given")
    result = await _run(sandbox, "pwd; cat in.txt; echo made > out.txt; echo oops >&2; exit 3", work)
    assert (result.exit_code, result.output, result.timed_out) == (3, "/workspace\ngivenoops\n", False)
    assert 0 < result.seconds < 60
    assert (work / "out.txt").read_text() == "made\n"


@needs_bwrap
async def test_python_and_pytest_are_there_under_all_their_names(sandbox: Bubblewrap, work: Path) -> None:
    (work / "test_it.py").write_text("def test_it():\n    assert 1 + 1 == 2\n")
    command = "python -c 'print(1)' && python3 -c 'print(2)' && python -m pytest -q && pytest -q test_it.py"
    result = await _run(sandbox, command, work)
    assert result.exit_code == 0, result.output
    assert result.output.startswith("1\n2\n")
    assert result.output.count("1 passed") == 2


# ------------------------------------------------------------------------ bubblewrap: what does not


@needs_bwrap
async def test_the_hosts_files_are_not_there(sandbox: Bubblewrap, work: Path) -> None:
    secret = work.parent / "secret"
    secret.write_text("s3cret")
    command = f"cat {secret} /etc/shadow {Path(__file__)}; ls /root /home /var; ls -A / | tr '\\n' ' '"
    result = await _run(sandbox, command, work)
    assert "s3cret" not in result.output
    assert result.output.count("No such file or directory") == 6
    assert set(result.output.splitlines()[-1].split()) >= {"usr", "tmp", "workspace", "proc", "dev"}


@needs_bwrap
async def test_links_of_the_workspace_do_not_lead_out(sandbox: Bubblewrap, work: Path) -> None:
    outside = work.parent / "outside"
    outside.write_text("mine")
    (work / "link").symlink_to(outside)
    result = await _run(sandbox, "cat link; echo yours > link", work)
    assert result.exit_code != 0
    assert outside.read_text() == "mine"


@needs_bwrap
async def test_the_environment_is_clean(sandbox: Bubblewrap, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "s3cret")
    result = await _run(sandbox, "env; cat /proc/*/environ | tr '\\0' '\\n'", work)
    assert "HOME=/workspace" in result.output
    assert "SOME_API_KEY" not in result.output
    assert "flatfield" not in result.output


@needs_bwrap
async def test_there_is_no_network_not_even_the_hosts_loopback(sandbox: Bubblewrap, work: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        (work / "go.py").write_text(
            "import socket, sys\n"
            "for address in ('127.0.0.1', '192.0.2.1'):\n"
            "    link = socket.socket()\n"
            "    link.settimeout(5)\n"
            f"    print(link.connect_ex((address, {port})))\n"
        )
        result = await _run(sandbox, "python go.py; cat /proc/net/dev | tail -n +3 | cut -d: -f1", work)
    refused, unreachable, *interfaces = result.output.split()
    assert int(refused) > 0
    assert int(unreachable) > 0
    assert interfaces == ["lo"]


@needs_bwrap
@pytest.mark.parametrize("place", ["/x", "/usr/x", "/etc/x", "/dev/x", "/opt/tools/x", "/proc/sys/kernel/hostname"])
async def test_nothing_else_can_be_written(sandbox: Bubblewrap, work: Path, place: str) -> None:
    assert (await _run(sandbox, f"echo x > {place}", work)).exit_code != 0


@needs_bwrap
async def test_scratch_folders_are_private_and_empty_each_time(sandbox: Bubblewrap, work: Path) -> None:
    for _ in range(2):
        result = await _run(sandbox, "ls -A /tmp /dev/shm; echo x > /tmp/left; echo x > /dev/shm/left", work)
        assert (result.exit_code, result.output) == (0, "/dev/shm:\n\n/tmp:\n")


@needs_bwrap
@pytest.mark.parametrize(
    ("script", "sign"),
    [
        ("import os\nfor _ in range(100):\n    if os.fork() == 0: os.read(os.pipe()[0], 1)", "BlockingIOError"),
        ("bytearray(400_000_000)", "MemoryError"),
        ("import signal; signal.signal(25, signal.SIG_IGN); open('f', 'wb').truncate(2_000_000)", "File too large"),
        ("while True: pass", ""),
    ],
    ids=["processes", "memory", "file size", "cpu"],
)
async def test_limits_hold(sandbox: Bubblewrap, work: Path, script: str, sign: str) -> None:
    (work / "go.py").write_text(script)
    limits = SandboxLimits(cpu_seconds=1, processes=20, memory_bytes=300_000_000, file_bytes=1_000_000)
    result = await sandbox.run("python go.py", work, limits)
    assert result.exit_code not in (0, None)
    assert sign in result.output


@needs_bwrap
async def test_a_flood_of_output_is_cut_in_the_middle(sandbox: Bubblewrap, work: Path) -> None:
    command = "echo first; head -c 30000000 /dev/zero | tr '\\0' x; echo; echo last"
    result = await _run(sandbox, command, work, output_bytes=2000)
    assert result.exit_code == 0
    assert result.output.startswith("first\nxxx")
    assert result.output.endswith("xxx\nlast\n")
    assert "bytes of output are left out here" in result.output
    assert len(result.output) < 2100


# ------------------------------------------------------------------------ bubblewrap: the whole tree ends


SURVIVORS = "exec 9>lock; flock 9; sleep 600 & setsid sleep 600 >/dev/null 2>&1 & (sleep 600 &)"


def _all_gone(work: Path) -> bool:
    """Whether no process holds the lock any more that each one inherited."""
    with (work / "lock").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


@needs_bwrap
async def test_background_processes_end_with_their_command(sandbox: Bubblewrap, work: Path) -> None:
    result = await _run(sandbox, f"{SURVIVORS}; echo done", work)
    assert (result.exit_code, result.output) == (0, "done\n")
    assert _all_gone(work)


@needs_bwrap
async def test_all_processes_end_when_time_is_over(sandbox: Bubblewrap, work: Path, idle_time: IdleTime) -> None:
    idle_time.only(1.5, once=(work / "said").exists)
    result = await _run(sandbox, f"{SURVIVORS}; echo until then; echo > said; sleep 600", work, wall_seconds=1.0)
    assert (result.exit_code, result.timed_out, result.output) == (None, True, "until then\n")
    assert 1.0 <= result.seconds < 1.5
    assert _all_gone(work)


@needs_bwrap
async def test_all_processes_end_with_cancellation(sandbox: Bubblewrap, work: Path) -> None:
    os.mkfifo(work / "fifo")
    task = asyncio.create_task(_run(sandbox, f"{SURVIVORS}; echo up > fifo; sleep 600", work))
    assert await asyncio.to_thread((work / "fifo").read_text) == "up\n"
    assert not _all_gone(work)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert _all_gone(work)


# ------------------------------------------------------------------------ bubblewrap: owners and ways in


@as_root
@needs_bwrap
async def test_roots_files_are_lent_and_given_back(sandbox: Bubblewrap, work: Path) -> None:
    kept, gone = work / "kept", work / "gone"
    kept.write_text("1\n")
    gone.write_text("x")
    outside, twice = work.parent / "outside", work.parent / "twice"
    outside.write_text("o")
    (work / "link").symlink_to(outside)
    twice.write_text("t")
    (work / "hard").hardlink_to(twice)
    os.chown(outside, 12345, 12345)
    result = await _run(sandbox, "stat -c %u kept; echo 2 >> kept; rm gone; mkdir d; echo > d/new; echo >> hard", work)
    assert result.output.startswith("1000\n")
    assert kept.read_text() == "1\n2\n"
    assert not gone.exists()
    assert twice.read_text() == "t"
    owners = {path.name: path.lstat().st_uid for path in (kept, work, work / "d", work / "d/new", outside, twice)}
    assert owners == {"kept": 0, "ws": 0, "d": 0, "new": 0, "outside": 12345, "twice": 0}


@as_root
@needs_bwrap
async def test_a_workspace_below_a_closed_folder_is_refused_with_the_fix(sandbox: Bubblewrap, work: Path) -> None:
    work.parent.chmod(0o700)
    with pytest.raises(NotReady, match=f"may not pass {work.parent} on the way.*chmod o\\+x"):
        await _run(sandbox, "true", work)


@needs_bwrap
async def test_a_command_cannot_lock_later_commands_out(sandbox: Bubblewrap, work: Path) -> None:
    assert (await _run(sandbox, "chmod 0 .", work)).exit_code == 0
    assert (await _run(sandbox, "echo again", work)).output == "again\n"


@needs_bwrap
async def test_deep_folders_do_no_harm(sandbox: Bubblewrap, work: Path) -> None:
    (work / "go.py").write_text("import os\nfor _ in range(1100):\n    os.mkdir('d'); os.chdir('d')\n")
    assert (await _run(sandbox, "python go.py", work)).exit_code == 0
    assert (await _run(sandbox, "echo again; rm -r d", work)).output == "again\n"


@needs_bwrap
async def test_what_keeps_it_from_starting_is_not_the_commands_exit_code(sandbox: Bubblewrap, work: Path) -> None:
    with pytest.raises(NotReady, match="cannot be given"):
        await _run(sandbox, "true", work / "absent")
    broken = replace(sandbox, python=replace(sandbox.python, tools=Path("/no/tools")))
    with pytest.raises(NotReady, match=r"could not start: .*/no/tools"):
        await _run(broken, "true", work)


# ------------------------------------------------------------------------ the self-test


class Leaky(Bubblewrap):
    """A sandbox with a hole."""

    __slots__ = ("hole",)
    hole: Callable[[tuple[str, ...]], tuple[str, ...]]

    def argv(
        self, command: str, workspace: Path, limits: SandboxLimits, status: int, rules: int | None
    ) -> tuple[str, ...]:
        return self.hole(Bubblewrap.argv(self, command, workspace, limits, status, rules))


def _without(*names: str) -> Callable[[tuple[str, ...]], tuple[str, ...]]:
    return lambda argv: tuple(part for part in argv if not part.startswith(names))


def _with(*more: str) -> Callable[[tuple[str, ...]], tuple[str, ...]]:
    return lambda argv: (*argv[: argv.index("--chdir")], *more, *argv[argv.index("--chdir") :])


@needs_bwrap
def test_a_tight_sandbox_passes(sandbox: Bubblewrap) -> None:
    assert examine(sandbox) == ()


@needs_bwrap
@pytest.mark.parametrize(
    ("hole", "problem"),
    [
        (_without("--unshare-net"), r"network is reachable \(127"),
        (_without("--nproc", "--as", "--fsize"), "number of processes is not limited"),
        (_without("--disable-userns"), "user namespaces"),
        (_with("--bind", tempfile.gettempdir(), tempfile.gettempdir()), "secret of the host is visible"),
        (_with("--bind", "/etc", "/etc"), "/etc/shadow of the host"),
        (_with("--setenv", "SOME_API_KEY", "x"), r"environment is visible \(SOME_API_KEY\)"),
        (_with("--tmpfs", "/opt"), "fails|ended early"),
    ],
    ids=["network", "limits", "userns", "files", "etc", "environment", "pytest"],
)
def test_each_hole_is_found(
    sandbox: Bubblewrap, hole: Callable[[tuple[str, ...]], tuple[str, ...]], problem: str
) -> None:
    leaky = Leaky(**{each.name: getattr(sandbox, each.name) for each in fields(sandbox)})
    object.__setattr__(leaky, "hole", hole)
    found = "; ".join(examine(leaky))
    assert re.search(problem, found), found


@needs_bwrap
def test_the_self_test_runs_once_in_a_process(sandbox: Bubblewrap, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flatfield.machine.sandbox.finding.examine", lambda _: ("a hole",))
    assert find_sandbox(os.environ) is sandbox


# ------------------------------------------------------------------------ not ready


def test_missing_parts_are_named_with_the_fix(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match=r"needs bwrap and prlimit.*apt-get install bubblewrap util-linux"):
        find_sandbox({"PATH": str(tmp_path), "HOME": str(tmp_path)})


@pytest.mark.parametrize(
    ("message", "fix"),
    [
        ("bwrap: No permissions to create new namespace", "allow unprivileged user namespaces"),
        ("bwrap: Unknown option --disable-userns", "bubblewrap 0.8 or newer"),
        ("bwrap: something else", "bwrap --unshare-all"),
    ],
)
def test_a_bubblewrap_that_cannot_start_is_explained(work: Path, message: str, fix: str) -> None:
    fake = work / "bwrap"
    fake.write_text(f"#!/bin/sh\necho '{message}' >&2\nexit 1\n")
    fake.chmod(0o755)
    for name in ("prlimit", "setpriv"):  # and neither Podman nor Docker, which would be tried next
        (work / name).symlink_to(str(shutil.which(name)))
    for _ in range(2):
        with pytest.raises(NotReady) as caught:
            find_sandbox({**os.environ, "PATH": str(work)})
        assert message in str(caught.value)
        assert fix in str(caught.value)


def test_a_sandbox_with_holes_is_not_ready(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flatfield.machine.sandbox.finding.examine", lambda _: ("the network is reachable",))
    monkeypatch.setattr("flatfield.machine.sandbox.finding._assemble", lambda *_: object())
    with pytest.raises(NotReady, match="does not shut commands off: the network is reachable"):
        find_sandbox({"PATH": str(work)})


def test_one_that_is_not_proved_in_time_says_so_and_no_other_kind_is_blamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[object] = []

    def too_slow(name: object) -> tuple[str, ...]:
        tried.append(name)
        raise finding._Overtime("the sandbox's test did not end within 60 seconds")

    monkeypatch.setattr(finding, "examine", too_slow)
    monkeypatch.setattr(finding, "_assemble", lambda name, _: name)
    with pytest.raises(NotReady, match=r"^the sandbox's test did not end within 60 seconds$"):
        find_sandbox({"HOME": str(tmp_path)})
    assert len(tried) == 1


def test_other_systems_have_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(NotReady, match="on Linux alone"):
        find_sandbox({"PATH": str(tmp_path / "darwin")})


# ------------------------------------------------------------------------ unsafe


async def test_unsafe_commands_get_a_clean_environment_and_pytest(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "s3cret")
    unsafe = UnsafeSandbox(os.environ)
    result = await _run(unsafe, "env; pwd; python -m pytest --version; exit 4", work)
    assert result.exit_code == 4
    assert f"HOME={work}\n" in result.output
    assert "\npytest " in result.output
    assert "SOME_API_KEY" not in result.output
    assert unsafe.user is None


async def test_unsafe_commands_end_in_time_with_their_group(work: Path, idle_time: IdleTime) -> None:
    idle_time.only(1.5, once=(work / "said").exists)
    command = "exec 9>lock; flock 9; sleep 600 & echo x; echo > said; sleep 600"
    result = await _run(UnsafeSandbox(os.environ), command, work, wall_seconds=1.0)
    assert (result.exit_code, result.timed_out, result.output) == (None, True, "x\n")
    assert _all_gone(work)


@pytest.mark.skipif(not shutil.which("prlimit"), reason="limits need prlimit (Debian: apt-get install util-linux)")
async def test_unsafe_commands_have_limits(work: Path) -> None:
    result = await _run(UnsafeSandbox(os.environ), "head -c 2000000 /dev/zero > f", work, file_bytes=1_000_000)
    assert result.exit_code not in (0, None)
    assert (work / "f").stat().st_size == 1_000_000


async def test_unsafe_commands_work_without_prlimit(work: Path) -> None:
    assert (await _run(UnsafeSandbox({"PATH": "/nonexistent"}), "echo x", work)).output == "x\n"
