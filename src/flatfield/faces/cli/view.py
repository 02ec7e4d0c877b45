"""`flatfield view`: all stored runs as pages, live while one is under way."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flatfield.errors import FlatfieldError
from flatfield.faces.cli import common
from flatfield.faces.cli.ending import interruptible

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from flatfield.faces.pages.serving import PageAddress
    from flatfield.runs.store.store import Store

LOOPBACK, PORT = "127.0.0.1", 8748
SSH = ("SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY")
DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")
POLITENESS = 5
"""How far a page that is shown beside an evaluation steps back behind it, as `nice` counts."""
EPILOG = common.examples(
    "flatfield view                      all runs of this project, in a browser",
    "flatfield view --port 9000 --no-open",
    "flatfield view --host 0.0.0.0       for others too: the address holds a token, hand it on with care",
    "flatfield eval hop.md tasks/*.md --view     the page of one evaluation, while it runs",
)
View = Annotated[
    bool,
    typer.Option("--view", help="Show it in a browser while it runs; on a terminal until Ctrl-C, else to its end."),
]


def command(
    context: typer.Context,
    host: Annotated[str, typer.Option(metavar="NAME", help="Listen there.")] = LOOPBACK,
    port: Annotated[
        int | None, typer.Option(metavar="N", min=0, max=65535, help=f"Listen there; 0: any. Else {PORT}, or any.")
    ] = None,
    no_open: Annotated[bool, typer.Option("--no-open", help="Print the address, and open no browser.")] = False,
) -> None:
    """Show all stored runs as pages, until Ctrl-C; a run that is under way is followed live.

    They are read from this project's store, whoever writes it. Only this machine can open them, unless --host says
    otherwise; then the address holds a token, and who does not have it sees nothing.
    """
    store = common.settings(context).store()
    with _bound(host, port) as opened:
        showing = _showing(host)
        address = address_of(showing, opened)
        common.note(f"pages of all runs: {address}  (Ctrl-C ends it)")
        if not no_open:
            open_browser(address)
        asyncio.run(_serve(store, showing, opened))


def _showing(host: str, followed: str = "") -> PageAddress:
    import secrets

    from flatfield.faces.pages.page import need_library
    from flatfield.faces.pages.serving import PageAddress, is_own_machine

    need_library()
    token = None if is_own_machine(host) else secrets.token_urlsafe(24)
    return PageAddress(host=host, token=token, followed=followed)


async def _serve(store: Store, showing: PageAddress, opened: socket.socket) -> None:
    from flatfield.clock import SystemClock
    from flatfield.faces.pages.serving import Site, serve

    stop = asyncio.Event()
    with interruptible(stop.set):
        await serve(Site(store, showing, SystemClock()), opened, stop)


def _bound(host: str, port: int | None) -> socket.socket:
    """A socket that listens; where no port was named and the usual one is taken, at any.

    Raises:
        FlatfieldError: nobody can listen there.
    """
    try:
        family, *_, place = socket.getaddrinfo(host, PORT if port is None else port, type=socket.SOCK_STREAM)[0]
        opened = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise FlatfieldError(f"--host {host!r} is no address of this machine: {error.strerror}") from None
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind(place)
        opened.listen(64)
    except OSError as error:
        opened.close()
        if port is None:
            return _bound(host, 0)
        raise FlatfieldError(
            f"nothing can listen at {host} port {port}: {error.strerror}; name another --port, or 0 for any"
        ) from None
    return opened


def address_of(showing: PageAddress, opened: socket.socket, run: str = "") -> str:
    """Where a browser finds the list of runs, or one run's page."""
    host = showing.host
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - what the user asked for, told by the name that others know
        host = socket.gethostname()
    shown = f"[{host}]" if ":" in host else host
    path = f"run/{run}/" if run else ""
    return f"http://{shown}:{opened.getsockname()[1]}{showing.root}{path}"


def open_browser(address: str) -> None:
    """Open a page where somebody sits before a screen: on a terminal of this machine, with a display."""
    has_display = sys.platform == "darwin" or any(os.environ.get(name) for name in DISPLAYS)
    if not sys.stderr.isatty() or not has_display or any(os.environ.get(name) for name in SSH):
        return
    import webbrowser

    webbrowser.open(address)


# Beside an evaluation: a process of its own.


_PROGRAM = "import sys; from flatfield.faces.cli.view import serve_beside; serve_beside(*sys.argv[1:])"


def serve_beside(number: str, folder: str, followed: str) -> None:
    """Serve the store in `folder` at a socket that the evaluation has opened, behind it where both want the processor.

    Args:
        number: the socket's descriptor.
        folder: where the store lies.
        followed: the id of the evaluation's run.
    """
    from flatfield.runs.store.store import Store

    os.nice(POLITENESS)
    with socket.socket(fileno=int(number)) as opened:
        asyncio.run(_serve(Store(Path(folder)), _showing(LOOPBACK, followed), opened))


@asynccontextmanager
async def beside(run: str, store: Store) -> AsyncIterator[str]:
    """The address of a run's page, which another process serves meanwhile: it costs this one nothing.

    Raises:
        NotReady: what draws pages is not there.
    """
    from flatfield.children.running import HeadAndTail, Start, running
    from flatfield.children.starting import with_mark

    showing = _showing(LOOPBACK, run)
    with _bound(LOOPBACK, None) as opened:
        start = Start(environ=with_mark(os.environ), kept=(opened.fileno(),))
        folder = str(store.path.parent.absolute())
        argv = (sys.executable, "-P", "-c", _PROGRAM, str(opened.fileno()), folder, run)
        async with running(argv, start, HeadAndTail(4096)):
            address = address_of(showing, opened, run)
            common.note(f"its page: {address}")
            open_browser(address)
            yield address


async def stay(address: str) -> None:
    """On a terminal, keep the page until Ctrl-C: what is to be looked at now is how it came out."""
    if not sys.stderr.isatty():
        return
    stop = asyncio.Event()
    common.note(f"\nits page stays at {address} until Ctrl-C")
    with interruptible(stop.set):
        await stop.wait()
