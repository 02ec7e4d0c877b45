"""A model file on its way into the cache, from a hub too: hashed as it is written, renamed only when whole."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from contextlib import asynccontextmanager, contextmanager
from typing import IO, TYPE_CHECKING, Self, TypeVar
from urllib.parse import quote, urljoin, urlsplit

from msgspec import Struct

from flatfield.errors import NotFound, NotReady
from flatfield.http.connecting import proxy_for
from flatfield.machine.models.places import require_gguf

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    import aiohttp

    from flatfield.clock import Clock
    from flatfield.machine.models.known import HubSource


CHUNK_BYTES = 1024 * 1024
_LOCK_POLL_SECONDS = 0.2


class ExpectedFile(Struct, frozen=True, kw_only=True):
    """What a file must be; None where nobody says."""

    sha256: str | None = None
    size_bytes: int | None = None


class Incoming:
    """The part of a file that has arrived, beside the place where it will be.

    With `resume`, what an earlier process left is taken up (and hashed) again; with `milestones`, sizes and hashes that
    the file has on its way, only up to the last one that is right. `refused_bytes`: of that, what was there but wrong.
    """

    def __init__(self, part: Path, *, resume: bool = False, milestones: Sequence[ExpectedFile] = ()) -> None:
        self.part = part
        self._file: IO[bytes] = part.open("r+b" if resume and part.is_file() else "w+b")
        self._hash = hashlib.sha256()
        self._settled = (0, self._hash.copy())
        self.received_bytes = self.refused_bytes = 0
        if milestones:
            self._take_up(milestones)
        while not milestones and (chunk := self._file.read(CHUNK_BYTES)):
            self._count(chunk)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, chunk: bytes) -> None:
        """Append."""
        self._file.write(chunk)
        self._count(chunk)

    def settle(self, milestone: ExpectedFile) -> bool:
        """Whether what has arrived is right up to here; then nothing falls back behind it."""
        if not self.matches(milestone):
            return False
        self._settled = (self.received_bytes, self._hash.copy())
        return True

    def fall_back(self) -> None:
        """Forget what has arrived since the last milestone that was right; with none, nothing is left."""
        self.received_bytes, settled = self._settled
        self._hash = settled.copy()
        self._file.seek(self.received_bytes)
        self._file.truncate()
        if not self.received_bytes:
            self.discard()

    def restart(self) -> None:
        """Forget what has arrived."""
        self._settled = (0, hashlib.sha256())
        self.received_bytes, self._hash = 0, hashlib.sha256()
        self._file.seek(0)
        self._file.truncate()

    def matches(self, expected: ExpectedFile) -> bool:
        """Whether what has arrived is the whole file and the right one."""
        if expected.size_bytes not in {None, self.received_bytes}:
            return False
        return expected.sha256 in {None, self._hash.hexdigest()}

    def commit(self, target: Path, expected: ExpectedFile) -> None:
        """Put the file in its place, with its hash beside it (`TARGET.sha256`, as sha256sum writes it).

        Raises:
            NotReady: it is not what was expected, or no GGUF file; it has been removed.
        """
        self._file.flush()
        os.fsync(self._file.fileno())
        found = self._hash.hexdigest()
        if not self.matches(expected):
            self.discard()
            raise NotReady(
                f"what was fetched for {target.name} is refused and removed: {self.received_bytes} bytes with SHA-256 "
                f"{found}, expected {expected.size_bytes or 'any number of'} bytes with {expected.sha256 or 'any'}; "
                "try again, or fetch it from another source with --from"
            )
        try:
            require_gguf(self.part)
        except NotReady:
            self.discard()
            raise NotReady(
                f"what was fetched for {target.name} is no GGUF file and was removed; check its name"
            ) from None
        hash_file(target).write_text(f"{found}  {target.name}\n", encoding="utf-8")
        self.part.replace(target)

    def discard(self) -> None:
        """Remove what has arrived."""
        self.part.unlink(missing_ok=True)

    def _take_up(self, milestones: Sequence[ExpectedFile]) -> None:
        for milestone in milestones:
            end_bytes = milestone.size_bytes or 0
            while chunk := self._file.read(min(CHUNK_BYTES, end_bytes - self.received_bytes)):
                self._count(chunk)
            if not self.settle(milestone):
                self.refused_bytes = self.received_bytes - self._settled[0] if self.received_bytes == end_bytes else 0
                break
        self.received_bytes, settled = self._settled
        self._hash = settled.copy()
        self._file.seek(self.received_bytes)
        self._file.truncate()

    def _count(self, chunk: bytes) -> None:
        self._hash.update(chunk)
        self.received_bytes += len(chunk)


def part_path(target: Path, expected: ExpectedFile) -> Path:
    """Where the file arrives: named by its hash, so that two versions never mix; parts of other versions go."""
    part = target.with_name(f"{target.name}.{(expected.sha256 or 'unknown')[:16]}.part")
    for other in target.parent.glob("*.part"):
        if other.name.startswith(f"{target.name}.") and other != part:
            other.unlink(missing_ok=True)
    return part


def hash_file(target: Path) -> Path:
    """Where the SHA-256 of a pulled file is written down."""
    return target.with_name(f"{target.name}.sha256")


def recorded_sha256(target: Path) -> str | None:
    """The SHA-256 that a file had when it was pulled; None when nobody wrote it down."""
    try:
        words = hash_file(target).read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError):
        return None
    return words[0] if words else None


@asynccontextmanager
async def sole_pull(folder: Path, clock: Clock) -> AsyncIterator[None]:
    """One pull at a time into a folder, over all processes; the lock ends with the process that holds it."""
    with _lock_file(folder) as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await clock.sleep(_LOCK_POLL_SECONDS)
        yield


def _lock_file(folder: Path) -> IO[bytes]:
    folder.mkdir(parents=True, exist_ok=True)
    return (folder / ".lock").open("ab")


# Downloads one file from a Hugging Face hub, going on where a connection was cut.


DEFAULT_ENDPOINT = "https://huggingface.co"
_FAILURES_IN_A_ROW = 6
# Where nothing came, ever, there is likely no way to the hub: the user is not kept waiting for half a minute.
_UNREACHED_IN_A_ROW = 3
_LONGEST_PAUSE_SECONDS = 30.0
_REDIRECTS = 5
_SHA256 = re.compile(r"[0-9a-f]{64}")

T = TypeVar("T")


class _Passing(Exception):
    """A failure that may be over next time."""


class _Unreached(_Passing):
    """Nobody answered at all."""


class Hub:
    """One hub: `HF_ENDPOINT`, `HF_TOKEN` and proxies are read from the environment, as the hub's own tools do.

    The session's timeouts decide when a silent connection counts as cut. `otherwise`: where else the user can have the
    file from, a clause for the end of an error.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        environ: Mapping[str, str],
        clock: Clock,
        progress: Callable[[int, int | None], None],
        *,
        otherwise: str = "",
    ) -> None:
        self._otherwise = f"; or {otherwise}" if otherwise else ""
        self._session = session
        self._clock = clock
        self._progress = progress
        self._endpoint = (environ.get("HF_ENDPOINT") or DEFAULT_ENDPOINT).rstrip("/")
        self._proxy = proxy_for(self._endpoint, environ)
        self._headers = {"Accept-Encoding": "identity"}
        if token := environ.get("HF_TOKEN", "").strip():
            self._headers["Authorization"] = f"Bearer {token}"

    async def fetch(
        self,
        source: HubSource,
        target: Path,
        known: ExpectedFile,
        admit: Callable[[int, int], None] | None = None,
    ) -> None:
        """Download to `target`; `known` is what the file must be: what it leaves open, the hub is asked.

        `admit` is called with the file's size and with how much of it is here, before it is fetched, and raises when
        there is no room for it.

        What has arrived when a download is given up stays beside `target` and is used by the next call, if the file's
        hash is known; a file put together in two goes that turns out wrong is fetched once more from the beginning.

        Raises:
            NotFound: the hub has no such file.
            NotReady: the hub refuses, cannot be reached, keeps failing, or sends another file.
            OSError: `target`'s folder cannot be written.
        """
        url = f"{self._endpoint}/{quote(f'{source.repository}/resolve/{source.revision}/{source.file}')}"
        announced = await self._persist(lambda: self._announced(url), lambda: 0)
        expected = ExpectedFile(
            sha256=known.sha256 or announced.sha256, size_bytes=known.size_bytes or announced.size_bytes
        )
        target.parent.mkdir(parents=True, exist_ok=True)
        part = part_path(target, expected)
        if admit and expected.size_bytes is not None:
            admit(expected.size_bytes, part.stat().st_size if part.is_file() else 0)
        with Incoming(part, resume=expected.sha256 is not None) as incoming, _not_filling_the_disk(incoming):
            resumed = incoming.received_bytes > 0
            await self._download(url, incoming, expected)
            if resumed and not incoming.matches(expected):
                incoming.restart()
                await self._download(url, incoming, expected)
            incoming.commit(target, expected)

    async def _download(self, url: str, incoming: Incoming, expected: ExpectedFile) -> None:
        if incoming.received_bytes and incoming.received_bytes == expected.size_bytes:
            return
        await self._persist(lambda: self._stream(url, incoming, expected), lambda: incoming.received_bytes)

    async def _persist(self, attempt: Callable[[], Awaitable[T]], arrived: Callable[[], int]) -> T:
        """Try until it works, with pauses; give up after several failures in a row that brought nothing new."""
        failures, furthest = 0, arrived()
        while True:
            try:
                return await attempt()
            except _Passing as problem:
                failures = 1 if arrived() > furthest else failures + 1
                furthest = max(furthest, arrived())
                unreached = isinstance(problem, _Unreached) and not furthest
                if failures == (_UNREACHED_IN_A_ROW if unreached else _FAILURES_IN_A_ROW):
                    goes_on = ": it goes on where it stopped" if furthest else ""
                    raise NotReady(
                        f"{self._endpoint} failed {failures} times in a row ({problem}); check the network, or set "
                        f"HF_ENDPOINT to a mirror, and run the same command again{goes_on}{self._otherwise}"
                    ) from None
            await self._clock.sleep(min(2.0 ** (failures - 1), _LONGEST_PAUSE_SECONDS))

    async def _announced(self, url: str) -> ExpectedFile:
        """What the hub says of the file, on its own host: the storage that it redirects to does not say it."""
        for _ in range(_REDIRECTS):
            with _network_failures():
                async with self._session.head(
                    url, headers=self._headers, allow_redirects=False, proxy=self._proxy
                ) as response:
                    self._judge(response, url)
                    location = response.headers.get("Location", "")
                    headers = response.headers
            if not location or urlsplit(location).netloc or "X-Linked-Etag" in headers:
                break
            url = urljoin(url, location)
        sha256 = headers.get("X-Linked-Etag", "").removeprefix("W/").strip('"')
        # Without the hub's own figure, the length is that of whatever page answered: not to be relied on.
        size = headers.get("X-Linked-Size", "")
        return ExpectedFile(
            sha256=sha256 if _SHA256.fullmatch(sha256) else None, size_bytes=int(size) if size.isdecimal() else None
        )

    async def _stream(self, url: str, incoming: Incoming, expected: ExpectedFile) -> None:
        """One request for what is missing; returns when the hub has sent all that it has."""
        start = incoming.received_bytes
        headers = self._headers | ({"Range": f"bytes={start}-"} if start else {})
        with _network_failures():
            async with self._session.get(url, headers=headers, proxy=self._proxy) as response:
                if response.status == 416:
                    incoming.restart()
                    raise _Passing("it has less of the file than was fetched before")
                self._judge(response, url)
                if start and not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
                    incoming.restart()
                async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                    incoming.write(chunk)
                    self._progress(incoming.received_bytes, expected.size_bytes)
                    if expected.size_bytes is not None and incoming.received_bytes > expected.size_bytes:
                        return

    def _judge(self, response: aiohttp.ClientResponse, url: str) -> None:
        status = response.status
        if status in {408, 429} or status >= 500:
            raise _Passing(f"HTTP {status}")
        if status in {401, 403}:
            raise NotReady(
                f"{url} is not open to you (HTTP {status}): check the name; for a gated or private model, accept its "
                f"terms on its page and set HF_TOKEN{self._otherwise}"
            )
        if status in {404, 410}:
            raise NotFound(
                f"{url} is not there (HTTP {status}); check owner, repository and file name{self._otherwise}"
            )
        if status >= 400:
            raise NotReady(f"{url} was refused (HTTP {status}); check its name and HF_ENDPOINT{self._otherwise}")


@contextmanager
def _not_filling_the_disk(incoming: Incoming) -> Iterator[None]:
    """When the disk is full, what has arrived is what fills it."""
    try:
        yield
    except OSError:
        incoming.discard()
        raise


@contextmanager
def _network_failures() -> Iterator[None]:
    import aiohttp

    try:
        yield
    except aiohttp.InvalidURL as error:
        raise NotReady(f"{error} is no web address; check HF_ENDPOINT") from None
    except aiohttp.ClientConnectorError as error:
        raise _Unreached(str(error)) from None
    except (aiohttp.ClientError, ConnectionError, TimeoutError) as error:
        raise _Passing(str(error) or type(error).__name__) from None
