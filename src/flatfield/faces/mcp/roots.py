"""Asks a client for its roots: the folders that it works in."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from mcp.shared.message import ServerMessageMetadata
from mcp_types import ListRootsRequest, ListRootsResult

if TYPE_CHECKING:
    from mcp.server.mcpserver import Context

PATIENCE_SECONDS = 5.0
"""How long a client is given to answer; one that never does has none."""


async def client_roots(context: Context[Any, Any]) -> tuple[Path, ...]:
    """The folders that the client works in; none where it does not tell, or cannot be asked."""
    session = context.session
    capabilities = session.client_capabilities
    if capabilities is None or capabilities.roots is None or not session.can_send_request:
        return ()
    # Asked on the call's own stream: over HTTP a client may have no other open, and would never hear of it.
    call = ServerMessageMetadata(related_request_id=context.request_id)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            listed = await session.send_request(ListRootsRequest(), ListRootsResult, metadata=call)
    except Exception:  # noqa: BLE001 - whatever a client answers to it, it has then told no roots
        return ()
    parts = [urlsplit(str(root.uri)) for root in listed.roots]
    return tuple(Path(unquote(part.path)) for part in parts if part.scheme == "file" and part.path)
