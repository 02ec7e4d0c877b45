"""Serves a store's runs as pages over HTTP: their list, each run's page, and what happens in those under way."""

from __future__ import annotations

import asyncio
import base64
import hmac
import html
import ipaddress
import re
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from aiohttp import web
from msgspec import Struct

from flatfield.errors import FlatfieldError, NotFound
from flatfield.faces.pages.page import PageParts, Served, assembled, content, shelf, waiting
from flatfield.faces.pages.racing import Lookout
from flatfield.faces.pages.talks import encoded, talk
from flatfield.faces.wording import UNKNOWN, dollars, one_line, printable
from flatfield.runs.results import load_result
from flatfield.runs.scratch import holder

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Awaitable, Callable

    from flatfield.clock import Clock
    from flatfield.faces.pages.racing import Seen
    from flatfield.records import RunSummary
    from flatfield.runs.store.store import Store

LOOK_SECONDS = 1.0
"""How often a run under way is looked at, while a page shows it."""
ANEW_SECONDS, ANEW_SHARE = 10.0, 10.0
"""The figures of a run under way are made anew no sooner than after so long, and so many times what it took."""
STILL_SECONDS = 15.0
"""A line goes out at least so often: who is gone is found out by it."""
PATIENCE_SECONDS = 2.0
"""What takes longer to be made is waited for with a page that says so."""
KEPT = 6
"""Pages that are kept ready."""
LONGEST_TITLE = 160
CLOSING_SECONDS = 1.0
_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::[0-9]{1,5})?", re.IGNORECASE | re.ASCII)
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class PageAddress(Struct, frozen=True, kw_only=True):
    """Where pages are shown: the host that is listened at, and the token that stands in the address (None: none does).

    `followed`: a run that is about to begin; its page waits for it.
    """

    host: str
    token: str | None = None
    followed: str = ""

    @property
    def root(self) -> str:
        """The path of the list of runs."""
        return f"/{self.token}/" if self.token else "/"


def is_own_machine(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host.lower() == "localhost":
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


def refused(hosts: list[str], showing: PageAddress) -> str | None:
    """Why a request with these `Host` headers may not come in; None when it may.

    On loopback there is no token, and a page of somebody else's may have its own name point here (DNS rebinding): then
    its name stands there. The port is left out of it, as a tunnel may have another one. Elsewhere the token decides.
    """
    match = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
    if match is None:
        return "the request names no host, or several"
    name = match["name"].lower().strip("[]")
    if showing.token is None and not (is_own_machine(name) or name == showing.host.lower()):
        return f"this server is not known as {name}: open it as localhost or 127.0.0.1"
    return None


@web.middleware
async def _mannered(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Let in who may come in, and say in one sentence what could not be done."""
    site = request.app[_SITE]
    reason = refused(request.headers.getall("Host", []), site.showing)
    if reason is not None:
        return _plain(reason, 421)
    token = request.match_info.get("token")
    if site.showing.token is not None and not hmac.compare_digest((token or "").encode(), site.showing.token.encode()):
        return _plain("this address lacks its token: open the one that flatfield printed, all of it", 403)
    try:
        return await handler(request)
    except NotFound as error:
        return _plain(str(error), 404)
    except FlatfieldError as error:
        return _plain(str(error), 500)


def _plain(text: str, status: int) -> web.Response:
    return web.Response(text=f"{printable(text)}\n", status=status)


class Prepared(Struct, frozen=True, kw_only=True):
    """A run's page as it was made of one state of the run: `names` lead from names as shown to those of records."""

    version: tuple[object, ...]
    content: PageParts
    names: dict[tuple[str, str, int], str]
    made_at: float
    took_seconds: float

    @property
    def stamp(self) -> str:
        """What tells it from others of the same run."""
        return f"{hash(self.version) & 0xFFFFFFFFFFFF:x}"


class Site:
    """One store's pages; what reads and reckons runs in threads, one page at a time."""

    def __init__(self, store: Store, showing: PageAddress, clock: Clock) -> None:
        self.showing = showing
        self.closing = asyncio.Event()
        self._store = store
        self._clock = clock
        self._ready: dict[str, Prepared] = {}
        self._making = asyncio.Lock()
        self._watches: dict[str, Lookout] = {}
        self._seen: dict[str, tuple[float, Seen]] = {}
        self._looking = asyncio.Lock()
        self._tasks: dict[str, asyncio.Task[Prepared]] = {}

    def app(self) -> web.Application:
        """What answers requests."""
        app = web.Application(middlewares=[_mannered])
        app[_SITE] = self
        root = "/{token}/" if self.showing.token is not None else "/"
        app.router.add_get(root, self.runs)
        app.router.add_get(f"{root}events", self.runs_events)
        app.router.add_get(f"{root}run/{{run}}/", self.run)
        app.router.add_get(f"{root}run/{{run}}/parts", self.parts)
        app.router.add_get(f"{root}run/{{run}}/talk", self.talk)
        app.router.add_get(f"{root}run/{{run}}/events", self.events)
        app.on_response_prepare.append(_with_headers)
        return app

    # ------------------------------------------------------------------ pages

    async def runs(self, _: web.Request) -> web.Response:
        """The list of all runs, newest first."""
        found = await asyncio.to_thread(self._store.runs)
        folder = self._store.path.parent
        rows = "".join(_row(one, underway=holder(one.id, folder) is not None) for one in found)
        return _page(shelf(rows or '<tr><td colspan="6">No run is stored yet.</td></tr>'))

    async def run(self, request: web.Request) -> web.Response:
        """A run's page, live while it is under way."""
        asked = request.match_info["run"]
        folder = self._store.path.parent
        if asked not in await asyncio.to_thread(self._store.run_ids):
            if asked == self.showing.followed or holder(asked, folder) is not None:
                said = "It gets ready: models, servers and the sandbox are looked at. This page goes on by itself."
                return _page(waiting(f"Run {asked}", said))
            raise NotFound(f"there is no run {asked!r}: see {self.showing.root} for those that there are")
        underway = holder(asked, folder) is not None
        ready = self._ready.get(asked) if underway else None  # a live page asks for what is newer by itself
        ready = ready or await self._patiently(asked)
        if ready is None:
            return _page(waiting(f"Run {asked}", "Its page is being made: this one goes on by itself."))
        return _page(assembled(ready.content, served=Served(underway=underway, stamp=ready.stamp)))

    async def parts(self, request: web.Request) -> web.Response:
        """What a run's page is made of, as it is now."""
        ready = await self._prepared(request.match_info["run"])
        return _json({name: base64.b64encode(data).decode() for name, data in ready.content.parts.items()})

    async def talk(self, request: web.Request) -> web.Response:
        """One trial's transcript."""
        ready, query = await self._prepared(request.match_info["run"]), request.query
        repeat = query.get("repeat", "")
        name = ready.names.get((query.get("agent", ""), query.get("task", ""), int(repeat) if repeat.isdigit() else 0))
        if name is None:
            raise NotFound("there is no such trial in this run")
        return _json(talk(await asyncio.to_thread(self._store.trial, name)))

    async def _patiently(self, run: str) -> Prepared | None:
        """The page of the run; None where it takes longer than somebody waits before an empty window."""
        done, _ = await asyncio.wait({self._making_of(run)}, timeout=PATIENCE_SECONDS)
        return next(iter(done)).result() if done else None

    async def _prepared(self, run: str) -> Prepared:
        """The page of the run as it is stored now, or as it was when its making began."""
        return await asyncio.shield(self._making_of(run))

    def _making_of(self, run: str) -> asyncio.Task[Prepared]:
        """The one task that makes the page of a run: who comes meanwhile waits for it too."""
        task = self._tasks.get(run)
        if task is None:
            task = self._tasks[run] = asyncio.ensure_future(self._make(run))
            task.add_done_callback(lambda done: self._end_making(run, done))
        return task

    def _end_making(self, run: str, task: asyncio.Task[Prepared]) -> None:
        """What went wrong is told to whoever waits for it, else to whoever asks next."""
        self._tasks.pop(run, None)
        if not task.cancelled():
            task.exception()

    async def _make(self, run: str) -> Prepared:
        async with self._making:
            version = await asyncio.to_thread(self._store.version, run)
            ready = self._ready.get(run)
            if ready is None or ready.version != version:
                began = self._clock.now()
                made, names = await asyncio.to_thread(self._made, run)
                now = self._clock.now()
                ready = Prepared(version=version, content=made, names=names, made_at=now, took_seconds=now - began)
            self._ready.pop(run, None)
            self._ready[run] = ready
            while len(self._ready) > KEPT:
                self._ready.pop(next(iter(self._ready)))
            return ready

    def _made(self, run: str) -> tuple[PageParts, dict[tuple[str, str, int], str]]:
        result = load_result(self._store, run)
        names = {
            (printable(trial.agent), printable(trial.task), trial.repeat): trial.id
            for trial in result.trials
            if trial.turns or not trial.imported
        }
        return content(result, [(*name, 0) for name in names]), names

    # ------------------------------------------------------------------ what happens, as it happens

    async def events(self, request: web.Request) -> web.StreamResponse:
        """How a run under way goes on, until it is over and its page is made of all of it."""
        run, sent, last = request.match_info["run"], 0, b""
        async with self._telling(request) as tell:
            while not self.closing.is_set():
                seen = await self._look(run)
                ready = await self._soon_ready(run, seen)
                points = seen.points[sent:]
                stamp = ready.stamp if ready else None
                whole = seen.is_over and ready is not None and run not in self._tasks
                head = encoded({**seen.head, "stamp": stamp, "whole": whole})
                if points or head != last:
                    await tell(
                        "race", {**seen.head, "stamp": stamp, "whole": whole, "first": sent == 0, "points": points}
                    )
                    sent, last = sent + len(points), head
                if whole:
                    break
                await self._pause(LOOK_SECONDS)
        return tell.response

    async def runs_events(self, request: web.Request) -> web.StreamResponse:
        """A new stamp whenever something was stored."""
        last = ""
        async with self._telling(request) as tell:
            while not self.closing.is_set():
                version = await asyncio.to_thread(self._store.version)
                claims = self._store.path.parent / "claims"
                held = sorted(path.stem for path in claims.glob("*.lock") if holder(path.stem, claims.parent))
                stamp = f"{version} {held}"
                if stamp != last:
                    await tell("runs", {"stamp": stamp})
                    last = stamp
                await self._pause(2 * LOOK_SECONDS)
        return tell.response

    async def _look(self, run: str) -> Seen:
        """What was seen last, looked at anew where that is a while ago."""
        async with self._looking:
            before = self._seen.get(run)
            if before is not None and self._clock.now() - before[0] < LOOK_SECONDS * 0.9:
                return before[1]
            watch = self._watches.setdefault(run, Lookout(self._store, run))
            seen = await asyncio.to_thread(watch.look)
            self._seen[run] = self._clock.now(), seen
            return seen

    async def _soon_ready(self, run: str, seen: Seen) -> Prepared | None:
        """The newest page of the run that is ready; it is made anew beside, where there is more and it is time."""
        ready = self._ready.get(run)
        if run not in self._tasks:
            rest = 0.0 if seen.is_over or ready is None else max(ANEW_SECONDS, ANEW_SHARE * ready.took_seconds)
            if ready is None or self._clock.now() - ready.made_at >= rest:
                version = await asyncio.to_thread(self._store.version, run)
                if ready is None or ready.version != version:
                    self._making_of(run)
        return ready

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self.closing.wait(), seconds)

    @asynccontextmanager
    async def _telling(self, request: web.Request) -> AsyncIterator[_Telling]:
        """A stream of events to who asked; that they go away ends it quietly."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        tell = _Telling(response)
        still = asyncio.ensure_future(tell.still())
        try:
            yield tell
        except ConnectionError:
            pass
        finally:
            still.cancel()


class _Telling:
    """Writes events to one response."""

    def __init__(self, response: web.StreamResponse) -> None:
        self.response = response

    async def __call__(self, kind: str, value: dict[str, Any]) -> None:
        await self.response.write(b"event: %s\ndata: %s\n\n" % (kind.encode(), encoded(value)))

    async def still(self) -> None:
        """Say now and then that the stream is there."""
        with suppress(ConnectionError):
            while True:
                await asyncio.sleep(STILL_SECONDS)
                await self.response.write(b": still there\n\n")


_SITE: web.AppKey[Site] = web.AppKey("site", Site)


async def _with_headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_HEADERS)


def _page(text: str) -> web.Response:
    return web.Response(text=text, content_type="text/html")


def _json(value: object) -> web.Response:
    return web.Response(body=encoded(value), content_type="application/json")


def _row(one: RunSummary, *, underway: bool) -> str:
    """A line of the list, as markup; every text of others is escaped."""
    title = html.escape(printable(one_line(one.title, LONGEST_TITLE)))
    run = html.escape(one.id)
    created = html.escape(one.created_at[:16].replace("T", " "))
    state = "under way" if underway else "imported" if one.imported else "delegated" if one.delegated else ""
    if not state:
        state = "complete" if one.measured >= one.planned else "not all measured"
    spent = UNKNOWN if one.imported or one.cost_usd is None else dollars(one.cost_usd)
    numbers = (f"{len(one.agents):,}", f"{len(one.tasks):,}", f"{one.measured:,} of {one.planned:,}", spent)
    cells = "".join(f'<td class="num">{html.escape(number)}</td>' for number in numbers)
    place = quote(one.id, safe="")
    link = f'<a href="run/{place}/">{title}</a><span class="reason">{created} · {run}</span>'
    kind = ' class="live"' if underway else ""
    return f'<tr><th scope="row">{link}</th><td{kind}><span class="state">{state}</span></td>{cells}</tr>'


async def serve(site: Site, opened: socket.socket, until: asyncio.Event) -> None:
    """Answer at a socket that is bound, until the event is set; who still listens then is let go of."""
    runner = web.AppRunner(site.app(), access_log=None, handle_signals=False, shutdown_timeout=CLOSING_SECONDS)
    await runner.setup()
    try:
        await web.SockSite(runner, opened).start()
        await until.wait()
    finally:
        site.closing.set()
        await runner.cleanup()
