"""The server's resources: runs, their reports, trials and LOPs, each at a `flatfield://` address."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError

from flatfield import plugins
from flatfield.errors import FlatfieldError, NotFound
from flatfield.faces.mcp import evaluations
from flatfield.faces.mcp.catalogue import lop_text, offers
from flatfield.faces.mcp.reporting import formats
from flatfield.faces.plain_json import json_of
from flatfield.faces.storing import store_of
from flatfield.faces.transcript import transcript
from flatfield.faces.wording import printable
from flatfield.runs.results import load_result

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcp.server import MCPServer

    from flatfield.faces.mcp.desk import Desk

T = TypeVar("T")


def add(server: MCPServer, desk: Desk) -> None:
    """Register every resource."""
    _add_lists(server, desk)
    _add_runs(server, desk)


def _add_lists(server: MCPServer, desk: Desk) -> None:
    @server.resource("flatfield://runs", title="Runs", mime_type="application/json")
    async def runs() -> str:
        """All stored runs, newest first."""
        return await _read(lambda: json_of(store_of(desk.project()).runs()))

    @server.resource("flatfield://lops", title="LOPs", mime_type="application/json")
    async def lops() -> str:
        """All LOPs that evaluate can be given: name, and the argument to give."""
        return await _read(
            lambda: json_of(
                [{"name": one.name, "argument": one.argument} for one in offers(desk.project().folder, desk.lops)]
            )
        )

    @server.resource("flatfield://lops/{name}", title="LOP", mime_type="text/markdown")
    async def lop(name: str) -> str:
        """One LOP: its Markdown text."""
        return await _read(lambda: lop_text(desk.project().folder, name, desk.lops))


def _add_runs(server: MCPServer, desk: Desk) -> None:
    @server.resource("flatfield://runs/{run}", title="Run", mime_type="application/json")
    async def run_status(run: str) -> str:
        """How far a run has come."""
        return await _read(lambda: json_of(evaluations.status(run, desk).model_dump()))

    def report(run: str, form: str) -> str:
        text: str = plugins.load("report", form).render(load_result(store_of(desk.project()), run))
        return text

    @server.resource("flatfield://runs/{run}/report", title="Report", mime_type="text/markdown")
    async def markdown_report(run: str) -> str:
        """A run's report in Markdown."""
        return await _read(lambda: report(run, "markdown"))

    for form, traits in formats().items():
        _add_format(server, form, traits.media_type, report)

    @server.resource("flatfield://trials/{run}/{agent}/{task}/{repeat}", title="Trial", mime_type="text/plain")
    async def trial(run: str, agent: str, task: str, repeat: str) -> str:
        """One trial: every message, tool call, timing and token."""

        def read() -> str:
            store = store_of(desk.project())
            record = store.trial(f"{run}/{agent}/{task}/{repeat}")
            return transcript(record, store.verdicts(record.run))

        return await _read(read)


def _add_format(server: MCPServer, form: str, mime_type: str, report: Callable[[str, str], str]) -> None:
    @server.resource(
        f"flatfield://runs/{{run}}/report/{form}", name=f"report_{form}", title=f"Report ({form})", mime_type=mime_type
    )
    async def formatted(run: str) -> str:
        """A run's report, whole."""
        return await _read(lambda: report(run, form))


async def _read(work: Callable[[], T]) -> T:
    """Do the reading in a thread, and tell of its errors as the protocol does."""
    try:
        return await asyncio.to_thread(work)
    except NotFound as error:
        raise ResourceNotFoundError(printable(str(error))) from error
    except FlatfieldError as error:
        raise ResourceError(printable(str(error))) from error
