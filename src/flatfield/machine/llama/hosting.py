"""Starts, checks and always ends the child process that serves a local model; at most one runs at a time."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import signal
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from flatfield.children.running import Start, run_process
from flatfield.children.starting import with_mark
from flatfield.errors import NotReady
from flatfield.http.secrecy import without_keys

if TYPE_CHECKING:
    from flatfield.clock import Clock
    from flatfield.http.services import Services


LIBRARY_FIX = "the local provider needs llama.cpp; run: pip install 'flatfield[local]'"
_LOAD_LIMIT_SECONDS = 900.0
_HEALTH_LIMIT_SECONDS = 5.0
_ANSWER_LIMIT_SECONDS = 30.0
_TAIL_BYTES = 8192
_OFFLOADED = re.compile(r"offloaded (\d+)/(\d+) layers to GPU")
_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)
_LIBRARY_ERROR = re.compile(r"^\S+ E\s+\S[^:]*: +(?P<text>.+)$", re.MULTILINE)


class ServerSpec(Struct, frozen=True, kw_only=True):
    """What one server is started with; `path` absolute, `port` 0 for one that the system chooses.

    `gpu_layers` None: as many of the model's layers go to a GPU as fit there.
    """

    path: str
    alias: str
    context_tokens: int
    threads: int = 1
    port: int = 0
    gpu_layers: int | None = None


class _Announcement(Struct, frozen=True, kw_only=True):
    url: str = ""
    has_gpu: bool = False
    error: str = ""
    detail: str = ""


def usable_threads(quota: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """How many CPUs this process may use: what the machine has, capped by its affinity and by a container's quota.

    `quota` is cgroup v2's file: "MICROSECONDS PERIOD", or "max PERIOD" for no limit.
    """
    threads = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    try:
        share, period = quota.read_text(encoding="ascii").split()
        return max(1, min(threads, int(share) // int(period)))
    except (OSError, ValueError):
        return threads


class LocalServer:
    """A running server: where it listens, what it can do, and how it ends.

    `turns` are being made of it now, `used_at` is when the last one ended, by the clock.

    `load_seconds`: from starting the process to its being healthy; `supports_tools`: whether the model's chat template
    has a place for tools; `context_tokens`: what one request may hold, prompt and answer together; `gpu_layers` of
    `model_layers` are on a GPU, None where the library does not say.
    """

    def __init__(
        self, spec: ServerSpec, process: asyncio.subprocess.Process, stderr: IO[bytes], address: tuple[str, str]
    ) -> None:
        self.spec = spec
        self.url, self._api_key = address
        self.load_seconds = 0.0
        self.used_at = 0.0
        self.turns = 0
        self.supports_tools = False
        self.context_tokens = spec.context_tokens
        self.gpu_layers: int | None = None
        self.model_layers: int | None = None
        self.ended = asyncio.ensure_future(process.wait())
        self._process = process
        self._stderr = stderr
        self._stopped = False

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    async def peak_memory_bytes(self) -> int | None:
        """The most memory that the process has held so far; None where the system does not tell."""
        return await peak_memory_bytes(self._process.pid)

    @property
    def headers(self) -> dict[str, str]:
        """What a request must bring; never to be recorded."""
        return {"Authorization": f"Bearer {self._api_key}"}

    def took_layers(self, *, has_gpu: bool) -> None:
        """Note how much of the model is on a GPU: what the library said while it loaded it."""
        if not has_gpu:
            self.gpu_layers = 0
            return
        self._stderr.seek(0)
        found = _OFFLOADED.search(self._stderr.read().decode("utf-8", "replace"))
        self._stderr.seek(0, os.SEEK_END)
        if found:
            self.gpu_layers, self.model_layers = int(found[1]), int(found[2])

    def epitaph(self) -> str:
        """How it ended, in one sentence; meaningful once `ended` is done or it was stopped."""
        if self._stopped:
            return f"the server of local model {self.spec.alias!r} was stopped, because another one was asked for"
        return f"the server of local model {self.spec.alias!r} {_how_it_ended(self.ended.result(), self._stderr)}"

    async def healthy(self, services: Services) -> bool:
        """Whether it is there and says that it is well."""
        if self.ended.done():
            return False
        try:
            await self._get("/health", services, _HEALTH_LIMIT_SECONDS)
        except (OSError, TimeoutError, ValueError):
            return False
        return True

    async def learn(self, services: Services) -> None:
        """Ask the server what it serves.

        Raises:
            NotReady: it does not answer as llama.cpp does.
        """
        try:
            await self._get("/health", services, _ANSWER_LIMIT_SECONDS)
            properties = await self._get("/props", services, _ANSWER_LIMIT_SECONDS)
            self.supports_tools = bool(properties["chat_template_caps"]["supports_tools"])
            self.context_tokens = int(properties["default_generation_settings"]["n_ctx"])
        except (OSError, TimeoutError, ValueError, LookupError, TypeError) as error:
            raise NotReady(
                f"the server of local model {self.spec.alias!r} started at {self.url} but does not answer as it should "
                f"({error!r}); if a proxy is set, add 127.0.0.1 to NO_PROXY, else reinstall xllamacpp"
            ) from error

    async def stop(self) -> None:
        """End the process; returns when it is gone. It holds nothing worth saving, so it is not asked twice."""
        self._stopped = self._stopped or not self.ended.done()
        await end(self._process, self._stderr)
        await asyncio.wait({self.ended})

    async def _get(self, path: str, services: Services, limit_seconds: float) -> Any:  # noqa: ANN401 - JSON of llama.cpp's own making
        import aiohttp

        limit = aiohttp.ClientTimeout(total=limit_seconds)
        try:
            async with services.session.get(self.url + path, headers=self.headers, timeout=limit) as response:
                response.raise_for_status()
                return msgspec.json.decode(await response.read())
        except aiohttp.ClientError as error:
            raise ConnectionError(str(error) or type(error).__name__) from error


async def end(process: asyncio.subprocess.Process, stderr: IO[bytes]) -> None:
    """Kill the process, wait until it is gone, let go of its pipes."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.kill()
    if process.stdin is not None:
        process.stdin.close()
    try:
        await process.wait()
    finally:
        stderr.close()


async def start_server(spec: ServerSpec, services: Services) -> LocalServer:
    """Start a server and wait until it is healthy; when that fails or is cancelled, nothing is left running.

    Raises:
        NotReady: llama.cpp is missing, the file is no model, the port is in use, or it takes too long.
    """
    began_seconds = services.clock.now()
    api_key = secrets.token_urlsafe(32)
    stderr = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the server, `end` closes it
    try:
        process = await asyncio.create_subprocess_exec(
            *_command(spec),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
            env=with_mark({"OMP_WAIT_POLICY": "PASSIVE", **without_keys(services.environ)}),
            # A session of its own: Ctrl-C in the terminal reaches the parent only, and the parent decides.
            start_new_session=True,
        )
    except BaseException:
        stderr.close()
        raise
    try:
        said = await _announced(spec, process, stderr, api_key)
        server = LocalServer(spec, process, stderr, (said.url.rstrip("/"), api_key))
        server.took_layers(has_gpu=said.has_gpu)
        await server.learn(services)
    except BaseException:
        await end(process, stderr)
        raise
    server.used_at = services.clock.now()
    server.load_seconds = server.used_at - began_seconds
    return server


class LocalServers:
    """The one server that a device has room for; started when asked for, shared by all who ask for the same.

    With `idle_seconds` it is stopped when nobody has asked anything for so long.
    """

    def __init__(self, idle_seconds: float | None = None) -> None:
        self._idle_seconds = idle_seconds
        self._lock = asyncio.Lock()
        self._current: LocalServer | None = None
        self._watch: asyncio.Task[None] | None = None

    async def serve(self, spec: ServerSpec, services: Services) -> tuple[LocalServer, float]:
        """A healthy server for the model, and the seconds that starting it took just now (0 when it was running).

        A server of another model or context is stopped first; one that died is replaced.

        Raises:
            NotReady: it could not be started; the message names the fix.
        """
        async with self._lock:
            running = self._current
            if running is not None and _same(running.spec, spec) and await running.healthy(services):
                running.used_at = services.clock.now()
                return running, 0.0
            await self._stop()
            self._current = await start_server(spec, services)
            if self._idle_seconds is not None:
                self._watch = asyncio.create_task(self._end_idle(self._current, services.clock, self._idle_seconds))
            return self._current, self._current.load_seconds

    async def close(self) -> None:
        """Stop what runs."""
        async with self._lock:
            await self._stop()

    async def _end_idle(self, server: LocalServer, clock: Clock, idle_seconds: float) -> None:
        """Stop a server that nobody has asked anything for so long: its memory is wanted back."""
        while (left_seconds := server.used_at + idle_seconds - clock.now()) > 0 or server.turns:
            await clock.sleep(max(left_seconds, 1.0))
        async with self._lock:
            if self._current is server and not server.turns:
                self._watch = None  # this task
                await self._stop()

    async def _stop(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        if self._current is not None:
            await self._current.stop()
            self._current = None


def _same(one: ServerSpec, other: ServerSpec) -> bool:
    return (one.path, one.context_tokens, one.gpu_layers) == (other.path, other.context_tokens, other.gpu_layers)


def _command(spec: ServerSpec) -> tuple[str, ...]:
    # -P: a file json.py in the current directory must not become part of the server.
    program = (sys.executable, "-P", "-m", "flatfield.machine.llama.llama_server", spec.path, f"--alias={spec.alias}")
    layers = () if spec.gpu_layers is None else (f"--gpu-layers={spec.gpu_layers}",)
    sizes = (f"--context={spec.context_tokens}", f"--threads={spec.threads}", f"--port={spec.port}")
    return (*program, *sizes, *layers)


async def peak_memory_bytes(pid: int) -> int | None:
    """The most memory that a process has held so far, with the files that it has mapped; None where nobody tells.

    Linux says it in /proc; macOS only to the process itself, so that there it is what the process holds now.
    """
    with suppress(OSError):
        found = _PEAK.search(_status(pid))
        return int(found[1]) * 1024 if found else None
    try:
        held = await run_process(("ps", "-o", "rss=", "-p", str(pid)), Start(environ=os.environ), seconds=5)
        return int(held.printed) * 1024
    except (OSError, ValueError, NotReady):
        return None


def _status(pid: int) -> str:
    return Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")


async def _announced(
    spec: ServerSpec, process: asyncio.subprocess.Process, stderr: IO[bytes], api_key: str
) -> _Announcement:
    """What the child announces once the model is loaded: its URL, and whether it has a GPU."""
    stdin, stdout = process.stdin, process.stdout
    if stdin is None or stdout is None:
        raise RuntimeError("a process started with pipes has them")
    with suppress(ConnectionError):  # it ended before reading: the missing announcement says so
        stdin.write(f"{api_key}\n".encode())
        await stdin.drain()
    try:
        async with asyncio.timeout(_LOAD_LIMIT_SECONDS):
            line = await stdout.readline()
    except TimeoutError:
        raise NotReady(
            f"{spec.path} was not loaded within {_LOAD_LIMIT_SECONDS:.0f} seconds; choose a smaller model"
        ) from None
    try:
        said = msgspec.json.decode(line, type=_Announcement)
    except msgspec.DecodeError:
        ending = _how_it_ended(await process.wait(), stderr)
        raise NotReady(f"the server of local model {spec.alias!r} {ending} while loading {spec.path}") from None
    if said.error:
        raise NotReady(_refusal(spec, said, stderr))
    return said


def _refusal(spec: ServerSpec, said: _Announcement, stderr: IO[bytes]) -> str:
    if said.error == "library":
        return f"{LIBRARY_FIX} ({said.detail})"
    if said.error == "port":
        return (
            f"port {spec.port} on 127.0.0.1 cannot be used ({said.detail}); "
            "set FLATFIELD_LOCAL_PORT to a free one, or unset it and the system chooses"
        )
    found = _LIBRARY_ERROR.search(_tail(stderr))
    reason = found["text"] if found else said.detail
    return f"llama.cpp cannot load {spec.path}: {reason}; pull it again or choose another GGUF file"


def _how_it_ended(returncode: int, stderr: IO[bytes]) -> str:
    if returncode == -signal.SIGKILL:
        return "was killed (signal 9; out of memory? then choose a smaller model or fewer context_tokens)"
    how = f"was ended by signal {-returncode}" if returncode < 0 else f"ended with exit code {returncode}"
    lines = _tail(stderr).strip().splitlines()
    return f"{how}: {lines[-1]}" if lines else how


def _tail(stderr: IO[bytes]) -> str:
    """The end of what the child wrote to stderr; read without moving the offset that the child writes at."""
    if stderr.closed:
        return ""
    descriptor = stderr.fileno()
    size = os.fstat(descriptor).st_size
    return os.pread(descriptor, _TAIL_BYTES, max(0, size - _TAIL_BYTES)).decode("utf-8", "replace")
