"""A hub on loopback that cuts, lies and refuses: the file arrives whole, or not at all."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp import web

from flatfield.errors import NotFound, NotReady
from flatfield.machine.models.incoming import ExpectedFile, Hub
from flatfield.machine.models.known import HubSource

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from flatfield.testing.clocks import FakeClock

pytestmark = pytest.mark.whole

SOURCE = HubSource(repository="owner/repo", file="sub/file.gguf")


class FakeHub:
    """Answers as the real one: the name redirects to storage, and only the redirect tells the file's hash."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.sha256: str | None = hashlib.sha256(content).hexdigest()
        self.cuts: list[int] = []
        """How many bytes each of the next answers holds before the connection is cut."""
        self.statuses: list[int] = []
        self.ranges: list[str | None] = []
        self.tokens: list[str | None] = []
        self.takes_ranges = True
        self.says_length = True

    async def name(self, request: web.Request) -> web.StreamResponse:
        self.tokens.append(request.headers.get("Authorization"))
        if request.match_info["file"] != SOURCE.file:
            return web.Response(status=404)
        if self.statuses:
            return web.Response(status=self.statuses.pop(0))
        headers = {"Location": f"http://127.0.0.1:{request.url.port}/storage"}
        if self.sha256:
            headers |= {"X-Linked-Etag": f'"{self.sha256}"', "X-Linked-Size": str(len(self.content))}
        return web.Response(status=302, headers=headers)

    async def renamed(self, _request: web.Request) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": f"/owner/repo/resolve/main/{SOURCE.file}"})

    async def storage(self, request: web.Request) -> web.StreamResponse:
        wanted = request.headers.get("Range")
        self.ranges.append(wanted)
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and self.takes_ranges else 0
        if start >= len(self.content):
            return web.Response(status=416)
        rest = self.content[start:]
        response = web.StreamResponse(status=206 if start else 200)
        if start:
            response.headers["Content-Range"] = f"bytes {start}-{len(self.content) - 1}/{len(self.content)}"
        if self.says_length:
            response.content_length = len(rest)
        await response.prepare(request)
        if self.cuts:
            await response.write(rest[: self.cuts.pop(0)])
            assert request.transport
            request.transport.close()
            return response
        await response.write(rest)
        return response


@pytest.fixture
def fake(content: bytes) -> FakeHub:
    return FakeHub(content)


@pytest.fixture
async def endpoint(fake: FakeHub) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/owner/repo/resolve/main/{file:.+}", fake.name)
    app.router.add_route("*", "/old/repo/resolve/main/{file:.+}", fake.renamed)
    app.router.add_get("/storage", fake.storage)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
async def hub(endpoint: str, clock: FakeClock, progress: Callable[[int, int | None], None]) -> AsyncIterator[Hub]:
    async with aiohttp.ClientSession() as session:
        yield Hub(session, {"HF_ENDPOINT": f"{endpoint}/", "HF_TOKEN": "secret"}, clock, progress)


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_a_file_arrives(
    hub: Hub, fake: FakeHub, tmp_path: Path, content: bytes, seen: list[tuple[int, int | None]]
) -> None:
    target = tmp_path / "file.gguf"
    await hub.fetch(SOURCE, target, ExpectedFile())
    assert read(target) == content
    assert left(tmp_path) == ["file.gguf", "file.gguf.sha256"]
    assert seen[-1] == (len(content), len(content))
    assert set(fake.tokens) == {"Bearer secret"}


def read(path: Path) -> bytes:
    return path.read_bytes()


async def test_a_repository_that_was_renamed(hub: Hub, tmp_path: Path, content: bytes) -> None:
    target = tmp_path / "file.gguf"
    await hub.fetch(HubSource(repository="old/repo", file=SOURCE.file), target, ExpectedFile())
    assert read(target) == content


@pytest.mark.parametrize("cuts", [[1_000_000], [0, 0, 1, 0, 700_000, 0, 0, 0, 0, 900_000, 0]])
async def test_cut_in_the_middle_it_goes_on(
    hub: Hub, fake: FakeHub, tmp_path: Path, content: bytes, cuts: list[int]
) -> None:
    fake.cuts = list(cuts)
    await hub.fetch(SOURCE, tmp_path / "file.gguf", ExpectedFile())
    assert read(tmp_path / "file.gguf") == content
    assert len(fake.ranges) == len(cuts) + 1
    assert fake.ranges[-1] is not None


async def test_a_cut_is_seen_where_no_length_was_announced(
    hub: Hub, fake: FakeHub, tmp_path: Path, content: bytes
) -> None:
    fake.cuts = [1_000_000]
    fake.says_length = False
    await hub.fetch(SOURCE, tmp_path / "file.gguf", ExpectedFile())
    assert read(tmp_path / "file.gguf") == content
    assert len(fake.ranges) == 2


async def test_a_server_that_cannot_go_on_starts_again(hub: Hub, fake: FakeHub, tmp_path: Path, content: bytes) -> None:
    fake.cuts = [1_000_000]
    fake.takes_ranges = False
    await hub.fetch(SOURCE, tmp_path / "file.gguf", ExpectedFile())
    assert read(tmp_path / "file.gguf") == content


async def test_given_up_then_called_again_it_goes_on(
    hub: Hub, fake: FakeHub, tmp_path: Path, content: bytes, clock: FakeClock
) -> None:
    fake.cuts = [2_000_000, *[0] * 6]
    with pytest.raises(NotReady, match=r"failed 6 times in a row .* run the same command again"):
        await hub.fetch(SOURCE, tmp_path / "file.gguf", ExpectedFile())
    assert clock.slept == [1, 2, 4, 8, 16, 30][: len(clock.slept)]
    [part] = left(tmp_path)
    assert part.endswith(".part")
    fake.cuts, fake.ranges = [], []
    await hub.fetch(SOURCE, tmp_path / "file.gguf", ExpectedFile())
    assert fake.ranges == ["bytes=2000000-"]
    assert read(tmp_path / "file.gguf") == content
    assert left(tmp_path) == ["file.gguf", "file.gguf.sha256"]


def part_of(fake: FakeHub, folder: Path, content: bytes) -> None:
    (folder / f"file.gguf.{(fake.sha256 or '')[:16]}.part").write_bytes(content)


@pytest.mark.parametrize("size", [1_000_000, 2_500_008, 3_000_000])
async def test_what_was_left_is_wrong_and_fetched_again(
    hub: Hub, fake: FakeHub, tmp_path: Path, content: bytes, size: int
) -> None:
    part_of(fake, tmp_path, b"x" * size)
    await hub.fetch(SOURCE, tmp_path / "file.gguf", ExpectedFile())
    assert read(tmp_path / "file.gguf") == content


async def test_what_was_left_is_all_of_it(hub: Hub, fake: FakeHub, tmp_path: Path, content: bytes) -> None:
    part_of(fake, tmp_path, content)
    await hub.fetch(SOURCE, tmp_path / "file.gguf", ExpectedFile())
    assert fake.ranges == []


async def test_what_was_left_of_another_version_goes(hub: Hub, tmp_path: Path, content: bytes) -> None:
    part_of(FakeHub(b"GGUF of yesterday"), tmp_path, b"GGUF of")
    await hub.fetch(SOURCE, tmp_path / "file.gguf", ExpectedFile())
    assert left(tmp_path) == ["file.gguf", "file.gguf.sha256"]
    assert read(tmp_path / "file.gguf") == content


@pytest.mark.parametrize(
    "known", [ExpectedFile(sha256="0" * 64), ExpectedFile(size_bytes=99), ExpectedFile(size_bytes=2_500_009)]
)
async def test_another_file_than_expected_is_refused_and_removed(hub: Hub, tmp_path: Path, known: ExpectedFile) -> None:
    with pytest.raises(NotReady):
        await hub.fetch(SOURCE, tmp_path / "file.gguf", known)
    assert [name for name in left(tmp_path) if not name.endswith(".part")] == []


async def test_a_wrong_hash_says_both(hub: Hub, fake: FakeHub, tmp_path: Path) -> None:
    right = fake.sha256
    with pytest.raises(NotReady, match=f"refused and removed: .* SHA-256 {right}, expected .*{'0' * 64}"):
        await hub.fetch(SOURCE, tmp_path / "file.gguf", ExpectedFile(sha256="0" * 64))
    assert left(tmp_path) == []


async def test_a_file_without_a_known_hash(hub: Hub, fake: FakeHub, tmp_path: Path, content: bytes) -> None:
    fake.sha256 = None
    fake.cuts = [1_000_000]
    (tmp_path / "file.gguf.unknown.part").write_bytes(b"GGUF of who knows what")
    await hub.fetch(SOURCE, tmp_path / "file.gguf", ExpectedFile())
    assert read(tmp_path / "file.gguf") == content


async def test_what_is_no_model_is_removed(hub: Hub, fake: FakeHub, tmp_path: Path) -> None:
    fake.content, fake.sha256 = b"<html>", None
    with pytest.raises(NotReady, match="no GGUF file and was removed"):
        await hub.fetch(SOURCE, tmp_path / "file.gguf", ExpectedFile())
    assert left(tmp_path) == []


async def test_a_file_that_is_not_there(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"resolve/main/other.gguf is not there \(HTTP 404\)"):
        await hub.fetch(HubSource(repository="owner/repo", file="other.gguf"), tmp_path / "file.gguf", ExpectedFile())
    assert left(tmp_path) == []


@pytest.mark.parametrize(("status", "words"), [(401, "set HF_TOKEN"), (403, "set HF_TOKEN"), (400, "was refused")])
async def test_a_refusal_is_final(
    hub: Hub, fake: FakeHub, tmp_path: Path, clock: FakeClock, status: int, words: str
) -> None:
    fake.statuses = [status]
    with pytest.raises(NotReady, match=words):
        await hub.fetch(SOURCE, tmp_path / "file.gguf", ExpectedFile())
    assert clock.slept == []


async def test_a_busy_hub_is_asked_again(
    hub: Hub, fake: FakeHub, tmp_path: Path, content: bytes, clock: FakeClock
) -> None:
    fake.statuses = [503, 429, 500]
    await hub.fetch(SOURCE, tmp_path / "file.gguf", ExpectedFile())
    assert read(tmp_path / "file.gguf") == content
    assert clock.slept == [1, 2, 4]


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "no address"])
async def test_no_hub(tmp_path: Path, clock: FakeClock, address: str) -> None:
    async with aiohttp.ClientSession() as session:
        hub = Hub(session, {"HF_ENDPOINT": address}, clock, lambda *_: None)
        with pytest.raises(NotReady, match="HF_ENDPOINT"):
            await hub.fetch(SOURCE, tmp_path / "file.gguf", ExpectedFile())


async def test_a_full_disk_is_not_kept_full(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("flatfield.machine.models.incoming.Incoming.write", full)
    with pytest.raises(OSError, match="No space left"):
        await hub.fetch(SOURCE, tmp_path / "file.gguf", ExpectedFile())
    assert left(tmp_path) == []
