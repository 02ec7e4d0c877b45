"""What the machine is called, and its memory, or its container's; nothing where nobody counts."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

from flatfield.machine.hardware import Memory, device, machine_memory

if TYPE_CHECKING:
    from pathlib import Path

GIB = 2**30
MEMINFO = f"MemTotal:       {8 * GIB // 1024} kB\nMemFree:  12 kB\nMemAvailable:   {6 * GIB // 1024} kB\n"


def write(folder: Path, **contents: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name.replace("__", ".")).write_text(str(content))


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    write(tmp_path / "proc", meminfo=MEMINFO)
    return tmp_path / "proc"


def test_a_machine_without_limits(proc: Path, tmp_path: Path) -> None:
    assert machine_memory(proc, tmp_path / "none") == Memory(total_bytes=8 * GIB, available_bytes=6 * GIB)


@pytest.mark.parametrize("path", ["/", "/a/b", "/seen/only/outside"])
def test_a_container_of_version_2_is_less(proc: Path, tmp_path: Path, path: str) -> None:
    write(proc / "self", cgroup=f"0::{path}\n")
    groups = tmp_path / "groups"
    write(groups, memory__max=2 * GIB, memory__current=GIB, memory__stat=f"anon 5\ninactive_file {GIB // 2}\n")
    write(groups / "a" / "b", memory__max="max", memory__current=GIB, memory__stat="")
    found = machine_memory(proc, groups)
    assert found == Memory(total_bytes=2 * GIB, available_bytes=2 * GIB - GIB // 2, is_limited=True)


def test_the_lowest_limit_on_the_way_up_counts(proc: Path, tmp_path: Path) -> None:
    write(proc / "self", cgroup="0::/a/b\n")
    groups = tmp_path / "groups"
    write(groups / "a", memory__max=3 * GIB, memory__current=2 * GIB, memory__stat="")
    write(groups / "a" / "b", memory__max=4 * GIB, memory__current=GIB, memory__stat="")
    assert machine_memory(proc, groups) == Memory(total_bytes=3 * GIB, available_bytes=GIB, is_limited=True)


def test_a_container_of_version_1_is_less(proc: Path, tmp_path: Path) -> None:
    write(proc / "self", cgroup="9:cpu,cpuacct:/x\n4:memory:/x\n0::/\nnonsense\n")
    limits = {"memory__limit_in_bytes": GIB, "memory__usage_in_bytes": GIB // 2}
    write(tmp_path / "groups" / "memory" / "x", **limits, memory__stat="total_inactive_file 0\n")
    found = machine_memory(proc, tmp_path / "groups")
    assert found == Memory(total_bytes=GIB, available_bytes=GIB // 2, is_limited=True)


def test_a_limit_above_the_machine_is_none(proc: Path, tmp_path: Path) -> None:
    write(proc / "self", cgroup="4:memory:/\n")
    limits = {"memory__limit_in_bytes": 2**63 - 4096, "memory__usage_in_bytes": GIB}
    write(tmp_path / "groups" / "memory", **limits, memory__stat="")
    assert machine_memory(proc, tmp_path / "groups") == Memory(total_bytes=8 * GIB, available_bytes=6 * GIB)


def test_without_proc_the_system_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = {"SC_PAGE_SIZE": 16384, "SC_PHYS_PAGES": 1024}
    monkeypatch.setattr(os, "sysconf", figures.__getitem__)
    assert machine_memory(tmp_path) == Memory(total_bytes=16 * 2**20)
    monkeypatch.setattr(os, "sysconf", lambda _: int("?"))
    assert machine_memory(tmp_path) is None


def test_the_cpu_has_its_name_where_the_system_tells_it(tmp_path: Path) -> None:
    told = tmp_path / "cpuinfo"
    told.write_text("processor\t: 0\nmodel name\t: A  CPU @ 2 GHz\nprocessor\t: 1\nmodel name\t: B\n")
    assert re.fullmatch(r"A CPU @ 2 GHz, \d+ CPUs(, [\d.]+ GB RAM)?", device("x86_64", told))


def test_without_a_name_it_is_the_kind_of_machine(tmp_path: Path) -> None:
    assert device("aarch64", tmp_path / "nosuch").startswith("aarch64, ")
    (tmp_path / "cpuinfo").write_text("processor: 0\n")
    assert device("", tmp_path / "cpuinfo").startswith("unknown CPU, ")
