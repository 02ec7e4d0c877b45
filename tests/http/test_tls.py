"""Authorities of one's own: a real TLS server on loopback, and the variables that name who is trusted."""

from __future__ import annotations

import gc
import ssl
import warnings
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import trustme

from flatfield.errors import NotReady, ProviderError
from flatfield.http.connecting import trusted
from flatfield.http.retrying import Post
from flatfield.http.transport import Transport, open_session
from flatfield.testing.fake_server import FakeReply, FakeServer
from flatfield.testing.wires.openai_chat import ChatWire
from flatfield.vendors.openai_chat.reader import ChatReader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from flatfield.testing.clocks import FakeClock

OTHER = trustme.CA()
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


@pytest.fixture(autouse=True)
def _refused_handshakes() -> Iterator[None]:
    """What asyncio's server leaves of a handshake that a client breaks off goes now, and not in another test."""
    gc.freeze()  # what is older, all other tests' modules among it, need not be looked through
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    gc.unfreeze()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@asynccontextmanager
async def secured(authority: trustme.CA) -> AsyncIterator[FakeServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server = FakeServer(ChatWire(), lambda _request, _number: FakeReply(text="ok"))
    server.tls = context
    async with server:
        yield server


async def ask(server: FakeServer, clock: FakeClock, environ: dict[str, str]) -> str:
    body = b'{"model": "m", "stream": true, "messages": [{"role": "user", "content": "hi"}]}'
    post = Post(
        url=f"{server.base_url}/chat/completions", headers={"Content-Type": "application/json"}, body=body, seconds=30.0
    )
    async with open_session(clock, environ) as session:
        return (await Transport(session, clock).post(post, ChatReader)).reader.text


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
async def test_an_authority_that_a_variable_names_is_trusted(
    authority: trustme.CA, clock: FakeClock, tmp_path: Path, variable: str
) -> None:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    async with secured(authority) as server:
        assert server.base_url.startswith("https://")
        assert await ask(server, clock, {variable: str(tmp_path / "ca.pem")}) == "ok"


async def test_the_first_variable_wins_and_a_folder_adds_to_it(
    authority: trustme.CA, clock: FakeClock, tmp_path: Path
) -> None:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    OTHER.cert_pem.write_to_path(tmp_path / "other.pem")
    right, wrong = str(tmp_path / "ca.pem"), str(tmp_path / "other.pem")
    async with secured(authority) as server:
        assert await ask(server, clock, {"SSL_CERT_FILE": right, "REQUESTS_CA_BUNDLE": wrong}) == "ok"
        with pytest.raises(ProviderError, match="is not trusted"):
            await ask(server, clock, {"REQUESTS_CA_BUNDLE": wrong, "CURL_CA_BUNDLE": right})
        folder = tmp_path / "certificates"
        folder.mkdir()
        (folder / f"{subject_hash(authority, tmp_path)}.0").write_bytes(authority.cert_pem.bytes())
        assert await ask(server, clock, {"SSL_CERT_FILE": wrong, "SSL_CERT_DIR": f"/nowhere:{folder}"}) == "ok"


def subject_hash(authority: trustme.CA, folder: Path) -> str:
    """What OpenSSL looks an authority up by in a folder (`openssl rehash` makes these names)."""
    import subprocess

    path = folder / "hashed.pem"
    authority.cert_pem.write_to_path(path)
    said = subprocess.run(["openssl", "x509", "-hash", "-noout", "-in", path], capture_output=True, check=True)
    return said.stdout.decode().strip()


async def test_a_certificate_that_is_not_trusted_is_one_sentence_and_not_retried(
    authority: trustme.CA, clock: FakeClock
) -> None:
    async with secured(authority) as server:
        with pytest.raises(ProviderError) as raised:
            await ask(server, clock, {})
    said = str(raised.value)
    assert "the certificate of https://127.0.0.1:" in said
    assert said.endswith("name its certificate's file in SSL_CERT_FILE")
    assert (clock.slept, server.requests, len(raised.value.left.wire)) == ([], [], 1)


@pytest.mark.parametrize(
    ("text", "reason"), [(None, "No such file or directory"), ("no certificate", "no certificate in PEM form")]
)
def test_a_file_that_cannot_be_used_is_said_before_anything_is_sent(
    tmp_path: Path, text: str | None, reason: str
) -> None:
    path = tmp_path / "ca.pem"
    if text is not None:
        path.write_text(text)
    with pytest.raises(NotReady, match=f"^CURL_CA_BUNDLE names {path}, .*{reason}.*unset it$"):
        trusted({"CURL_CA_BUNDLE": str(path)})


def test_nothing_named_is_the_systems_own() -> None:
    assert trusted({"SSL_CERT_FILE": " ", "SSL_CERT_DIR": ""}) is None
