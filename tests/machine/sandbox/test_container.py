"""Podman and Docker where there is no bubblewrap: arguments, choice, cleaning up; and for real where one is there."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flatfield.children.starting import began
from flatfield.errors import NotReady
from flatfield.machine.protocols import Mount, SandboxLimits
from flatfield.machine.sandbox import container as module
from flatfield.machine.sandbox.bubblewrap import REFUSED
from flatfield.machine.sandbox.container import Container, abandoned, owner_prefix
from flatfield.machine.sandbox.finding import IMAGE, find_sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flatfield.testing.clocks import IdleTime

pytestmark = pytest.mark.whole

LIMITS = SandboxLimits()
DRIVER = """
import asyncio
from pathlib import Path
from flatfield.machine.protocols import SandboxLimits
from flatfield.machine.sandbox.container import Container
container = Container(program={fake!r}, image="i", environ={{"PATH": "/usr/bin:/bin"}}, user=None)
asyncio.run(container.run("true", Path({workspace!r}), SandboxLimits()))
"""


@pytest.fixture
def work() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="work-") as name:
        Path(name).chmod(0o755)
        workspace = Path(name) / "ws"
        workspace.mkdir()
        yield workspace


def _fake(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >> {folder}/asked\n{text}\n')
    path.chmod(0o755)
    return path


def _container(program: Path) -> Container:
    return Container(program=str(program), image="an/image:1", environ={"PATH": "/usr/bin:/bin"})


def test_parts_of_a_users_own_folder_are_kept_from_commands(tmp_path: Path) -> None:
    mounts = (
        Mount(path="a", how="pinned", is_folder=True),
        Mount(path="a/.git", how="read-only", is_folder=True),
        Mount(path=".env", how="hidden", is_folder=False),
        Mount(path=".ssh", how="hidden", is_folder=True),
    )
    argv = _container(tmp_path / "podman").with_mounts(mounts).argv("true", Path("/w"), LIMITS, 0, None)
    volumes = [argv[at + 1] for at, part in enumerate(argv) if part == "--volume"]
    assert volumes == [
        "/w:/workspace:z", "/w/a:/workspace/a", "/w/a/.git:/workspace/a/.git:ro", "/dev/null:/workspace/.env:ro",
    ]  # fmt: skip
    assert "--tmpfs=/workspace/.ssh:ro,size=4096" in argv
    with pytest.raises(NotReady, match="rename it"):
        _container(tmp_path / "podman").with_mounts((Mount(path="a:b/.git", how="read-only", is_folder=True),))


@pytest.mark.parametrize("name", ["podman", "docker"])
def test_a_container_is_shut_off_and_limited_as_bubblewrap_is(tmp_path: Path, name: str) -> None:
    argv = _container(tmp_path / name).argv("make it", Path("/w"), LIMITS, 0, None)
    assert {"--rm", "--pull=never", "--network=none", "--read-only", "--cap-drop=ALL"} <= set(argv)
    assert {"--security-opt=no-new-privileges", f"--pids-limit={LIMITS.processes}"} <= set(argv)
    assert {f"--memory={LIMITS.memory_bytes}", f"--memory-swap={LIMITS.memory_bytes}", "--ulimit=core=0:0"} <= set(argv)
    assert {f"--ulimit=cpu={LIMITS.cpu_seconds}:{LIMITS.cpu_seconds}", "--ulimit=nofile=512:512"} <= set(argv)
    assert f"--ulimit=fsize={LIMITS.file_bytes}:{LIMITS.file_bytes}" in argv
    assert argv[argv.index("--volume") + 1] == "/w:/workspace:Z"
    assert ("--read-only-tmpfs=false" in argv) == (name == "podman")
    assert any(part.startswith("--user=") and not part.startswith("--user=0:") for part in argv) or os.geteuid() == 0
    assert not {"--privileged", "--network=host", "--pid=host"} & set(argv)
    assert argv[argv.index("an/image:1") + 1 :][-2:] == ("65", "make it")


def test_the_filter_of_system_calls_refuses_what_bubblewraps_does() -> None:
    profile = json.loads(Path(module.__file__).with_name("seccomp.json").read_text(encoding="utf-8"))
    refused = {name for rule in profile["syscalls"] for name in rule["names"] if "args" not in rule}
    assert refused >= {*REFUSED["x86_64"], *REFUSED["aarch64"], "unshare", "setns", "mount", "clone3"}
    sockets = [rule["args"][0] for rule in profile["syscalls"] if "socket" in rule["names"]]
    allowed = {n for n in range(60) if not any(n == a["value"] if "EQ" in a["op"] else n > a["value"] for a in sockets)}
    assert allowed - {0} == {1, 2, 10, 16}


async def test_what_could_not_start_is_not_the_commands_exit_code(tmp_path: Path, work: Path) -> None:
    fake = _fake(tmp_path / "bin", "docker", "echo 'Unable to find image' >&2; exit 125")
    with pytest.raises(NotReady, match=r"docker cannot start a container: Unable.*build the image an/image:1"):
        await _container(fake).run("true", work, LIMITS)


async def test_a_command_that_takes_too_long_has_its_container_removed(
    tmp_path: Path, work: Path, idle_time: IdleTime
) -> None:
    fake = _fake(tmp_path / "bin", "docker", '[ "$1" = rm ] || exec sleep 600')
    idle_time.only(1.5, once=(tmp_path / "bin" / "asked").exists)
    result = await _container(fake).run("true", work, SandboxLimits(wall_seconds=1.0))
    assert result.timed_out
    ran, removed = (tmp_path / "bin" / "asked").read_text().splitlines()
    assert removed.startswith("rm --force")
    assert removed.split()[-1] in ran


@pytest.mark.slow
def test_a_container_goes_with_a_driver_that_is_killed(tmp_path: Path) -> None:
    fake = _fake(tmp_path / "bin", "docker", '[ "$1" = rm ] || exec sleep 600')
    workspace = tmp_path / "ws"
    workspace.mkdir()
    driver = DRIVER.format(fake=str(fake), workspace=str(workspace))
    asked = tmp_path / "bin" / "asked"
    with subprocess.Popen([sys.executable, "-c", driver]) as process:
        _until(asked.exists)
        process.kill()
    _until(lambda: asked.read_text().count("rm --force") == 2)
    ran, removed, again = asked.read_text().splitlines()
    assert removed == again
    assert removed.split()[-1] in ran


def _until(true: Callable[[], bool]) -> None:
    ends = time.monotonic() + 60
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.02)


def test_containers_of_processes_that_are_no_more_are_removed_and_no_others(tmp_path: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    alive = f"{owner_prefix()}{os.getpid()}-{began(os.getpid())}-aa"
    dead, reused = f"{owner_prefix()}{ended.pid}-5-bb", f"{owner_prefix()}{os.getpid()}-1-cc"
    others = ["sandbox-0123456789ab-1-5-dd", f"{owner_prefix()}what", "web"]
    assert [abandoned(name) for name in (alive, dead, reused, *others)] == [False, True, True, False, False, False]
    fake = _fake(tmp_path / "bin", "docker", f'[ "$1" != ps ] || printf "%s\\n" {alive} {dead} {" ".join(others)}')
    _container(fake).sweep()
    assert (tmp_path / "bin" / "asked").read_text().splitlines()[1:] == [f"rm --force --volumes {dead}"]


@pytest.mark.parametrize(
    ("message", "fix"),
    [
        ("Error: flatfield-sandbox: image not known", "build the image flatfield-sandbox (docs/sandbox.md"),
        ("Cannot connect to the Docker daemon at unix:///x", "start docker's service"),
        ("something else", "docker run --rm --network=none flatfield-sandbox true"),
    ],
)
def test_without_bubblewrap_it_is_tried_and_explained(tmp_path: Path, message: str, fix: str) -> None:
    _fake(tmp_path / "bin", "docker", f"echo '{message}' >&2; exit 125")
    with pytest.raises(NotReady) as caught:
        find_sandbox({"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path)})
    assert "install them (Debian: apt-get install bubblewrap" in str(caught.value)
    assert fix in str(caught.value)


def test_a_container_with_holes_is_not_taken(tmp_path: Path) -> None:
    _fake(tmp_path / "bin", "podman", '[ "$1" != run ] || printf "begun\\nthe network is reachable\\ndone\\n"')
    with pytest.raises(NotReady, match=r"sandbox \(podman\) does not shut commands off: the network is reachable"):
        find_sandbox({"PATH": str(tmp_path / "bin"), "FLATFIELD_SANDBOX_IMAGE": "mine"})
    assert " mine " in (tmp_path / "bin" / "asked").read_text()


# ------------------------------------------------------------------------ for real


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Container:
    """Podman or Docker with an image that was built as docs/sandbox.md says; skipped where there is none."""
    folder = tmp_path_factory.mktemp("bin")
    for name in ("podman", "docker"):
        program = shutil.which(name)
        image = os.environ.get("FLATFIELD_SANDBOX_IMAGE", IMAGE)
        inspect = [str(program), "image", "inspect", image]
        if program and subprocess.run(inspect, capture_output=True, check=False).returncode == 0:
            for part in (name, "runc", "crun", "conmon"):
                if found := shutil.which(part):
                    (folder / part).symlink_to(found)
            found_sandbox = find_sandbox({**os.environ, "PATH": str(folder)})
            assert isinstance(found_sandbox, Container)
            return found_sandbox
    pytest.skip("there is no image flatfield-sandbox for Podman or Docker")


async def test_a_real_container_runs_commands_in_the_workspace(real: Container, work: Path) -> None:
    (work / "test_it.py").write_text("def test_it():\n    assert 1 + 1 == 2\n")
    result = await real.run("pwd; python -m pytest -q; echo made > out; id -u; exit 3", work, LIMITS)
    assert result.exit_code == 3
    assert "1 passed" in result.output
    assert result.output.startswith("/workspace\n")
    assert not result.output.endswith("\n0\n")
    assert (work / "out").stat().st_uid == os.geteuid()


async def test_a_real_container_bounds_memory_and_time_and_leaves_nothing(real: Container, work: Path) -> None:
    limits = SandboxLimits(memory_bytes=64 * 1024**2, wall_seconds=60)
    (work / "one.py").write_text("b'x' * 200_000_000")
    one = await real.run("python3 one.py; echo $?", work, limits)
    assert "137" in one.output
    assert (await real.run("setsid sleep 600 & sleep 600", work, SandboxLimits(wall_seconds=2))).timed_out
    asked = [real.program, "ps", "--all", "--quiet", f"--filter=name={owner_prefix()}{os.getpid()}-"]
    listed = await asyncio.to_thread(subprocess.run, asked, capture_output=True, check=True)
    assert listed.stdout == b""
