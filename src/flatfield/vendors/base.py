"""What a vendor's package builds on: the seams of a provider, and the skeleton that all conversations share.

A package has `TRAITS` (what it states about itself), `create(services)` (its provider) and, where it asks a server,
`endpoint_of(agent, environ)` (where requests go and which keys they bring). `refused(agent)` names the settings that
the agent's model does not take, `usual_servers(environ)` the servers that often run on one's own machine. Where a tool
protocol is found out, `await identity_of(agent, services)` tells in words which model and server it holds for.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct, structs

from flatfield import json_text
from flatfield.errors import ContextTooLong, ProviderError
from flatfield.http.connecting import proxy_for
from flatfield.http.retrying import Post
from flatfield.records import (
    AgentConfig,
    Finish,
    Leftover,
    Reply,
    Sent,
    ToolResult,
    ToolSpec,
    Traits,
    TurnBudget,
    Usage,
)
from flatfield.vendors._ready import (
    CONCURRENT_TRIALS,
    THIS_DEVICE,
    Address,
    Catalogue,
    Lane,
    Listed,
    answered,
    api_key,
    api_lane,
    base_url,
    brings,
    closest,
    device_lane,
    entries,
    entry,
    is_own,
    listed_ids,
    own_headers,
    ready,
    server_lane,
    with_version,
    without_version,
)
from flatfield.vendors._recalled import Recalled
from flatfield.vendors._text_calls import MARKUP, OPENS_CALL, REASONING_TAGS, looks_like_call, marked_calls, parted
from flatfield.vendors._tool_protocols import (
    CallsInText,
    Later,
    Opening,
    Settings,
    digest,
    held_schema,
    native_tools,
    sent_by,
    told_system,
    uses_json,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from flatfield.http.replies import Reader
    from flatfield.http.services import Services
    from flatfield.http.transport import Exchange, Transport

__all__ = [
    "CONCURRENT_TRIALS",
    "MARKUP",
    "OPENS_CALL",
    "REASONING_TAGS",
    "SYSTEM_PROMPT",
    "THIS_DEVICE",
    "Address",
    "ApiProvider",
    "Catalogue",
    "Conversation",
    "Dialect",
    "Lane",
    "Later",
    "Listed",
    "Opening",
    "Provider",
    "Settings",
    "Talk",
    "Traits",
    "answered",
    "api_key",
    "api_lane",
    "arguments_object",
    "as_name",
    "base_url",
    "brings",
    "closest",
    "device_lane",
    "digest",
    "ending",
    "entries",
    "entry",
    "function",
    "held_schema",
    "is_object",
    "is_own",
    "least_cap",
    "listed_ids",
    "looks_like_call",
    "marked_calls",
    "native_tools",
    "own_headers",
    "parted",
    "ready",
    "sent_by",
    "server_lane",
    "told_system",
    "too_long",
    "transport_to",
    "uses_json",
    "with_version",
    "without_version",
]

MOST_LESSONS = 3
"""So often one request is made again in another way that its server asks for."""
SPARE_TOKENS = 8  # servers stop a little before the last place of the window
SYSTEM_PROMPT = (
    "You are an agent working in one directory. Use the tools to do the task; paths are relative to the directory. "
    "When it is done, reply with your final answer."
)
"""What every model is told before the task, unless its agent brings its own."""


# ---------------------------------------------------------------------------- the seams


class Conversation(Protocol):
    """One trial's conversation with one model, kept in the vendor's native form."""

    async def turn(self, results: Sequence[ToolResult], budget: TurnBudget) -> Reply:
        """Send the results of the last turn's calls (none on the first turn) and return what the model says.

        Retries by itself. When `budget.seconds` of model time are over, returns what has arrived with finish "time".

        Raises:
            ProviderError: the API failed for good.
            ContextTooLong: the conversation does not fit the model.
        """
        ...


class Provider(Protocol):
    """One vendor's API, opened once per run and shared by its trials."""

    async def check(self, agent: AgentConfig) -> None:
        """Raise NotReady, with the fix, when this agent could not run now; spends nothing."""
        ...

    async def converse(self, opening: Opening) -> Conversation:
        """Start a conversation; a local provider first starts its server."""
        ...

    def lane(self, agent: AgentConfig) -> Lane:
        """What else this agent's trials must not run beside."""
        ...

    def on_device(self, agent: AgentConfig) -> bool:
        """Whether the model runs on the user's own device: $0 at the API."""
        ...

    async def close(self) -> None:
        """End what was started."""
        ...


# ---------------------------------------------------------------------------- what an opening says


def least_cap(left_tokens: int, *caps: int | None) -> int:
    """The output cap of a request: what is left to the trial, or less where the agent or its model has a cap."""
    return min([left_tokens, *(cap for cap in caps if cap is not None)])


def function(tool: ToolSpec) -> dict[str, Any]:
    """A tool in the form that OpenAI's chat API has given to many."""
    return {
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
    }


# ---------------------------------------------------------------------------- the skeleton of a conversation


class UsualServer(Struct, frozen=True, kw_only=True):
    """A server that people often run on this machine, and how an agent on it is written.

    `base_url` is where `/models` lists what it serves. An agent on it is `provider:MODEL`, with `@address` behind it
    where there is one.
    """

    name: str
    base_url: str
    provider: str
    address: str = ""


class Dialect(Protocol):
    """One vendor's form of a conversation: it keeps the messages as the API has them, each encoded once."""

    @property
    def url(self) -> str:
        """Where requests go."""
        ...

    @property
    def headers(self) -> dict[str, str]:
        """What all requests bring."""
        ...

    @property
    def sent(self) -> Sent:
        """What every request says, but for its output cap."""
        ...

    @property
    def new_reader(self) -> Callable[[], Reader]:
        """Makes a reader of one reply."""
        ...

    def cap_tokens(self, left_tokens: int) -> int:
        """The output cap of the next request, of which so many tokens are left to the trial."""
        ...

    def body(self, cap_tokens: int) -> tuple[bytes, Sent]:
        """The next request, and what records show of it, with what varies from request to request."""
        ...

    def say(self, text: str) -> None:
        """Add a message of ours in plain words."""
        ...

    def answer(self, results: Sequence[ToolResult]) -> None:
        """Add the results of the last reply's calls, at least one."""
        ...

    def take(self, exchange: Exchange[Any], cap_tokens: int, turn: int) -> Reply:
        """Keep what the model sent as it must go back, and say what it means; `turn` counts from 1.

        Of the reply's `request` it states which model answered and at which tier; what the exchange took is filled in.
        """
        ...

    def meant(self, error: ProviderError) -> ProviderError | Reply | None:
        """What a failed request means: the error, perhaps of another kind or with its fix; what the model told by it.

        None: the dialect has learned from it how the server wants the request, which is to be made again.
        """
        ...


class Talk:
    """A conversation in a vendor's dialect: what a turn is, the same for all vendors."""

    def __init__(self, opening: Opening, transport: Transport, dialect: Dialect) -> None:
        self._transport = transport
        self._dialect = dialect
        self._calls = CallsInText(opening)
        self._recalled = Recalled(opening.earlier)
        self._later = {each.after_turns: each.prompt for each in opening.later}
        self._turns = 0

    async def turn(self, results: Sequence[ToolResult], budget: TurnBudget) -> Reply:
        """Send the results and read the reply; see `Conversation.turn`."""
        self.begin(results)
        return await self.ask(budget)

    def begin(self, results: Sequence[ToolResult]) -> None:
        """Another turn begins, with the results of the last one's calls, and with a prompt that comes now."""
        words = self._calls.wording(results) if results else None
        if results and words is None:
            self._dialect.answer(results)
        said = [text for text in (words, self._later.get(self._turns)) if text is not None]
        if said:
            self._dialect.say("\n\n".join(said))
        self._turns += 1

    async def ask(self, budget: TurnBudget) -> Reply:
        """One request, which is usually a whole turn, and its reply."""
        dialect, cap = self._dialect, self._dialect.cap_tokens(budget.output_tokens)
        refused: list[Leftover] = []
        while True:
            body, sent = dialect.body(cap)
            post = Post(
                url=dialect.url,
                headers=dialect.headers,
                body=body,
                model=sent.model,
                seconds=budget.seconds,
                output_tokens=cap,
            )
            try:
                if self._recalled.has(self._turns):
                    exchange = self._recalled.exchange(self._turns, dialect.new_reader)
                else:
                    exchange = await self._transport.post(post, dialect.new_reader)
                break
            except ProviderError as error:
                meant = dialect.meant(error) if len(refused) < MOST_LESSONS else error
                left = _with(refused, error.left)
                if isinstance(meant, ProviderError):
                    raise meant.having(left) from None
                if meant is not None:
                    return _by_error(meant, left, sent)
                refused.append(error.left)
        reply = _believed(dialect.take(exchange, cap, self._turns))
        if exchange.cut is None:
            reply = self._calls.read(reply, self._turns)
        return _after(refused, _with_exchange(reply, exchange, sent))


def transport_to(url: str, services: Services) -> Transport:
    """To one server: through the proxy that the environment names for it, with the run's patience."""
    from flatfield.http.transport import Transport

    return Transport(
        services.session,
        services.clock,
        services.retry,
        proxy=proxy_for(url, services.environ),
        pressure=services.pressure,
        secrets=services.secrets,
    )


_CUTS: dict[str, Finish] = {"time": "time", "repeats": "repeats"}


def _with_exchange(reply: Reply, exchange: Exchange[Any], sent: Sent) -> Reply:
    """What a turn's reply says, with what the exchange took."""
    finish: Finish = reply.finish
    if exchange.cut is not None:
        finish = _CUTS.get(exchange.cut, "length")
    elif reply.calls and finish == "stop":
        finish = "tool_calls"
    # Where the API has counted the reply itself, that count stands alone.
    abandoned = tuple(item for item in exchange.abandoned if reply.usage is None or not item.kept)
    return structs.replace(
        reply,
        finish=finish,
        first_token_seconds=exchange.first_token_seconds,
        pieces=exchange.pieces,
        model_seconds=exchange.model_seconds,
        silent_seconds=exchange.silent_seconds,
        has_headers=exchange.has_headers,
        retry_seconds=exchange.retry_seconds,
        queue_seconds=exchange.queue_seconds,
        attempts=exchange.attempts,
        request=_served(sent, reply.request),
        abandoned=sum(not item.kept for item in abandoned),
        abandoned_usage=abandoned,
        wire=exchange.wire,
    )


def _believed(reply: Reply) -> Reply:
    """Without counts that cannot be right (no prompt is of no tokens), with characters whole that came in halves."""
    usage = reply.usage
    if usage is not None and not (usage.input_tokens or usage.output_tokens):
        usage = None
    text, reasoning = json_text.halves_joined(reply.text), json_text.halves_joined(reply.reasoning)
    return structs.replace(reply, usage=usage, text=text, reasoning=reasoning)


def _with(refused: Sequence[Leftover], left: Leftover) -> Leftover:
    """What a request took, with what those took that taught how to make it."""
    return structs.replace(
        left,
        wire=(*(wire for each in refused for wire in each.wire), *left.wire),
        retry_seconds=left.retry_seconds + sum(each.retry_seconds for each in refused),
        queue_seconds=left.queue_seconds + sum(each.queue_seconds for each in refused),
        abandoned=(*(item for each in refused for item in each.abandoned), *left.abandoned),
    )


def _after(refused: Sequence[Leftover], reply: Reply) -> Reply:
    """A reply with what the requests took that taught how to make its own."""
    if not refused:
        return reply
    all_left = _with(
        refused,
        Leftover(
            wire=reply.wire,
            retry_seconds=reply.retry_seconds,
            queue_seconds=reply.queue_seconds,
            abandoned=reply.abandoned_usage,
        ),
    )
    return structs.replace(
        reply,
        wire=all_left.wire,
        retry_seconds=all_left.retry_seconds,
        queue_seconds=all_left.queue_seconds,
        abandoned_usage=all_left.abandoned,
        attempts=reply.attempts + sum(max(1, len(each.wire)) for each in refused),
    )


def _by_error(reply: Reply, left: Leftover, sent: Sent) -> Reply:
    """What came as an error is how the model's reply ended, with all that it took."""
    return structs.replace(
        reply,
        retry_seconds=left.retry_seconds,
        queue_seconds=left.queue_seconds,
        attempts=max(1, len(left.wire)),
        request=sent,
        abandoned=len(left.abandoned),
        abandoned_usage=left.abandoned,
        wire=left.wire,
    )


def _served(sent: Sent, by: Sent) -> Sent:
    """A request as it was sent, with who says to have answered it, and at which tier."""
    if not by.service_tier and not by.answered_by:
        return sent
    return structs.replace(sent, service_tier=by.service_tier, answered_by=by.answered_by)


# ---------------------------------------------------------------------------- what readers and dialects share


def too_long(error: ProviderError, words: re.Pattern[str]) -> ProviderError:
    """The error, as ContextTooLong where a refused request's text has the API's words for that."""
    if error.status in {400, 413} and words.search(str(error)):
        return error.retold(str(error), ContextTooLong)
    return error


def ending(finish: Finish, usage: Usage | None, cap_tokens: int, context_tokens: int | None) -> Finish:
    """How a reply ended: "context" if it was cut short of its output cap because prompt and reply filled the window.

    llama.cpp and Ollama call both "length".
    """
    if finish != "length" or usage is None or context_tokens is None or usage.output_tokens >= cap_tokens:
        return finish
    full = usage.input_tokens + usage.output_tokens + SPARE_TOKENS >= context_tokens
    return "context" if full else finish


def is_object(arguments: str) -> bool:
    """Whether a call's arguments are a JSON object, or nothing, which stands for an empty one."""
    try:
        return isinstance(json_text.decoded(arguments or "{}"), dict)
    except ValueError:
        return False


def arguments_object(arguments: str) -> dict[str, Any]:
    """A call's arguments as the object that every vendor wants to see again.

    An object that was written as a JSON text once more is that object; other arguments that are none are wrapped: a
    refused conversation would hide from the model what it did wrong.
    """
    try:
        value = json_text.decoded(arguments or "{}")
        value = json_text.decoded(value) if isinstance(value, str) else value
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {"invalid_arguments": arguments}


def as_name(name: str, most: int = 64) -> str:
    """A tool's name that an API takes back, of so many characters at most: what a model made up may be none."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)[:most] or "unnamed"


# ---------------------------------------------------------------------------- the provider of an HTTP API


class ApiProvider:
    """The provider of a vendor that is asked over HTTP and starts nothing: its package's parts, put together.

    `endpoint_of` raises NotReady where a key is missing; `catalogue` says how the agent's server lists its models;
    `open_talk` opens a conversation at an address.
    """

    def __init__(
        self,
        services: Services,
        vendor: Traits,
        *,
        endpoint_of: Callable[[AgentConfig, Mapping[str, str]], Address],
        catalogue: Catalogue,
        open_talk: Callable[[Opening, Address], Awaitable[Conversation]],
    ) -> None:
        self._services = services
        self._vendor = vendor
        self._endpoint_of = endpoint_of
        self._catalogue = catalogue
        self._open_talk = open_talk

    async def check(self, agent: AgentConfig) -> None:
        """Ask the server for its models: is it there, is the key good, is the model served?"""
        address = self._endpoint_of(agent, self._services.environ)
        await ready(agent, address, self._services, self._vendor, self._catalogue)

    async def converse(self, opening: Opening) -> Conversation:
        """Start a conversation; no model is asked before its first turn."""
        return await self._open_talk(opening, self._endpoint_of(opening.agent, self._services.environ))

    def lane(self, agent: AgentConfig) -> Lane:
        """One lane per server and model; on the user's own device one trial at a time."""
        return server_lane(agent, self._services.environ, self._vendor)

    def on_device(self, agent: AgentConfig) -> bool:
        """Only where the user says so: a loopback server may be a gateway to a paid API."""
        return bool(agent.on_device)

    async def close(self) -> None:
        """Nothing was started."""
