"""Runs inside the sandbox, as a script, and prints one line for each way in which it is not shut off.

Its argument is JSON: what was planted on the host (`secret`, a file; `port`, `named` and `abstract`, where it listens;
`planted`, a value in the environment), the limits, and whether the root is `private_root`: made for this, not an image.
It uses the standard library alone, because nothing else is there.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

CLONE_NEWUSER = 0x10000000
AF_VSOCK = 40
FOREIGN = (("127.0.0.1", None), ("192.0.2.1", 9), ("2001:db8::1", 9))
"""The host's own loopback, and addresses reserved for documentation, which lead nowhere but need a route."""
KNOWN = {"PATH", "HOME", "USER", "LANG", "TERM", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PWD", "SHLVL", "_"}


def problems(given: dict[str, Any]) -> Iterator[str]:
    """What is wrong with this sandbox, one sentence a problem."""
    yield from _identity()
    yield from _network(given["port"])
    yield from _sockets(given["named"], given["abstract"])
    yield from _files(given["secret"], private_root=given["private_root"])
    yield from _environment(given["planted"], private_root=given["private_root"])
    yield from _limits(given["file_bytes"], given["memory_bytes"])
    if _forks(given["processes"] + 1) > given["processes"]:
        yield "the number of processes is not limited"
    yield from _pytest()


def _identity() -> Iterator[str]:
    status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines())
    if os.getuid() == 0:
        yield "commands run as root"
    if int(status["CapEff"], 16) or int(status["CapPrm"], 16):
        yield "commands hold capabilities"
    if status["NoNewPrivs"].strip() != "1":
        yield "commands can gain privileges"
    if len(list(Path("/proc").glob("[0-9]*"))) > 5:
        yield "processes of the host are visible"
    if ctypes.CDLL(None).unshare(CLONE_NEWUSER) == 0:
        yield "commands can make user namespaces"


def _network(port: int) -> Iterator[str]:
    for address, number in FOREIGN:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            if number is None and kind == socket.SOCK_DGRAM:
                continue  # a datagram to the sandbox's own loopback proves nothing
            with suppress(OSError), socket.socket(family, kind) as link:
                link.settimeout(0.3)
                link.connect((address, number or port))
                yield f"the network is reachable ({address})"


def _sockets(named: str, abstract: str) -> Iterator[str]:
    for address in (named, f"\0{abstract}"):
        with suppress(OSError), socket.socket(socket.AF_UNIX) as link:
            link.connect(address)
            yield "a socket of the host is reachable"
    with suppress(OSError):
        socket.socket(AF_VSOCK, socket.SOCK_STREAM).close()
        yield "sockets that lead past the network namespace can be made"


def _files(secret: str, *, private_root: bool) -> Iterator[str]:
    for path in (secret, "/etc/shadow", "/var") if private_root else (secret,):
        if Path(path).exists():
            yield f"{path} of the host is visible"
    with suppress(OSError), Path("/etc/shadow").open():
        yield "/etc/shadow can be read"
    for folder in ("/", "/usr", "/etc", "/dev", "/opt", "/opt/tools", "/run", "/var/tmp", "/proc/sys/kernel"):  # noqa: S108 - written to on purpose
        with suppress(OSError):
            (Path(folder) / "written").write_text("x")
            yield f"{folder} can be written"
    with suppress(OSError), Path("/proc/sys/kernel/core_pattern").open("r+"):
        yield "/proc/sys can be written"
    for folder in (".", "/tmp", "/dev/shm"):  # noqa: S108 - the sandbox's own
        try:
            (Path(folder) / "written").write_text("x")
        except OSError as error:
            yield f"{folder} cannot be written: {error}"


def _environment(planted: str, *, private_root: bool) -> Iterator[str]:
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            data = path.read_bytes()
            names = {part.split(b"=", 1)[0].decode() for part in data.split(b"\0") if part} - KNOWN
            if private_root and names:
                yield f"the host's environment is visible ({', '.join(sorted(names))})"
            if planted.encode() in data:
                yield "the environment of the program that started it is visible"


def _limits(file_bytes: int, memory_bytes: int) -> Iterator[str]:
    for name in ("RLIMIT_CPU", "RLIMIT_FSIZE", "RLIMIT_NOFILE"):
        if resource.getrlimit(getattr(resource, name))[1] == resource.RLIM_INFINITY:
            yield f"{name} is not set"
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with suppress(OSError):
        os.truncate("written", file_bytes + 1)
        yield "the size of files is not limited"
    if _takes(memory_bytes):
        yield "memory is not limited"


def _takes(memory_bytes: int) -> bool:
    """Whether one process can take so much memory; in a child, which may be killed for it."""
    child = os.fork()
    if child == 0:
        with suppress(MemoryError):
            os._exit(int(len(b"\1" * memory_bytes) != memory_bytes))
        os._exit(1)
    return os.waitpid(child, 0)[1] == 0


def _forks(wanted: int) -> int:
    """How many processes can be started at the same time, up to `wanted`; all are ended again."""
    children: list[int] = []
    with suppress(OSError):
        for _ in range(wanted):
            child = os.fork()
            if child == 0:
                signal.pause()
                os._exit(0)
            children.append(child)
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return len(children)


def _pytest() -> Iterator[str]:
    for command in (["python", "-c", ""], ["pytest", "--version"]):
        done = subprocess.run(command, capture_output=True, check=False, text=True)
        if done.returncode:
            yield f"{' '.join(command)} fails: {(done.stdout + done.stderr).strip()[-200:]}"


if __name__ == "__main__":
    for problem in problems(json.loads(sys.argv[1])):
        sys.stdout.write(f"{problem}\n")
