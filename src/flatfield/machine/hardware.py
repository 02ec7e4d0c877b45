"""What this machine is, in a few words, what runs on it, and its memory: all, and what is free for a program now."""

from __future__ import annotations

import os
import platform
import re
import sys
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from msgspec import Struct

from flatfield import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

_LINE = re.compile(r"(?m)^(\w+):\s+(\d+) kB$")
_STAT = re.compile(r"(?m)^(\w+) (\d+)$")
_MODEL = re.compile(r"(?m)^(?:model name|Model)\s*:\s*(.+)$")

_SHOWN_VERSIONS = ("genai-prices", "aiohttp", "msgspec", "xllamacpp")


def versions() -> dict[str, str]:
    """What a run depends on beside its files: this program, Python, the device, the libraries that matter."""
    return {
        "flatfield": __version__,
        "python": platform.python_version(),
        "platform": sys.platform,
        "device": device(platform.machine()),
        **_libraries(),
    }


@cache
def _libraries() -> dict[str, str]:
    """Those that are installed, with their versions: to find one, all that is installed is looked through."""
    found = {}
    for package in _SHOWN_VERSIONS:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def device(machine: str, cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """`AMD EPYC 7B13, 2 CPUs, 3.8 GB RAM`; `machine` stands where the CPU does not tell its name."""
    parts = [_cpu(cpuinfo) or machine or "unknown CPU", f"{_usable_cpus()} CPUs"]
    memory = _counted_by_the_system()
    return ", ".join(parts if memory is None else [*parts, f"{memory.total_bytes / 1e9:.1f} GB RAM"])


def _cpu(cpuinfo: Path) -> str:
    try:
        found = _MODEL.search(cpuinfo.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return ""
    return " ".join(found[1].split()) if found else ""


def _usable_cpus() -> int:
    """Those that this process may use, where the system says so."""
    usable = getattr(os, "sched_getaffinity", None)
    return len(usable(0)) if usable else os.cpu_count() or 1


class Memory(Struct, frozen=True, kw_only=True):
    """`available_bytes`: None where the system does not say; `is_limited`: a container has less than the machine."""

    total_bytes: int
    available_bytes: int | None = None
    is_limited: bool = False


def machine_memory(proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> Memory | None:
    """The machine's memory, or the container's where that is less; None where nobody counts it."""
    try:
        counted = dict(_LINE.findall((proc / "meminfo").read_text(encoding="ascii")))
        memory = Memory(
            total_bytes=int(counted["MemTotal"]) * 1024,
            available_bytes=int(counted["MemAvailable"]) * 1024 if "MemAvailable" in counted else None,
        )
    except (OSError, KeyError, UnicodeDecodeError):
        return _counted_by_the_system()
    for limit_bytes, used_bytes in _limits(proc, cgroups):
        left_bytes = max(0, limit_bytes - used_bytes)
        known_bytes = memory.available_bytes
        memory = Memory(
            total_bytes=min(limit_bytes, memory.total_bytes),
            available_bytes=left_bytes if known_bytes is None else min(left_bytes, known_bytes),
            is_limited=memory.is_limited or limit_bytes < memory.total_bytes,
        )
    return memory


def _counted_by_the_system() -> Memory | None:
    """All that is built in; the figure of `sysctl hw.memsize` on macOS, where there is no /proc."""
    try:
        return Memory(total_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, OSError, ValueError):
        return None


def _limits(proc: Path, cgroups: Path) -> Iterator[tuple[int, int]]:
    """What the control groups that this process is in allow, in bytes, and what of it is used, cached files aside."""
    try:
        lines = (proc / "self" / "cgroup").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return
    for line in lines:
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if not controllers:
            yield from _limits_above(cgroups, path, "memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            yield from _limits_above(cgroups / "memory", path, *names)


def _limits_above(root: Path, path: str, limit: str, usage: str, cached: str) -> Iterator[tuple[int, int]]:
    """Those of a group and all above it; a container may see its own as the root, whatever its path is outside."""
    inside = PurePosixPath(path.lstrip("/"))
    for group in (inside, *inside.parents):
        folder = root / group
        with suppress(OSError, ValueError):  # "max": no limit
            limit_bytes = int((folder / limit).read_text(encoding="ascii"))
            used_bytes = int((folder / usage).read_text(encoding="ascii"))
            counted = dict(_STAT.findall((folder / "memory.stat").read_text(encoding="ascii")))
            yield limit_bytes, max(0, used_bytes - int(counted.get(cached, 0)))
