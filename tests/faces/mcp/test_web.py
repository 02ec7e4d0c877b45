"""The server over HTTP: only those it is meant for reach it, with a token where that is asked, with small bodies."""

from __future__ import annotations

import asyncio
import io
import json
import os
import socket
import sys
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from flatfield.errors import FlatfieldError
from flatfield.faces.mcp.door import LARGEST_BODY_BYTES, Listening, is_loopback
from flatfield.faces.mcp.server import bound

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.whole

ACCEPT = {"Accept": "application/json, text/event-stream"}


async def test_a_web_page_cannot_reach_it(make_desk: Callable[..., Any], serving: Any, status: Any) -> None:
    async with serving(make_desk()) as url:
        own = url.removesuffix("/mcp")
        assert await status(url, {}) == 200
        assert await status(url, {"Origin": own}) == 200, "its own origin, of which it serves no page"
        for origin in ("https://evil.example", "http://127.0.0.1:1", "http://localhost.evil.example", "null"):
            assert await status(url, {"Origin": origin}) == 403, origin
        for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example:1", "localhost.evil.example"):
            assert await status(url, {"Host": host}) == 421, host
        assert await status(url, {"Content-Type": "text/plain"}) == 400, "what a form can send without a preflight"


async def test_an_origin_that_the_user_allows_may(make_desk: Callable[..., Any], serving: Any, status: Any) -> None:
    async with serving(make_desk(), origins=("https://good.example",)) as url:
        assert await status(url, {"Origin": "https://good.example"}) == 200
        assert await status(url, {"Origin": "https://evil.example"}) == 403


async def test_a_token_is_asked_for_and_compared_whole(
    make_desk: Callable[..., Any], serving: Any, status: Any
) -> None:
    async with serving(make_desk(), token="right-token") as url:
        assert await status(url, {}) == 401
        for wrong in ("Bearer wrong", "Bearer right-toke", "Bearer right-token2", "right-token", "bearer"):
            assert await status(url, {"Authorization": wrong}) == 401, wrong
        assert await status(url, {"Authorization": "Bearer right-token"}) == 200


async def test_a_large_body_is_refused(make_desk: Callable[..., Any], serving: Any, hello: dict[str, Any]) -> None:
    body = io.BytesIO(json.dumps(hello | {"padding": "x" * LARGEST_BODY_BYTES}).encode())
    headers = ACCEPT | {"Content-Type": "application/json"}
    async with (
        serving(make_desk()) as url,
        aiohttp.ClientSession() as session,
        session.post(url, data=body, headers=headers) as reply,
    ):
        assert reply.status == 413


async def test_the_sdks_client_calls_a_tool_over_it(make_desk: Callable[..., Any], serving: Any) -> None:
    from mcp import Client

    async with serving(make_desk(agent="noop")) as url, Client(url) as client:
        result = await client.call_tool("prompt_nano_agent", {"agentic_prompt": "Nothing."})
    assert result.structured_content["success"] is True


async def test_a_client_without_a_stream_of_its_own_is_asked_for_its_roots_on_the_calls(
    make_desk: Callable[..., Any], serving: Any, hello: dict[str, Any], folder: Path
) -> None:
    (folder / "inner").mkdir()
    hello = hello | {"params": hello["params"] | {"capabilities": {"roots": {}}}}
    call = {
        "jsonrpc": "2.0", "id": 2, "method": "tools/call",
        "params": {"name": "prompt_nano_agent", "arguments": {"agentic_prompt": "x", "workspace": "."}},
    }  # fmt: skip
    async with serving(make_desk(agent="noop")) as url, aiohttp.ClientSession(headers=ACCEPT) as session:
        async with session.post(url, json=hello) as reply:
            known = {"Mcp-Session-Id": reply.headers["Mcp-Session-Id"], "MCP-Protocol-Version": "2025-06-18"}
        ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        async with session.post(url, json=ready, headers=known) as reply:
            assert reply.status == 202
        async with asyncio.timeout(60), session.post(url, json=call, headers=known) as stream:
            while b"roots/list" not in (line := await stream.content.readline()):
                assert line
            asked = json.loads(line.removeprefix(b"data: "))
            roots = {"roots": [{"uri": (folder / "inner").as_uri()}]}
            answer = {"jsonrpc": "2.0", "id": asked["id"], "result": roots}
            async with session.post(url, json=answer, headers=known) as reply:
                assert reply.status == 202
            rest = await stream.content.read()
    assert b"workspace must lie inside" in rest, "the client's root narrows where agents may work"


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("127.8.9.1", True), ("0.0.0.0", False),
     ("192.168.1.2", False), ("::", False), ("localhost.evil.example", False)],
)  # fmt: skip
def test_what_is_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_a_port_that_is_taken_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(FlatfieldError, match=f"cannot listen at 127.0.0.1:{port}"):
            bound(Listening(host="127.0.0.1", port=port))


async def test_elsewhere_than_on_loopback_a_token_is_made_and_shown_once(folder: Path, status: Any) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "flatfield", "mcp", "--http", "0.0.0.0:0",
        stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=folder,
        env={**os.environ, "FLATFIELD_CACHE": str(folder / "cache")},
    )  # fmt: skip
    assert process.stderr is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            where = (await process.stderr.readline()).decode()
            token = (await process.stderr.readline()).decode().strip().removeprefix("clients send: ")
        url = where.split()[2].rstrip(";").replace("0.0.0.0", "127.0.0.1")
        name, value = token.split(": ", 1)
        assert (name, len(value) > 40) == ("Authorization", True)
        host = {"Host": where.split()[2].split("/")[2]}
        assert host["Host"].startswith("0.0.0.0:")
        assert await status(url, host) == 401
        assert await status(url, host | {name: value}) == 200
        assert await status(url, {name: value}) == 421, "by another name it is not reached, without --allow-host"
    finally:
        process.terminate()
        out, _ = await process.communicate()
    assert out == b""
