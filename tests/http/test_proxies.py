"""Proxies as the environment names them, with a real one on loopback; loopback itself never goes through one."""

from __future__ import annotations

import asyncio
import base64
import ssl
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest
import trustme

from flatfield.errors import NotReady, ProviderError
from flatfield.http.connecting import proxy_for
from flatfield.http.retrying import Post
from flatfield.http.transport import Transport, open_session
from flatfield.testing.fake_server import FakeReply, FakeServer
from flatfield.testing.wires.openai_chat import ChatWire
from flatfield.vendors.openai_chat.reader import ChatReader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from flatfield.testing.clocks import FakeClock

BOTH = {"HTTP_PROXY": "http://plain:1", "HTTPS_PROXY": "http://secure:2"}


@pytest.mark.parametrize(
    ("url", "environ", "proxy"),
    [
        ("http://a.example/v1", BOTH, "http://plain:1"),
        ("https://a.example:8443/v1", BOTH, "http://secure:2"),
        ("https://a.example", {}, None),
        ("https://a.example", {"ALL_PROXY": "http://all:3"}, "http://all:3"),
        ("https://a.example", {"HTTPS_PROXY": ""}, None),
        ("https://a.example", {"HTTPS_PROXY": "plain:3128"}, "http://plain:3128"),
        ("https://a.example", BOTH | {"https_proxy": "http://lower:4"}, "http://lower:4"),
        ("https://a.example", {"https_proxy": "http://lower:4"} | BOTH, "http://lower:4"),
        ("https://a.example", BOTH | {"NO_PROXY": "b.example, .example"}, None),
        ("https://a.example:8443", BOTH | {"no_proxy": "a.example:8443"}, None),
        ("https://a.example", BOTH | {"NO_PROXY": "*"}, None),
        ("https://a.example", BOTH | {"NO_PROXY": "b.example"}, "http://secure:2"),
        ("http://127.0.0.1:8080/v1", BOTH, None),
        ("http://127.1.2.3:8080/v1", BOTH, None),
        ("http://localhost:8080/v1", BOTH, None),
        ("http://[::1]:8080/v1", BOTH, None),
        ("http://10.0.0.1:8080/v1", BOTH, "http://plain:1"),
    ],
)
def test_the_proxy_for_an_address(url: str, environ: dict[str, str], proxy: str | None) -> None:
    assert proxy_for(url, environ) == proxy


@pytest.mark.parametrize("proxy", ["socks5://me:planted@127.0.0.1:9", "http://"])
def test_what_is_no_http_proxy_is_said(proxy: str) -> None:
    with pytest.raises(NotReady, match=r"for a.example: only http:// and https:// proxies") as raised:
        proxy_for("https://a.example", {"ALL_PROXY": proxy})
    assert "planted" not in str(raised.value)


class Proxy:
    """An HTTP proxy whose every destination is one server: it notes what it was asked for."""

    def __init__(self, target: str, refusal: bytes = b"") -> None:
        self.host, self.port = target.split("/")[2].split(":")
        self.refusal = refusal
        self.asked: list[str] = []
        self.heads: list[str] = []

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.asked.append(" ".join(head.decode().split(" ")[:2]))
        self.heads.append(head.decode())
        if self.refusal:
            writer.write(self.refusal)
            writer.close()
            await writer.wait_closed()
            return
        onward, back = await asyncio.open_connection(self.host, self.port)
        if head.startswith(b"CONNECT"):
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            back.write(head)
        await asyncio.gather(pumped(reader, back), pumped(onward, writer))


async def pumped(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    with suppress(ConnectionError):
        sink.close()
        await sink.wait_closed()


@asynccontextmanager
async def proxied(server: FakeServer, refusal: bytes = b"") -> AsyncIterator[tuple[Proxy, str]]:
    proxy = Proxy(server.base_url, refusal)
    door = await asyncio.start_server(proxy.handle, "127.0.0.1", 0)
    async with door:
        host, port = door.sockets[0].getsockname()
        yield proxy, f"http://me:planted@{host}:{port}"


async def ask(url: str, clock: FakeClock, environ: dict[str, str]) -> str:
    body = b'{"model": "m", "stream": true, "messages": [{"role": "user", "content": "hi"}]}'
    post = Post(url=url, headers={"Content-Type": "application/json"}, body=body, seconds=30.0)
    async with open_session(clock, environ) as session:
        transport = Transport(session, clock, proxy=proxy_for(url, environ))
        return (await transport.post(post, ChatReader)).reader.text


async def test_a_request_goes_through_the_proxy_with_its_password(clock: FakeClock) -> None:
    async with FakeServer(ChatWire(), [FakeReply(text="ok")]) as server, proxied(server) as (proxy, address):
        url = "http://api.example.test/v1/chat/completions"
        assert await ask(url, clock, {"HTTP_PROXY": address}) == "ok"
    assert proxy.asked == [f"POST {url}"]
    assert f"Basic {base64.b64encode(b'me:planted').decode()}" in proxy.heads[0]


async def test_tls_goes_through_a_tunnel_and_is_checked_at_its_end(clock: FakeClock, tmp_path: Path) -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("api.example.test").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    url = "https://api.example.test/v1/chat/completions"
    server = FakeServer(ChatWire(), [FakeReply(text="ok")])
    server.tls = context
    async with server, proxied(server) as (proxy, address):
        environ = {"HTTPS_PROXY": address, "SSL_CERT_FILE": str(tmp_path / "ca.pem")}
        assert await ask(url, clock, environ) == "ok"
    assert proxy.asked == ["CONNECT api.example.test:443"]
    assert not any("authorization: bearer" in head.lower() for head in proxy.heads)


async def test_a_proxy_that_refuses_is_said_without_its_password_and_not_asked_again(clock: FakeClock) -> None:
    refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    async with FakeServer(ChatWire(), []) as server, proxied(server, refusal) as (proxy, address):
        with pytest.raises(ProviderError, match=r"answered 407 .*check its user and password") as raised:
            await ask("https://api.example.test/v1/chat/completions", clock, {"ALL_PROXY": address})
    assert ("planted" in str(raised.value), len(proxy.asked), clock.slept) == (False, 1, [])


async def test_loopback_goes_around_the_proxy(clock: FakeClock) -> None:
    async with FakeServer(ChatWire(), [FakeReply(text="ok")]) as server, proxied(server) as (proxy, address):
        assert await ask(f"{server.base_url}/chat/completions", clock, {"ALL_PROXY": address}) == "ok"
    assert proxy.asked == []
