"""Drivers to be killed: each line of input forks one that starts something, and kills it so many seconds later.

`python drivers.py FOLDER`: a line is JSON: `kind` (see KINDS), `token` (what all that is started can be told by),
`seconds` (null: as soon as that is at work), and `keeper`: whether it is killed too. Printed for each: the driver's id.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from flatfield.children import starting
from flatfield.children.running import Start, run_process
from flatfield.clock import SystemClock
from flatfield.faces import cli
from flatfield.faces.speech import speaker
from flatfield.faces.speech.speaker import Words
from flatfield.http.services import Services
from flatfield.machine.llama.hosting import ServerSpec, start_server
from flatfield.machine.protocols import SandboxLimits
from flatfield.machine.sandbox.finding import find_sandbox
from flatfield.machine.sandbox.unsafe import UnsafeSandbox
from flatfield.scoring.verifying.child import run_child
from flatfield.tasks import generating
from flatfield.tasks.access import everything

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

LIMITS = SandboxLimits()
FAKE = Path(__file__).parents[1] / "machine" / "fake_llama"
GENERATING = """---
id: {token}
generate: make.py::build
---
# T
## Variables
PROMPT: "x"
"""
TASK = """---
id: {token}
files:
  a.txt: x
verify:
  - command: {{run: ": {token}; sleep 0.1 & setsid sleep 300 & sleep 0.05"}}
---
# T
## Variables
PROMPT: "x"
"""
BUILD = """import subprocess, time
def build(seed, folder):
    subprocess.Popen(["sleep", "{seconds}"], start_new_session=True)
    time.sleep(300)
"""


def lasting(token: str) -> str:
    """A command that starts something in its group and something in a session of its own, and goes on."""
    return f": {token}; sleep 300 & setsid sleep 301 & setsid sh -c ': {token}; sleep 302; :' & sleep 303; : {token}"


async def _bubblewrap(token: str, folder: Path) -> None:
    await find_sandbox(os.environ).run(lasting(token), folder, LIMITS)


async def _unsafe(token: str, folder: Path) -> None:
    await UnsafeSandbox(os.environ).run(lasting(token), folder, LIMITS)


async def _scaffold(token: str, folder: Path) -> None:
    await run_process(
        ("/bin/sh", "-c", lasting(token)), Start(environ={"PATH": os.environ["PATH"]}, cwd=folder), seconds=300
    )


async def _verifier(token: str, folder: Path) -> None:
    await run_child(("/bin/sh", "-c", lasting(token)), b"", timeout_seconds=300, folder=folder)


async def _speech(token: str, folder: Path) -> None:
    os.chdir(folder)
    await speaker._run(Words(arguments=("/bin/sh", "-c", lasting(token))))


async def _generating(token: str, folder: Path) -> None:
    (folder / "make.py").write_text(BUILD.format(seconds=300))
    path = folder / "task.md"
    path.write_text(GENERATING.format(token=token))
    await asyncio.to_thread(generating.variant, path, path.read_text(), 1, folder / "cache", everything())


async def _server(token: str, folder: Path) -> None:
    model = folder / f"{token}.gguf"
    model.write_text("GGUFhang")
    environ = {**os.environ, "PYTHONPATH": str(FAKE)}
    services = Services(session=cast("Any", None), clock=SystemClock(), environ=environ, cache=folder)
    await start_server(ServerSpec(path=str(model), alias="m", context_tokens=8192), services)


def _eval(token: str, folder: Path) -> None:
    (folder / "task.md").write_text(TASK.format(token=token))
    os.chdir(folder)
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    sys.argv = ["flatfield", "eval", "task.md", "--agents", "noop", "--repeats", "200", "--jobs", "4"]
    cli.main()


KINDS: dict[str, Callable[[str, Path], Coroutine[Any, Any, None]]] = {
    "bubblewrap": _bubblewrap,
    "unsafe": _unsafe,
    "scaffold": _scaffold,
    "verifier": _verifier,
    "speech": _speech,
    "generating": _generating,
    "server": _server,
}


def _drive(kind: str, token: str, folder: Path, begins: int) -> None:
    """Be a driver: start it, and tell when that begins."""
    folder.mkdir()
    folder.chmod(0o755)

    async def work() -> None:
        os.write(begins, b"x")
        await KINDS[kind](token, folder)

    if kind == "eval":
        os.write(begins, b"x")
        _eval(token, folder)
    else:
        asyncio.run(work())


def _at_work(token: str) -> bool:
    """Whether the last thing that is started runs: something that sleeps, or a server with its model."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            arguments = (folder / "cmdline").read_bytes()
            if b".gguf" in arguments and token.encode() in arguments:
                return True
            places = f"{(folder / 'cwd').readlink()} {(folder / 'mountinfo').read_text()}"
            if arguments.startswith(b"sleep\0003") and token in places:
                return True
    return False


def _open_in(process: int) -> set[Path]:
    return {path.readlink() for path in Path(f"/proc/{process}/fd").iterdir() if path.is_symlink()}


def _keepers(driver: int) -> list[int]:
    """The keepers of a driver: who runs a program from a pipe that the driver holds, in a session of its own."""
    pipes = _open_in(driver) - _open_in(os.getpid())  # it has a copy of our own keeper's
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            pid, known = int(folder.name), starting._RUN in (folder / "cmdline").read_text()
            if known and os.getsid(pid) == pid and (folder / "fd" / "0").readlink() in pipes:
                found.append(pid)
    return found


def _killed(order: dict[str, Any], folder: Path) -> int:
    """Fork a driver and kill it."""
    begun, begins = os.pipe()
    driver = os.fork()
    if driver == 0:
        os.close(begun)
        if order.get("keeper"):
            starting._place = lambda: order["token"]  # type: ignore[assignment]  # else any other test's run would reap
        try:
            _drive(order["kind"], order["token"], folder / order["token"], begins)
        finally:
            os._exit(0)
    os.close(begins)
    assert os.read(begun, 1) == b"x"
    os.close(begun)
    if order["seconds"] is None:
        while not _at_work(order["token"]):
            time.sleep(0.02)
    else:
        time.sleep(order["seconds"])
    if order.get("keeper"):
        os.kill(driver, signal.SIGSTOP)
        while not (keepers := _keepers(driver)):
            time.sleep(0.02)
        for keeper in keepers:
            os.kill(keeper, signal.SIGKILL)
    os.kill(driver, signal.SIGKILL)
    os.waitpid(driver, 0)
    return driver


def main(folder: Path) -> None:
    """Take orders until there are none."""
    gc.freeze()
    for line in sys.stdin:
        order = json.loads(line)
        if order["kind"] in {"bubblewrap", "eval"}:
            find_sandbox(os.environ)  # proved once, not by each driver
        sys.stdout.write(f"{_killed(order, folder)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
