"""What the machine is that models on the user's own device run on, in a few words."""

from __future__ import annotations

import os
import re
from pathlib import Path

_MODEL = re.compile(r"(?m)^(?:model name|Model)\s*:\s*(.+)$")


def device(machine: str, cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """`AMD EPYC 7B13, 2 CPUs, 3.8 GB RAM`; `machine` stands where the CPU does not tell its name."""
    parts = [_cpu(cpuinfo) or machine or "unknown CPU", f"{_usable_cpus()} CPUs"]
    ram_bytes = _ram_bytes()
    return ", ".join([*parts, f"{ram_bytes / 1e9:.1f} GB RAM"] if ram_bytes else parts)


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


def _ram_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # not every system counts them
        return None
