"""`flatfield mcp`: the MCP server, on stdio or over HTTP."""

from __future__ import annotations

import os
import secrets
import select
import sys
import threading
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flatfield.errors import FlatfieldError
from flatfield.faces.cli.common import environ_of, examples, note, prices_of, settings
from flatfield.faces.cli.ending import interruptible
from flatfield.faces.cli.speech import HeardVoice, heard
from flatfield.faces.cli.trust import access_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from flatfield.faces.mcp.desk import ServerDesk
    from flatfield.faces.mcp.door import Listening
    from flatfield.faces.mcp.server import AnsweringServer

TOKEN = "FLATFIELD_MCP_TOKEN"  # noqa: S105 - the name of the variable that holds it
LAST_WORDS_SECONDS = 2.0
"""How long a client that leaves is kept waiting for what is still to be said."""
_PIECE_BYTES = 64 * 1024
DEFAULT_PLACE = "127.0.0.1:8747"
EPILOG = examples(
    "claude mcp add flatfield -- flatfield mcp     Claude Code starts it, in its own directory",
    "flatfield mcp --root ~/projects --agent nano-agent-gpt-5-mini",
    "flatfield mcp --http 127.0.0.1:8747          http://127.0.0.1:8747/mcp",
    after=f"On other addresses than loopback, clients need a bearer token: {TOKEN}, or one that is shown once.",
)


def command(
    context: typer.Context,
    http: Annotated[
        str | None, typer.Option(metavar="[HOST:PORT]", help=f"Listen there; alone: {DEFAULT_PLACE}.")
    ] = None,
    root: Annotated[
        list[Path] | None, typer.Option(metavar="DIR", help="Agents may work inside; can be given several times.")
    ] = None,
    agent: Annotated[str | None, typer.Option(metavar="NAME", help="Who works when a call names nobody.")] = None,
    allow_urls: Annotated[
        bool, typer.Option("--allow-urls", help="Calls may name PROVIDER:MODEL@URL, not only what is configured.")
    ] = False,
    allow_host: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A name that clients reach the HTTP server by.")
    ] = None,
    allow_origin: Annotated[
        list[str] | None, typer.Option(metavar="ORIGIN", help="A web page's origin that may call the HTTP server.")
    ] = None,
    lops: Annotated[
        list[Path] | None, typer.Option(metavar="DIR", help="LOPs and HOPs there may be evaluated too; several times.")
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH", help="A protected path in workspaces that agents may change; several times."),
    ] = None,
    parallel: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="So many agents work at once (16); who waits for a model is not counted."
        ),
    ] = None,
    ignore_base_urls: Annotated[
        bool,
        typer.Option(
            "--ignore-base-urls", help="Leave out ANTHROPIC_BASE_URL and the like: they are the client's, not agents'."
        ),
    ] = False,
    ask_usd: Annotated[
        float | None, typer.Option(metavar="N", min=0, help="Ask before evaluations of more dollars (1 if not given).")
    ] = None,
    ask_minutes: Annotated[
        float | None, typer.Option(metavar="N", min=0, help="Ask before evaluations of more minutes (60).")
    ] = None,
    lop_prompts: Annotated[
        bool, typer.Option("--lop-prompts", help="Each LOP is a prompt: a slash command in most clients.")
    ] = False,
    speak: Annotated[
        bool, typer.Option("--speak", help="Say aloud when an agent is done and a run is graded.")
    ] = False,
) -> None:
    """Serve MCP clients: prompt_nano_agent, evaluate, report, pick, and what goes with them.

    On stdio, until the client closes it; with --http, until Ctrl-C.
    """
    if ignore_base_urls:
        _forget_base_urls()
    desk = _desk(context, stdio=http is None)
    desk = replace(
        desk,
        roots=_folders("--root", root),
        agent=agent,
        allow_urls=allow_urls,
        lops=_folders("--lops", lops),
        aloud=speak,
        ask_usd=desk.ask_usd if ask_usd is None else ask_usd,
        ask_minutes=desk.ask_minutes if ask_minutes is None else ask_minutes,
        lop_prompts=lop_prompts,
        allow=tuple(allow or ()),
        parallel=desk.parallel if parallel is None else parallel,
    )
    if agent is not None:
        try:
            desk.chosen(desk.project(), agent, None, None)
        except FlatfieldError as error:
            raise FlatfieldError(f"--agent {agent}: {error}") from None
    if http is None:
        if allow_host or allow_origin:
            raise FlatfieldError("--allow-host and --allow-origin are for --http: leave them out, or add --http")
        _serve_stdio(desk)
    else:
        _serve_http(desk, _listening(http, tuple(allow_host or ()), tuple(allow_origin or ())))


def _forget_base_urls() -> None:
    """Take out of this process's environment what sends vendors' models elsewhere; `.env` files stay what they are.

    The address of one's own server (OLLAMA_HOST) is nobody else's setting.
    """
    from flatfield import plugins

    for traits in plugins.all_traits():
        if not traits.own_server and os.environ.pop(traits.url_variable, ""):
            note(f"{traits.url_variable} is ignored: agents ask the addresses of flatfield.toml, or the vendors' own")


def _folders(option: str, given: list[Path] | None) -> tuple[Path, ...]:
    folders = tuple(path.expanduser() for path in given or ())
    for folder in folders:
        if not folder.is_dir():
            raise FlatfieldError(f"{option} {folder} is no directory; name one that exists")
    return folders


def _desk(context: typer.Context, *, stdio: bool) -> ServerDesk:
    from flatfield.clock import SystemClock
    from flatfield.faces.mcp.desk import ServerDesk

    return ServerDesk(
        cwd=Path.cwd(),
        clock=SystemClock(),
        environ_of=environ_of,
        access_of=lambda project: access_of(project, environ_of(project), asks=False, strict=True),
        prices_of=prices_of,
        announce=lambda _: None,
        config=settings(context).config,
        trusts_client=stdio,
    )


def _serve_stdio(desk: ServerDesk) -> None:
    if sys.stdin.isatty():
        note("flatfield mcp speaks JSON-RPC on stdin and stdout: let an MCP client start it, or use --http")
    import asyncio

    import anyio

    stopped = False

    async def serve(server: AnsweringServer) -> None:
        with _closable_stdin() as close, interruptible(lambda: stop(close)):
            await server.run_stdio_async()

    def stop(close: Callable[[], None]) -> None:
        nonlocal stopped
        stopped = True
        close()

    try:
        asyncio.run(_served(desk, serve))
    except* (BrokenPipeError, anyio.BrokenResourceError, anyio.ClosedResourceError):
        pass  # the client is gone, and nobody is left to be told
    if stopped:
        raise KeyboardInterrupt


@contextmanager
def _closable_stdin() -> Iterator[Callable[[], None]]:
    """Standard input as it is, until what this yields is called: then it ends, as when a client has closed it.

    The SDK waits for it in a thread, which nothing but its end can call back.
    """
    given = os.dup(0)
    served, fed = os.pipe()
    called, calls = os.pipe()
    os.dup2(served, 0)
    os.close(served)
    threading.Thread(target=_feed, args=(given, called, fed), daemon=True).start()
    try:
        yield lambda: os.close(calls)
    finally:
        os.dup2(given, 0)


def _feed(given: int, called: int, fed: int) -> None:
    """Hand on what is given, until that ends or the other end of `called` is closed."""
    with suppress(OSError):
        while called not in select.select([given, called], [], [])[0]:
            data = os.read(given, _PIECE_BYTES)
            if not data:
                break
            while data:
                data = data[os.write(fed, data) :]
    os.close(fed)


async def _served(desk: ServerDesk, serve: Callable[[AnsweringServer], Awaitable[None]]) -> None:
    """Build the server and let it serve, with a voice where one is wanted."""
    async with heard(HeardVoice(desk.aloud), last_words_seconds=LAST_WORDS_SECONDS) as speaker:
        server = _built(desk if speaker is None else replace(desk, announce=speaker.say))
        try:
            await serve(server)
        finally:
            await server.at_work.end()


def _built(desk: ServerDesk) -> AnsweringServer:
    """The server, built with the collector off: it would walk the SDK's thousands of new objects again and again."""
    import gc

    gc.disable()
    try:
        from flatfield.faces.mcp.server import build

        return build(desk)
    finally:
        gc.freeze()
        gc.enable()


def _listening(http: str, hosts: tuple[str, ...], origins: tuple[str, ...]) -> Listening:
    from flatfield.faces.mcp.door import Listening, allowed, is_loopback

    host, _, port = http.rpartition(":")
    host = host.strip("[]")
    if not host or not port.isdigit() or int(port) > 65535:
        raise FlatfieldError(f"--http {http!r}: write HOST:PORT, e.g. {DEFAULT_PLACE}")
    token = os.environ.get(TOKEN) or (None if is_loopback(host) else secrets.token_urlsafe(32))
    listening = Listening(host=host, port=int(port), token=token, hosts=hosts, origins=origins)
    allowed(listening)  # whatever is wrong with them is said before anything listens
    return listening


def _serve_http(desk: ServerDesk, listening: Listening) -> None:
    import asyncio

    from msgspec import structs

    from flatfield.faces.mcp.server import PATH, bound, serve

    with bound(listening) as opened:
        listening = structs.replace(listening, port=opened.getsockname()[1])
        shown = f"[{listening.host}]" if ":" in listening.host else listening.host
        note(f"serving at http://{shown}:{listening.port}{PATH}; Ctrl-C ends it")
        if listening.token is not None and not os.environ.get(TOKEN):
            note(f"clients send: Authorization: Bearer {listening.token}\n(shown once; {TOKEN} sets your own)")
        asyncio.run(_served(desk, lambda server: serve(server, listening, opened, interruptible)))
    raise KeyboardInterrupt  # nothing else ends it
