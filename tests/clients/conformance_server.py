"""The server that the conformance suite examines: ours, behind our HTTP door, with the suite's fixtures as its tools.

`python conformance_server.py [plain]` prints its address; `plain` serves flatfield's own tools.
"""

from __future__ import annotations

import asyncio
import base64
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import uvicorn
from mcp.server.mcpserver import Context  # noqa: TC002 - the SDK reads annotations at run time
from mcp.server.mcpserver.prompts.base import UserMessage
from mcp_types import (
    AudioContent,
    Completion,
    EmbeddedResource,
    EmptyResult,
    ImageContent,
    SamplingMessage,
    SetLevelRequestParams,
    SubscribeRequestParams,
    TextContent,
    TextResourceContents,
    UnsubscribeRequestParams,
)
from pydantic import BaseModel, Field

from flatfield.faces.mcp.door import Listening
from flatfield.faces.mcp.server import PATH, AnsweringServer, bound, config

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SILENCE = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA="
IMAGE = ImageContent(type="image", data=PIXEL, mime_type="image/png")


def embedded(uri: str, text: str = "Embedded.") -> EmbeddedResource:
    contents = TextResourceContents(uri=uri, mime_type="text/plain", text=text)
    return EmbeddedResource(type="resource", resource=contents)


class Defaults(BaseModel):
    """Every primitive with a default."""

    name: str = Field(default="John Doe", description="Name")
    age: int = Field(default=30, description="Age")
    score: float = Field(default=95.5, description="Score")
    status: Literal["active", "inactive", "pending"] = Field(default="active", description="Status")
    verified: bool = Field(default=True, description="Verified")


class Person(BaseModel):
    """What the suite's client answers with."""

    username: str = Field(description="User's response")
    email: str = Field(description="User's email address")


def add_contents(server: AnsweringServer) -> None:
    """Tools that return each kind of content."""

    @server.tool(structured_output=False)
    async def test_simple_text() -> str:
        """Plain text."""
        return "This is a simple text response for testing."

    @server.tool(structured_output=False)
    async def test_image_content() -> ImageContent:
        """An image."""
        return IMAGE

    @server.tool(structured_output=False)
    async def test_audio_content() -> AudioContent:
        """A sound."""
        return AudioContent(type="audio", data=SILENCE, mime_type="audio/wav")

    @server.tool(structured_output=False)
    async def test_embedded_resource() -> EmbeddedResource:
        """A resource."""
        return embedded("test://embedded-resource")

    @server.tool(structured_output=False)
    async def test_multiple_content_types() -> list[TextContent | ImageContent | EmbeddedResource]:
        """One of each."""
        mixed = embedded("test://mixed-content-resource", '{"test":"data","value":123}')
        return [TextContent(type="text", text="Multiple content types test:"), IMAGE, mixed]

    @server.tool(structured_output=False)
    async def test_error_handling() -> str:
        """A failure."""
        raise RuntimeError("This tool intentionally returns an error for testing")


def add_talking(server: AnsweringServer) -> None:
    """Tools that talk to the client before they answer."""

    @server.tool(structured_output=False)
    async def test_tool_with_logging(context: Context[Any, Any]) -> str:
        """Three log messages."""
        for text in ("Tool execution started", "Tool processing data", "Tool execution completed"):
            await context.info(text)
            await asyncio.sleep(0.05)
        return "Logged."

    @server.tool(structured_output=False)
    async def test_tool_with_progress(context: Context[Any, Any]) -> str:
        """Three reports of progress."""
        for done in (0, 50, 100):
            await context.report_progress(done, 100, f"Completed step {done} of 100")
            await asyncio.sleep(0.05)
        return "Done."

    @server.tool(structured_output=False)
    async def test_sampling(prompt: str, context: Context[Any, Any]) -> str:
        """Ask the client's model."""
        message = SamplingMessage(role="user", content=TextContent(type="text", text=prompt))
        result = await context.session.create_message(
            messages=[message], max_tokens=100, related_request_id=context.request_id
        )
        return f"LLM response: {getattr(result.content, 'text', '')}"

    @server.tool(structured_output=False)
    async def test_elicitation(message: str, context: Context[Any, Any]) -> str:
        """Ask the client's user."""
        result = await context.elicit(message, Person)
        return f"User response: {result.action}"

    @server.tool(structured_output=False)
    async def test_elicitation_sep1034_defaults(context: Context[Any, Any]) -> str:
        """Ask with defaults."""
        result = await context.elicit("Please review", Defaults)
        return f"Elicitation completed: action={result.action}"

    @server.tool(structured_output=False)
    async def test_elicitation_sep1330_enums(context: Context[Any, Any]) -> str:
        """Ask with each form of choice."""
        titled = [{"const": f"value{n}", "title": f"Option {n}"} for n in (1, 2, 3)]
        plain = ["option1", "option2", "option3"]
        schema = {
            "type": "object",
            "properties": {
                "untitledSingle": {"type": "string", "enum": plain},
                "titledSingle": {"type": "string", "oneOf": titled},
                "legacyEnum": {"type": "string", "enum": plain, "enumNames": ["One", "Two", "Three"]},
                "untitledMulti": {"type": "array", "items": {"type": "string", "enum": plain}},
                "titledMulti": {"type": "array", "items": {"anyOf": titled}},
            },
            "required": [],
        }
        result = await context.session.elicit_form("Please choose", schema, related_request_id=context.request_id)
        return f"Elicitation completed: action={result.action}"


def add_schema(server: AnsweringServer) -> None:
    """A tool whose schema uses keywords of JSON Schema 2020-12, which must come through as they are."""

    @server.tool(structured_output=False)
    async def json_schema_2020_12_tool(
        name: str = "", address: Annotated[dict[str, Any] | None, Field()] = None
    ) -> str:
        """Its schema is the point."""
        return f"{name} {address}"

    tool = server._tool_manager.get_tool("json_schema_2020_12_tool")
    if tool is None:
        raise LookupError("the tool that was just added")
    tool.parameters = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {
            "address": {"type": "object", "properties": {"street": {"type": "string"}, "city": {"type": "string"}}}
        },
        "properties": {"name": {"type": "string"}, "address": {"$ref": "#/$defs/address"}},
        "additionalProperties": False,
    }


def add_resources(server: AnsweringServer) -> None:
    """Static resources, a template, subscriptions, and the level of log messages."""

    @server.resource("test://static-text", mime_type="text/plain")
    async def static_text() -> str:
        """Text."""
        return "This is the content of the static text resource."

    @server.resource("test://static-binary", mime_type="image/png")
    async def static_binary() -> bytes:
        """Bytes."""
        return base64.b64decode(PIXEL)

    @server.resource("test://template/{id}/data", mime_type="application/json")
    async def template(id: str) -> str:  # noqa: A002 - the suite's name
        """A template."""
        return f'{{"id": "{id}", "templateTest": true, "data": "Data for ID: {id}"}}'

    @server.resource("test://watched-resource", mime_type="text/plain")
    async def watched() -> str:
        """One that can be subscribed to."""
        return "Watched resource content"

    async def taken(_context: Any, _params: Any) -> EmptyResult:
        return EmptyResult()

    low = server._lowlevel_server
    low.add_request_handler("resources/subscribe", SubscribeRequestParams, taken)
    low.add_request_handler("logging/setLevel", SetLevelRequestParams, taken)
    low.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, taken)


def add_prompts(server: AnsweringServer) -> None:
    """Prompts of each form, and completion."""

    @server.prompt()
    async def test_simple_prompt() -> str:
        """A simple one."""
        return "This is a simple prompt for testing."

    @server.prompt()
    async def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
        """One with arguments."""
        return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"

    @server.prompt()
    async def test_prompt_with_embedded_resource(resourceUri: str) -> list[UserMessage]:  # noqa: N803 - the suite's
        """One with a resource."""
        return [UserMessage(embedded(resourceUri, "Embedded resource content for testing."))]

    @server.prompt()
    async def test_prompt_with_image() -> list[UserMessage]:
        """One with an image."""
        return [UserMessage(IMAGE)]

    @server.completion()  # type: ignore[no-untyped-call,untyped-decorator]  # the SDK leaves it untyped
    async def complete(_reference: Any, _argument: Any, _context: Any) -> Completion:
        return Completion(values=["paris", "park", "party"], total=3, has_more=False)


def fixtures() -> AnsweringServer:
    """A server of ours with the suite's fixtures."""
    server = AnsweringServer("conformance", version="1", log_level="ERROR")
    for add in (add_contents, add_talking, add_schema, add_resources, add_prompts):
        add(server)
    return server


def plain() -> Any:
    """flatfield's own server, as `flatfield mcp --http` builds it."""
    from flatfield.clock import SystemClock
    from flatfield.faces.mcp.desk import ServerDesk
    from flatfield.faces.mcp.server import build
    from flatfield.scoring.prices.pricing import Prices

    folder = Path.cwd()
    return build(
        ServerDesk(
            cwd=folder,
            clock=SystemClock(),
            environ_of=lambda _: {"HOME": str(folder)},
            prices_of=lambda _: Prices(),
            announce=lambda _: None,
        )
    )


def main() -> None:
    """Listen on a free port of loopback, and say which."""
    with bound(Listening(host="127.0.0.1", port=0)) as opened:
        port = opened.getsockname()[1]
        listening = Listening(host="127.0.0.1", port=port)
        server = plain() if sys.argv[1:] == ["plain"] else fixtures()
        print(f"http://127.0.0.1:{port}{PATH}", flush=True)  # noqa: T201 - for whoever started it
        uvicorn.Server(config(server, listening)).run(sockets=[opened])


if __name__ == "__main__":
    main()
