"""The fake server with OpenAI's chat protocol, for tests that need a model server and not a vendor's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flatfield.testing.fake_server import FakeReply, FakeServer, Fault
from flatfield.testing.wires.openai_chat import ChatWire

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from flatfield.testing.fake_server import Step

__all__ = ["FakeChat", "FakeReply", "Fault"]


class FakeChat(FakeServer):
    """`async with FakeChat(script) as server:` is a `FakeServer` whose wire is `ChatWire`; its options are the same."""

    def __init__(self, script: Callable[[dict[str, Any], int], Step] | Sequence[Step], **options: Any) -> None:  # noqa: ANN401 - passed through
        super().__init__(ChatWire(), script, **options)
