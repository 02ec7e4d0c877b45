"""The child process: shared, replaced, and always ended; its failures are one sentence each."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import pytest

from flatfield.errors import NotReady
from flatfield.http.services import Services
from flatfield.machine.llama.hosting import LocalServers, ServerSpec, start_server, usable_threads
from flatfield.testing.clocks import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.whole

FAKE = Path(__file__).parent.parent / "fake_llama"
GONE_SECONDS = 60

# A program for tests that end it rudely: it says its server's pid and, if it may clean up, whether that still lives.
PROGRAM = """
import asyncio, os, sys
from pathlib import Path
from flatfield.clock import SystemClock
from flatfield.machine.llama.hosting import LocalServers, ServerSpec
from flatfield.http.services import Services
from flatfield.http.transport import open_session

async def main():
    clock = SystemClock()
    async with open_session(clock) as session:
        services = Services(session=session, clock=clock, environ=os.environ, cache=Path("/nowhere"))
        servers = LocalServers()
        try:
            spec = ServerSpec(path=sys.argv[1], alias="m", context_tokens=256, threads=1)
            server, _ = await servers.serve(spec, services)
            print(server.pid, flush=True)
            await asyncio.sleep(60)
        finally:
            print(await server.healthy(services), flush=True)
            await servers.close()

asyncio.run(main())
"""


@pytest.fixture
def fake(services: Services) -> Services:
    environ = {**os.environ, "PYTHONPATH": str(FAKE)}
    return Services(session=services.session, clock=services.clock, environ=environ, cache=services.cache)


@pytest.fixture
def spec(tmp_path: Path) -> Callable[..., ServerSpec]:
    def make(told: str = "", *, context_tokens: int = 512, port: int = 0) -> ServerSpec:
        path = tmp_path / f"model-{told}.gguf"
        path.write_text(f"GGUF{told}", encoding="utf-8")
        return ServerSpec(path=str(path), alias="m", context_tokens=context_tokens, threads=1, port=port)

    return make


def gone(pid: int) -> bool:
    """Waits until the process is gone; False when it stays."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], GONE_SECONDS)[0])
    finally:
        os.close(descriptor)


def seen_by_others(pid: int) -> str:
    process = Path(f"/proc/{pid}")
    return (process / "cmdline").read_text(encoding="utf-8") + (process / "environ").read_text(encoding="utf-8")


async def test_a_server_is_shared_and_another_model_ends_it(fake: Services, spec: Callable[..., ServerSpec]) -> None:
    servers = LocalServers()
    first, load_seconds = await servers.serve(spec(), fake)
    again, no_seconds = await servers.serve(spec(), fake)
    assert again is first
    assert load_seconds > 0 == no_seconds
    other, _ = await servers.serve(spec(context_tokens=16384), fake)
    assert gone(first.pid)
    assert "another one was asked for" in first.epitaph()
    assert (other.context_tokens, other.supports_tools) == (16384, True)
    assert (first.context_tokens, first.supports_tools) == (512, False)
    await servers.close()
    await servers.close()
    assert gone(other.pid)


async def test_asked_for_twice_at_once_one_starts(fake: Services, spec: Callable[..., ServerSpec]) -> None:
    servers = LocalServers()
    (one, _), (two, _) = await asyncio.gather(servers.serve(spec(), fake), servers.serve(spec(), fake))
    await servers.close()
    assert one is two


async def test_a_server_that_died_is_replaced(fake: Services, spec: Callable[..., ServerSpec]) -> None:
    servers = LocalServers()
    first, _ = await servers.serve(spec(), fake)
    os.kill(first.pid, signal.SIGSEGV)
    await first.ended
    assert "was ended by signal 11" in first.epitaph()
    second, load_seconds = await servers.serve(spec(), fake)
    assert second.pid != first.pid
    assert load_seconds > 0
    await servers.close()


async def test_a_server_that_hangs_is_replaced(
    fake: Services, spec: Callable[..., ServerSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flatfield.machine.llama.hosting._HEALTH_LIMIT_SECONDS", 0.3)
    servers = LocalServers()
    first, _ = await servers.serve(spec(), fake)
    os.kill(first.pid, signal.SIGSTOP)
    second, _ = await servers.serve(spec(), fake)
    assert gone(first.pid)
    assert second.pid != first.pid
    await servers.close()


async def test_only_who_has_the_key_is_answered_and_only_on_loopback(
    fake: Services, spec: Callable[..., ServerSpec]
) -> None:
    servers = LocalServers()
    server, _ = await servers.serve(spec(), fake)
    async with aiohttp.ClientSession() as stranger, stranger.get(f"{server.url}/props") as response:
        assert response.status == 401
    assert server.url.startswith("http://127.0.0.1:")
    key = server.headers["Authorization"].removeprefix("Bearer ")
    assert key not in seen_by_others(server.pid)
    other, _ = await servers.serve(spec(context_tokens=256), fake)
    assert other.headers != server.headers
    await servers.close()


async def test_what_the_library_prints_is_not_taken_for_the_address(
    fake: Services, spec: Callable[..., ServerSpec]
) -> None:
    server = await start_server(spec("noise"), fake)
    assert await server.healthy(fake)
    await server.stop()


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (
            "refuse",
            ["cannot load", "model-refuse.gguf: error loading model: tensor 7 is missing;", "another GGUF file"],
        ),
        ("crash", ["ended with exit code 3: GGML_ASSERT failed", "while loading", "model-crash.gguf"]),
    ],
)
async def test_a_model_that_cannot_be_loaded(
    fake: Services, spec: Callable[..., ServerSpec], told: str, words: list[str]
) -> None:
    servers = LocalServers()
    with pytest.raises(NotReady) as caught:
        await servers.serve(spec(told), fake)
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert "\n" not in str(caught.value)
    server, _ = await servers.serve(spec(), fake)
    assert await server.healthy(fake)
    await servers.close()


async def test_without_the_library(services: Services, spec: Callable[..., ServerSpec], tmp_path: Path) -> None:
    (tmp_path / "xllamacpp.py").write_text("raise ImportError('libgomp.so.1 is missing')", encoding="utf-8")
    environ = {**os.environ, "PYTHONPATH": str(tmp_path)}
    bare = Services(session=services.session, clock=services.clock, environ=environ, cache=tmp_path)
    with pytest.raises(NotReady, match=r"pip install 'flatfield\[local\]' \(libgomp.so.1 is missing\)"):
        await start_server(spec(), bare)


async def test_a_port_in_use(fake: Services, spec: Callable[..., ServerSpec]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(NotReady, match=f"port {port} .* in use.*; set FLATFIELD_LOCAL_PORT"):
            await start_server(spec(port=port), fake)


async def test_a_load_that_takes_too_long_is_ended(
    fake: Services, spec: Callable[..., ServerSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flatfield.machine.llama.hosting._LOAD_LIMIT_SECONDS", 0.2)
    with pytest.raises(NotReady, match=r"model-hang.gguf was not loaded within .* smaller model"):
        await start_server(spec("hang"), fake)


async def test_cancelled_while_loading_nothing_is_left(
    services: Services, spec: Callable[..., ServerSpec], tmp_path: Path
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    environ = {**os.environ, "PYTHONPATH": str(FAKE), "FAKE_LLAMA_FIFO": str(fifo)}
    told = Services(session=services.session, clock=services.clock, environ=environ, cache=tmp_path)
    start = asyncio.ensure_future(start_server(spec("hang"), told))
    pid = int(await asyncio.to_thread(fifo.read_text))
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    assert gone(pid)


def program(model: str, environ: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, model],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environ,
        process_group=0,
    )


def test_a_parent_killed_while_the_model_loads_takes_the_server_along(
    spec: Callable[..., ServerSpec], tmp_path: Path
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    environ = {**os.environ, "PYTHONPATH": str(FAKE), "FAKE_LLAMA_FIFO": str(fifo)}
    with program(spec("hang").path, environ) as parent:
        pid = int(fifo.read_text())
        parent.kill()
    assert gone(pid)


def test_the_end_of_stdin_ends_the_server(spec: Callable[..., ServerSpec]) -> None:
    # What still ends it where the kernel has no signal for a parent's death.
    command = [
        sys.executable,
        "-m",
        "flatfield.machine.llama.llama_server",
        spec().path,
        "--alias=m",
        "--context=8",
        "--threads=1",
    ]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(FAKE)},
    ) as child:
        assert child.stdin
        assert child.stdout
        child.stdin.write(b"key\n")
        child.stdin.flush()
        assert child.stdout.readline().startswith(b'{"url"')
        child.send_signal(signal.SIGINT)
        assert child.poll() is None
        child.stdin.close()
        assert child.wait(GONE_SECONDS) == 0


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.needs("model"))])
def running(request: pytest.FixtureRequest, spec: Callable[..., ServerSpec]) -> tuple[str, dict[str, str]]:
    if request.param == "real":
        return os.environ["FLATFIELD_TEST_MODEL"], dict(os.environ)
    return spec().path, {**os.environ, "PYTHONPATH": str(FAKE)}


def test_a_parent_killed_takes_the_server_along(running: tuple[str, dict[str, str]]) -> None:
    with program(*running) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        parent.kill()
    assert gone(pid)


def test_ctrl_c_reaches_the_parent_which_ends_the_server(running: tuple[str, dict[str, str]]) -> None:
    with program(*running) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        os.killpg(parent.pid, signal.SIGINT)
        assert parent.stdout.readline() == "True\n"
    assert gone(pid)


@pytest.mark.parametrize(
    ("quota", "threads"), [("100000 100000", 1), ("50000 100000", 1), ("max 100000", None), ("", None)]
)
def test_threads_fit_the_cpus_that_may_be_used(tmp_path: Path, quota: str, threads: int | None) -> None:
    file = tmp_path / "cpu.max"
    file.write_text(quota, encoding="ascii")
    assert usable_threads(file) == (threads or len(os.sched_getaffinity(0)))


async def test_an_idle_server_is_stopped_but_not_one_at_work(fake: Services, spec: Callable[..., ServerSpec]) -> None:
    clock = FakeClock()
    services = Services(session=fake.session, clock=clock, environ=fake.environ, cache=fake.cache)
    servers = LocalServers(idle_seconds=600)
    server, _ = await servers.serve(spec(), services)
    server.turns += 1  # somebody asks it something, for longer than that
    clock.seconds += 10_000
    await asyncio.sleep(0)
    assert await server.healthy(services)
    server.turns -= 1
    server.used_at = clock.seconds
    await asyncio.wait_for(asyncio.shield(server.ended), GONE_SECONDS)
    again, load_seconds = await servers.serve(spec(), services)
    assert again is not server
    assert load_seconds >= 0.0
    await servers.close()
