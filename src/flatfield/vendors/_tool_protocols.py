"""How a model is told of its tools and how its calls are read, by the agent's tool protocol: native, text or json."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import structs

from flatfield.vendors import _json_protocol as json_protocol
from flatfield.vendors._text_calls import read_calls

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.records import ToolResult, ToolSpec
    from flatfield.vendors.base import Opening, Told


GO_ON = "Now do the next step of the task. If there is none left, give the answer that the task asks for."
"""Said below results that are told in words: without it small models make the same call again.

Asked whether the task is done, they say that it is; asked to call the next tool, they never end.
"""


def uses_json(opening: Opening) -> bool:
    """Whether tools are called by the `json` protocol: without tools there is nothing to call."""
    return opening.agent.protocol == "json" and bool(opening.tools)


def uses_text(opening: Opening) -> bool:
    """Whether tools are offered natively, and calls are also read out of the reply's text."""
    return opening.agent.protocol == "text" and bool(opening.tools)


def told_system(opening: Opening) -> str:
    """The system prompt with what the protocol adds to it; "" for none, which is sent as none."""
    parts = [opening.system_prompt, json_protocol.instructions(opening.tools) if uses_json(opening) else ""]
    return "\n\n".join(part for part in parts if part.strip())


def native_tools(opening: Opening) -> tuple[ToolSpec, ...]:
    """The tools that the API is told of."""
    return () if uses_json(opening) else opening.tools


def held_schema(opening: Opening) -> dict[str, Any] | None:
    """What the reply's text is held to, if anything: a step of the `json` protocol, or the opening's schema."""
    return json_protocol.schema(opening.tools) if uses_json(opening) else opening.response_schema


class CallsInText:
    """Reads the calls of one conversation out of its replies' texts, and words their results, where it is so agreed."""

    def __init__(self, opening: Opening) -> None:
        self._tools = opening.tools
        self._json = uses_json(opening)
        self._text = uses_text(opening)
        self._were_text = False

    def wording(self, results: Sequence[ToolResult]) -> str | None:
        """What the model is told of its last calls in plain words; None: they were native, and so are their results."""
        if self._json:
            return json_protocol.results_text(results)
        if not self._were_text:
            return None
        return "\n\n".join((*(f"{each.name} returned:\n{each.text}" for each in results), GO_ON))

    def read(self, told: Told, turn: int) -> Told:
        """What a whole reply says, with the calls that its text holds."""
        self._were_text = False
        if told.finish != "stop" or told.paused:
            return told
        if self._json:
            text, calls = json_protocol.parse(told.text, turn)
            return structs.replace(told, text=text, calls=calls)
        if self._text and not told.calls:
            calls = read_calls(told.text, self._tools, turn)
            self._were_text = bool(calls)
            return structs.replace(told, calls=calls)
        return told
