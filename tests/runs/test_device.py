"""What the machine is called: its CPU where it says so, how many, how much memory."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from flatfield.runs.order import device

if TYPE_CHECKING:
    from pathlib import Path


def test_the_cpu_has_its_name_where_the_system_tells_it(tmp_path: Path) -> None:
    told = tmp_path / "cpuinfo"
    told.write_text("processor\t: 0\nmodel name\t: A  CPU @ 2 GHz\nprocessor\t: 1\nmodel name\t: B\n")
    assert re.fullmatch(r"A CPU @ 2 GHz, \d+ CPUs(, [\d.]+ GB RAM)?", device("x86_64", told))


def test_without_a_name_it_is_the_kind_of_machine(tmp_path: Path) -> None:
    assert device("aarch64", tmp_path / "nosuch").startswith("aarch64, ")
    (tmp_path / "cpuinfo").write_text("processor: 0\n")
    assert device("", tmp_path / "cpuinfo").startswith("unknown CPU, ")
