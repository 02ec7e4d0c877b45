"""The MCP server: its name, what it says of itself and of wrong arguments, on stdio or over HTTP."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import uvicorn
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.transport_security import TransportSecuritySettings
from pydantic import ValidationError

from flatfield import __version__
from flatfield.errors import FlatfieldError
from flatfield.faces.mcp import resources, schemas, tools
from flatfield.faces.mcp.delegating import AtWork
from flatfield.faces.mcp.door import LARGEST_BODY_BYTES, LARGEST_HEAD_BYTES, Bodies, Door, Listening, allowed
from flatfield.faces.mcp.sharing import CALLS, SESSIONS, Calls, ConnectionBounds, Running, Sessions, protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from mcp.server.mcpserver import Context
    from mcp_types import CallToolResult, InputRequiredResult, Tool
    from pydantic_core import ErrorDetails
    from starlette.types import ASGIApp

    from flatfield.faces.mcp.desk import ServerDesk

    Interruptible = Callable[[Callable[[], object]], AbstractContextManager[None]]
    """Meanwhile, calls what it is given when the process is asked to end."""


INSTRUCTIONS = """\
flatfield hands work to nano agents: small coding agents with file tools, on any model, in the cloud or on this device.
prompt_nano_agent runs one in a folder and returns its answer with what it used. evaluate runs several agents on tasks
(LOPs) in the background; watch it with evaluation_status, read it with report, and let pick say which agent to use.
list_agents shows who is ready, list_tasks what there is to do, plan what it would cost. Agents change files in their
workspace and may cost money."""


class AnsweringServer(MCPServer):
    """An MCP server whose answers to wrong arguments say what is valid, and repeat nothing that was sent.

    `running` knows the calls that are being worked on, `at_work` the agents, also those that nobody waits for.
    """

    def __init__(self, name: str, **given: Any) -> None:  # noqa: ANN401 - what the SDK's own takes
        super().__init__(name, **given)
        self.running = Running()
        self.at_work = AtWork()

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Call a tool.

        Raises:
            ToolError: it is unknown, its arguments are wrong, or it failed in a foreseen way; in one sentence.
        """
        known = {tool.name: tool.input_schema for tool in await self.list_tools()}
        if name not in known:
            raise ToolError(f"there is no such tool; there are: {', '.join(known)}")
        valid = known[name].get("properties", {})
        if any(given not in valid for given in arguments):
            raise ToolError(f"{name} was given an argument that it does not have; it has: {', '.join(valid) or 'none'}")
        try:
            with self.running.call(None if context is None else context.headers):
                return await super().call_tool(name, arguments, context)
        except ToolError as error:
            if isinstance(error.__cause__, ValidationError):
                raise ToolError(_wrong(name, error.__cause__, valid)) from None
            raise type(error)(str(error).removeprefix(f"Error executing tool {name}: ")) from error.__cause__


class BriefServer(AnsweringServer):
    """One that tells its tools in few words: for tools whose schemas Python made, as flatfield's own are."""

    async def list_tools(self) -> list[Tool]:
        """The tools as clients are told of them."""
        return [schemas.told(tool) for tool in await super().list_tools()]


def _wrong(tool: str, error: ValidationError, valid: Mapping[str, Any]) -> str:
    """What is wrong with which arguments, without their values; `valid` are the properties of its input schema."""

    def told(item: ErrorDetails) -> str:
        first, *_ = place = item["loc"] or ("arguments",)
        if item["type"] == "extra_forbidden":
            keys = valid.get(str(first), {}).get("properties", {})
            return f"{first} has no such key; it has: {', '.join(keys)}"
        return f"{'.'.join(map(str, place))}: {item['msg']}"

    said = dict.fromkeys(map(told, error.errors(include_input=False, include_url=False)))
    return f"{tool} cannot take these arguments: {'; '.join(said)}"


def build(desk: ServerDesk) -> AnsweringServer:
    """The server with all its tools, resources and prompts."""
    offered, at_work = tools.tools_of(desk)
    server = BriefServer(
        "flatfield",
        title="flatfield",
        instructions=INSTRUCTIONS,
        version=__version__,
        log_level="WARNING",
        tools=offered,
    )
    server.at_work = at_work
    resources.add_resources(server, desk)
    resources.add_prompts(server, desk)
    resources.add_completions(server, desk)
    return server


# Serves the MCP server over HTTP: who may reach it, with which token, and how much at once.


PATH = "/mcp"
BACKLOG = 128  # fewer than Bounds.connections: what comes in one sweep does not push itself out unread


def bound(listening: Listening) -> socket.socket:
    """A socket that listens at the address.

    Raises:
        FlatfieldError: the address cannot be had.
    """
    try:
        family = socket.getaddrinfo(listening.host, listening.port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((listening.host, listening.port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise FlatfieldError(
            f"cannot listen at {listening.host}:{listening.port}: {error.strerror or error}; name another --http"
        ) from None


def app(server: AnsweringServer, listening: Listening) -> ASGIApp:
    """The web application, guarded; `listening.port` is the one that it has in the end.

    Raises:
        FlatfieldError: a host, an origin or the token cannot be what a request brings.
    """
    inner = server.streamable_http_app(
        streamable_http_path=PATH,
        max_request_body_size=LARGEST_BODY_BYTES,
        max_sessions=SESSIONS + CALLS,  # those that open at the same moment; Sessions keeps the number
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),  # the Door's is stricter
        host=listening.host,
    )
    return Door(Bodies(Calls(Sessions(inner, SESSIONS, server.running), CALLS)), allowed(listening))


def config(server: AnsweringServer, listening: Listening, bounds: ConnectionBounds | None = None) -> uvicorn.Config:
    """How uvicorn serves it.

    Raises:
        FlatfieldError: as `app` does.
    """
    bounds = bounds or ConnectionBounds()
    return uvicorn.Config(
        app(server, listening),
        http=protocol(bounds),
        ws="none",
        lifespan="on",
        log_level="error",  # a line for every malformed request would be a stranger's pen on the user's terminal
        backlog=BACKLOG,
        timeout_keep_alive=bounds.kept_seconds,
        timeout_graceful_shutdown=5,
        h11_max_incomplete_event_size=LARGEST_HEAD_BYTES,
        proxy_headers=False,
        server_header=False,
    )


class _WithoutSignals(uvicorn.Server):
    """Leaves signals to who serves."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Change nothing."""
        yield


async def serve(
    server: AnsweringServer, listening: Listening, opened: socket.socket, interruptible: Interruptible
) -> None:
    """Serve until it is interrupted: then calls have some seconds to finish, and are cancelled."""
    web = _WithoutSignals(config(server, listening))

    def stop() -> None:
        web.should_exit = True

    with interruptible(stop):
        await web.serve(sockets=[opened])
