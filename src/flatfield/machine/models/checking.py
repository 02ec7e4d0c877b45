"""Checks a model for good: its file's hash, then its server, asked for one token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from flatfield import json_text
from flatfield.errors import NotReady
from flatfield.machine.llama import DEFAULT_CONTEXT_TOKENS
from flatfield.machine.llama.server import LocalServer, ServerSpec, start_server, usable_threads
from flatfield.machine.models.pulling import expected_sha256, file_sha256
from flatfield.machine.models.store import find_model

if TYPE_CHECKING:
    from flatfield.http.services import Services

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
    path = find_model(name, services.cache)
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
