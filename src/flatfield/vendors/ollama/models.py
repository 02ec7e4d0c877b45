"""What a run learns of the models of Ollama servers (context, abilities, thinking levels), and loads of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec
from msgspec import Struct, field, structs

from flatfield import json_text
from flatfield.errors import NotReady, ProviderError
from flatfield.http.connecting import proxy_for
from flatfield.http.retrying import Post, RetryPolicy
from flatfield.http.secrecy import shown_url
from flatfield.http.transport import Transport
from flatfield.machine.llama import DEFAULT_CONTEXT_TOKENS
from flatfield.vendors import base
from flatfield.vendors.ollama.reader import LoadReader
from flatfield.vendors.ollama.traits import endpoint_of, is_cloud_model

if TYPE_CHECKING:
    from flatfield.http.services import Services
    from flatfield.records import AgentConfig
    from flatfield.vendors.ollama.traits import OllamaServer


ASK_SECONDS = 10.0
HELD_SECONDS = 2.0
"""A server at work tells at once what it holds; more than this is not waited for."""
LOAD_SECONDS = 900.0
KEEP_ALIVE = "10m"
"""How long a model stays loaded after a request: longer than one turn's tools take, so that no trial loads twice."""

HALVED_TOKENS = 16
LEVELS = ("low", "medium", "high")
OFF, ON = frozenset({"none", "off", "false"}), frozenset({"on", "true"})


class ModelFacts(Struct, frozen=True, kw_only=True):
    """What a server tells of a model; None and empty: it does not say.

    `context_tokens` is what the model was trained for, `num_ctx` what its Modelfile sets, `think_values` what its
    `think` accepts, `remote`: the server passes requests on to another.
    """

    capabilities: tuple[str, ...] = ()
    context_tokens: int | None = None
    num_ctx: int | None = None
    think_values: tuple[bool | str, ...] = ()
    family: str = ""
    remote: bool = False


class Loading(Struct, frozen=True, kw_only=True):
    """What loading a model took, and the failed attempts at it."""

    seconds: float = 0.0
    retry_seconds: float = 0.0


class MemoryHeld(Struct, frozen=True, kw_only=True):
    """The memory that a loaded model takes, and how much of it is a GPU's."""

    bytes_: int
    gpu_bytes: int


class OllamaModels:
    """Asks each server about each model once a run."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._known: dict[tuple[str, str], ModelFacts] = {}
        self._silent: set[str] = set()

    async def request(
        self, server: OllamaServer, path: str, body: object = None, *, seconds: float = ASK_SECONDS
    ) -> tuple[int, bytes]:
        """Status and body of a short question: GET, or POST with a body.

        Raises:
            aiohttp.ClientError, TimeoutError: no answer.
        """
        url = f"{server.base_url}{path}"
        self._services.secrets.add_headers(server.headers)
        async with self._services.session.request(
            "GET" if body is None else "POST",
            url,
            data=None if body is None else msgspec.json.encode(body),
            headers={"Content-Type": "application/json", **server.headers},
            timeout=aiohttp.ClientTimeout(total=seconds),
            allow_redirects=False,
            proxy=proxy_for(url, self._services.environ),
        ) as response:
            return response.status, await response.read()

    async def ask(self, server: OllamaServer, model: str) -> tuple[int, ModelFacts]:
        """The status of `/api/show` and what it tells; see `request`."""
        status, body = await self.request(server, "/api/show", {"model": model})
        return status, read_facts(body) if status == 200 else ModelFacts()

    async def facts(self, server: OllamaServer, model: str) -> ModelFacts:
        """What is known of a model; nothing, where the server does not answer: its conversation will say why."""
        key = (server.base_url, model)
        if key not in self._known:
            try:
                status, facts = await self.ask(server, model)
            except (aiohttp.ClientError, TimeoutError):
                return ModelFacts()
            if status >= 500:
                return facts
            self._known[key] = facts
        return self._known[key]

    async def held(self, server: OllamaServer, model: str) -> MemoryHeld | None:
        """What a model takes now; None where the server does not say, which is then not asked again."""
        if server.base_url in self._silent:
            return None
        try:
            status, body = await self.request(server, "/api/ps", seconds=HELD_SECONDS)
        except (aiohttp.ClientError, TimeoutError):
            status, body = 0, b""
        if status != 200:
            self._silent.add(server.base_url)
            return None
        return read_held(body, model)

    async def load(self, server: OllamaServer, agent: AgentConfig, num_ctx: int) -> Loading:
        """Have a model loaded before the clock of its first turn starts: a request without a prompt does just that.

        It carries what a runner is made for, so that the conversation finds the runner that it needs. A server that
        does not know the request loads with the first turn.

        Raises:
            ProviderError: it cannot be loaded.
        """
        body = {
            "model": agent.model,
            "stream": False,
            "keep_alive": KEEP_ALIVE,
            "truncate": False,
            "shift": False,
            "options": runner_options(agent, num_ctx),
        }
        url = f"{server.base_url}/api/generate"
        transport = Transport(
            self._services.session,
            self._services.clock,
            structs.replace(self._services.retry or RetryPolicy(), stall_seconds=LOAD_SECONDS),
            proxy=proxy_for(url, self._services.environ),
            secrets=self._services.secrets,
        )
        headers = {"Content-Type": "application/json", **server.headers}
        post = Post(url=url, headers=headers, body=msgspec.json.encode(body), seconds=LOAD_SECONDS)
        try:
            exchange = await transport.post(post, LoadReader)
        except ProviderError as error:
            if error.status in {404, 405}:
                return Loading()
            raise
        if exchange.cut is not None:
            raise ProviderError(f"{shown_url(server.base_url)} did not load {agent.model} within {LOAD_SECONDS:g} s")
        return Loading(seconds=exchange.model_seconds, retry_seconds=exchange.retry_seconds)


def runner_options(agent: AgentConfig, num_ctx: int) -> dict[str, Any]:
    """What a runner is made for: a request that asks for another has the model loaded anew."""
    layers = {} if agent.gpu_layers is None else {"num_gpu": agent.gpu_layers}
    return {"num_ctx": num_ctx, **layers}


def context_window(agent: AgentConfig, facts: ModelFacts, *, remote: bool) -> int:
    """The `num_ctx` to send: the agent's, else the Modelfile's, else a default; never more than the model has.

    Ollama lowers a larger one without a word. Its service does not: it gives each model its whole context.
    """
    default = facts.context_tokens if remote else facts.num_ctx
    asked = agent.context_tokens or default or DEFAULT_CONTEXT_TOKENS
    return min(asked, facts.context_tokens or asked)


def think_value(effort: str, model: str, facts: ModelFacts) -> bool | str | None:
    """The `think` that a reasoning effort becomes: a level where the model has levels, else on; None: not accepted.

    `/api/show` tells the values that a model accepts; servers that do not say so yet take levels for gpt-oss only.
    """
    if facts.capabilities and "thinking" not in facts.capabilities:
        return None
    level = effort.lower()
    accepted: tuple[bool | str, ...] = facts.think_values
    if not accepted:
        gpt_oss = "gptoss" in f"{facts.family} {model}".lower().replace("-", "")
        accepted = (*LEVELS, True, False) if gpt_oss else (True, False)
    if level in OFF | ON:
        return level in ON if (level in ON) in accepted else None
    if level in accepted:
        return level
    has_levels = any(isinstance(value, str) for value in accepted)
    return True if True in accepted and not has_levels else None


def was_cut(prompt_tokens: int, *, num_ctx: int, sent_bytes: int, before_tokens: int) -> bool:
    """Whether a server took less of a conversation than it was sent.

    `truncate` and `shift` off make it refuse instead, but servers before 0.12 do not know them, and say nothing: they
    drop messages, or halve what does not fit (to num_ctx - (num_ctx - num_keep) / 2 tokens). Signs of that: no room
    left for an answer; a conversation that only grows counts fewer tokens than before; or exactly half the window, from
    text of more than 3 bytes for each token of all of it. A conversation of under 2 bytes a token is taken to fit, and
    a count of less than a quarter of the window to leave out what the server had in its cache (0.30 counts so).
    """
    if prompt_tokens >= num_ctx:
        return True
    if sent_bytes < 2 * num_ctx:
        return False
    halved = 0 <= prompt_tokens - num_ctx // 2 <= HALVED_TOKENS and sent_bytes >= 3 * num_ctx
    return halved or num_ctx // 4 <= prompt_tokens < before_tokens


class _LoadedModel(Struct):
    name: str = ""
    model: str = ""
    size: int = 0
    size_vram: int = 0


class _AllRunning(Struct):
    models: list[_LoadedModel] = field(default_factory=list)


def read_held(body: bytes, model: str) -> MemoryHeld | None:
    """What the body of an `/api/ps` answer says of one model; None where that is not loaded or is not told."""
    try:
        running = json_text.decoded(body, _AllRunning).models
    except ValueError:
        return None
    names = {model, f"{model}:latest"}
    found = next((each for each in running if names & {each.name, each.model}), None)
    if found is None or found.size <= 0 or found.size_vram < 0:
        return None
    return MemoryHeld(bytes_=found.size, gpu_bytes=min(found.size, found.size_vram))


class _Details(Struct):
    family: str | None = None


class _Thinking(Struct):
    values: list[bool | str] = field(default_factory=list)


class _Shown(Struct):
    capabilities: list[str] | None = None
    details: _Details | None = None
    model_info: dict[str, Any] | None = None
    parameters: str | None = None
    remote_host: str | None = None
    thinking: _Thinking | None = None


def read_facts(body: bytes) -> ModelFacts:
    """What the body of an `/api/show` answer tells; nothing where it is not in the documented form."""
    try:
        shown = json_text.decoded(body, _Shown)
    except ValueError:
        return ModelFacts()
    info = shown.model_info or {}
    trained = info.get(f"{info.get('general.architecture')}.context_length")
    settings = [line.split(maxsplit=1) for line in (shown.parameters or "").splitlines()]
    own = [setting[1].strip() for setting in settings if len(setting) == 2 and setting[0] == "num_ctx"]
    return ModelFacts(
        capabilities=tuple(shown.capabilities or ()),
        context_tokens=trained if isinstance(trained, int) and trained > 0 else None,
        num_ctx=int(own[-1]) if own and own[-1].isdecimal() else None,
        think_values=tuple(shown.thinking.values) if shown.thinking else (),
        family=(shown.details.family if shown.details else None) or "",
        remote=bool(shown.remote_host),
    )


# How Ollama servers list their models, and whether a model can do what an agent asks of it.


class _Model(Struct):
    name: str = ""


def catalogue(*, remote: bool) -> base.Catalogue:
    """The models that are pulled, a name without a tag as `NAME:latest`; `remote`: nothing is pulled there."""
    return base.Catalogue(
        kind="Ollama",
        path="/api/tags",
        read=lambda body: [base.Listed(id=model.name) for model in base.entries(body, "models", _Model)],
        form="its base_url has no version, as in http://127.0.0.1:11434",
        server="Ollama",
        start="start it with `ollama serve`, or correct the address",
        is_certain=True,
        alike=lambda model: frozenset({model, f"{model}:latest"}),
        single=lambda model: ("/api/show", msgspec.json.encode({"model": model})),
        absent=_not_served if remote else _not_pulled,
    )


def expect_abilities(agent: AgentConfig, facts: ModelFacts) -> None:
    """Servers that do not tell what a model can do are given the benefit of the doubt.

    Raises:
        NotReady: the model cannot do what the agent asks of it.
    """
    can = facts.capabilities
    if can and "completion" not in can:
        raise NotReady(
            f"agent {agent.name!r}: {agent.model} is no chat model (it can: {', '.join(can)}); choose another"
        )
    if can and "tools" not in can and agent.protocol in {"native", "text"} and agent.tools != ():
        raise NotReady(
            f"agent {agent.name!r}: Ollama has no tool calls for {agent.model} (it can: {', '.join(can)}); "
            'set protocol = "auto" or "json" for this agent'
        )
    if agent.context_tokens and facts.context_tokens and agent.context_tokens > facts.context_tokens:
        raise NotReady(
            f"agent {agent.name!r}: context_tokens is {agent.context_tokens}, but {agent.model} has "
            f"{facts.context_tokens}; set it to that or less"
        )


def _not_pulled(model: str, where: str, names: str) -> str:
    return f"{model!r} is not pulled at {where}: run `ollama pull {model}` (pulled: {names or 'nothing'})"


def _not_served(model: str, where: str, names: str) -> str:
    fix = f"; run `ollama pull {model}`" if is_cloud_model(model) else ""
    return f"{where} does not serve {model!r}; it serves: {names}{fix}"


# What a model and its Ollama server are: the digest of the model, which covers its template, and the version.


async def identity_of(agent: AgentConfig, services: Services) -> str:
    """Digest and version as words; "" where the server does not tell them."""
    server, models = endpoint_of(agent, services.environ), OllamaModels(services)
    version = (await _told(models, server, "/api/version")).get("version")
    listed = (await _told(models, server, "/api/tags")).get("models")
    entries = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    names = {agent.model, f"{agent.model}:latest"}
    digest = next((entry.get("digest") for entry in entries if names & {entry.get("name"), entry.get("model")}), None)
    return f"Ollama {version}, {digest}" if version and digest else ""


async def _told(models: OllamaModels, server: OllamaServer, path: str) -> dict[str, Any]:
    try:
        status, body = await models.request(server, path)
        value = json_text.decoded(body) if status == 200 else None
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
