"""Puts the MCP server together: its name, what it says of itself, and what it answers to wrong arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import ValidationError

from flatfield import __version__
from flatfield.faces.mcp import resources, schemas, tools
from flatfield.faces.mcp.at_work import AtWork
from flatfield.faces.mcp.sharing import Running

if TYPE_CHECKING:
    from mcp.server.mcpserver import Context
    from mcp_types import CallToolResult, InputRequiredResult, Tool

    from flatfield.faces.mcp.desk import ServerDesk


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

    async def list_tools(self) -> list[Tool]:
        """The tools as clients are told of them."""
        return [schemas.told(tool) for tool in await super().list_tools()]

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
                raise ToolError(_wrong(name, error.__cause__)) from None
            raise type(error)(str(error).removeprefix(f"Error executing tool {name}: ")) from error.__cause__


def _wrong(tool: str, error: ValidationError) -> str:
    """What is wrong with which arguments, without their values."""
    said = dict.fromkeys(
        f"{'.'.join(str(part) for part in item['loc']) or 'arguments'}: {item['msg']}"
        for item in error.errors(include_input=False, include_url=False)
    )
    return f"{tool} cannot take these arguments: {'; '.join(said)}"


def build(desk: ServerDesk) -> AnsweringServer:
    """The server with all its tools, resources and prompts."""
    server = AnsweringServer(
        "flatfield", title="flatfield", instructions=INSTRUCTIONS, version=__version__, log_level="WARNING"
    )
    server.at_work = tools.add(server, desk)
    resources.add_resources(server, desk)
    resources.add_prompts(server, desk)
    resources.add_completions(server, desk)
    return server
