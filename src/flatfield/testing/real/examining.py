"""Asks real servers within a budget, and tells where they differ from what the test kit believes of them."""

from __future__ import annotations

import asyncio
import getpass
import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from msgspec import Struct, structs

from flatfield import __version__, plugins
from flatfield.agent.destinations import sends
from flatfield.errors import FlatfieldError, NotFound, NotReady
from flatfield.http.connecting import leads_here
from flatfield.http.secrecy import Scrubber, scrubbed
from flatfield.http.services import place_of
from flatfield.records import Sent, Usage
from flatfield.runs.readiness import agent_spec, find_servers
from flatfield.saying import dollars
from flatfield.tasks.agents import select_agents
from flatfield.tasks.roster import as_agent, known_models
from flatfield.testing.real.differing import Difference  # noqa: TC001 - msgspec
from flatfield.testing.real.exercise import CUT_TOKENS, TURN_SECONDS, Exercise
from flatfield.testing.real.forms import skeleton
from flatfield.testing.real.playing import held, is_trouble, look_of
from flatfield.vendors.base import is_own

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from flatfield.http.secrecy import Secrets
    from flatfield.records import AgentConfig
    from flatfield.runs.world import World
    from flatfield.testing.real.exercise import Heard

_ACCOUNTS = re.compile(
    r"\b(?:org|organization|proj|project|projects|user|acct|account|accounts|workspace|wrkspc|team|tenant)"
    r"[-_/][A-Za-z0-9][\w-]{5,}|[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}|\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"
    r"|\b\d{8,}\b|\bft:[\w:.-]+"
)
"""Organizations, projects, users, mail addresses, ids and long numbers, which name whose account it is."""
_HOMES = re.compile(r"(?:/home/|/Users/|[A-Za-z]:\\Users\\)[^/\\\s\"']+")
_NOBODY = frozenset({"admin", "assistant", "model", "root", "runner", "system", "tool", "ubuntu", "user"})
"""Names of users that are words of protocols, or tell nothing of anybody."""


class StepTold(Struct, frozen=True, kw_only=True):
    """One step as a report tells it; `status` None: there was no answer. `said` is why it was refused, without keys."""

    step: str
    status: int | None = None
    finish: str = ""
    calls: int = 0
    first_token_seconds: float | None = None
    seconds: float | None = None
    pieces: int | None = None
    usage: Usage | None = None
    cost_usd: float | None = None
    said: str = ""


class VendorReport(Struct, frozen=True, kw_only=True):
    """One vendor: whether it was asked (`partly`: not everything), what it said, where it differs from the test kit.

    `place`: "the vendor's own server", "a server on this machine" or "another server", never its address. `why` it was
    not asked, or not everything. `seen`: places and fields of all its replies with their types, without any value.
    """

    provider: str
    model: str
    place: str = ""
    state: Literal["asked", "partly", "not asked"] = "asked"
    why: str = ""
    answered_by: str = ""
    cost_usd: float | None = 0.0
    steps: tuple[StepTold, ...] = ()
    differences: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()
    seen: dict[str, dict[str, str]] = {}


class LiveReport(Struct, frozen=True, kw_only=True):
    """All that were asked, and what it cost; `spent_usd` leaves out what has no price."""

    flatfield: str = __version__
    asked_at: str = ""
    budget_usd: float = 0.0
    spent_usd: float = 0.0
    vendors: tuple[VendorReport, ...] = ()


TINY = Usage(input_tokens=CUT_TOKENS * 4, output_tokens=CUT_TOKENS)
"""What a look at a model takes at most: one question of a few words, where its server does not list it."""


SLOW = f"a reply was not whole after {TURN_SECONDS:g} s, or went round in circles"
ELSEWHERE = "another server"


class _Priced(Protocol):
    def __call__(self, agent: AgentConfig, usage: Usage | None, sent: Sent | None = None) -> float | None: ...


class _Stopped(Exception):
    """The next step could cost more than is left."""


class Purse:
    """What may still be spent; each step is counted before it is asked, at the most that it can cost."""

    def __init__(self, limit_usd: float) -> None:
        self.limit_usd = limit_usd
        self.spent_usd = 0.0

    def admit(self, what: str, most_usd: float | None) -> None:
        """Go on if that much is left; None: nobody knows, and the user has named the agent all the same."""
        if most_usd and self.spent_usd + most_usd > self.limit_usd:
            left = max(0.0, self.limit_usd - self.spent_usd)
            raise _Stopped(
                f"{what} could cost {dollars(most_usd)}, and {dollars(left)} of {dollars(self.limit_usd)} are left: "
                "give more with --budget-usd"
            )


class LiveExamination:
    """Asks agents one after the other; `vendors` are those that are done, also when it is interrupted.

    `reasons`: why some were not asked, or in part, without keys, but with all that the user needs to mend it.
    `answers` is filled by the world's session with the headers of all answers. `tell` hears what is being done.
    """

    def __init__(
        self, world: World, answers: list[Mapping[str, str]], budget_usd: float, tell: Callable[[str], None]
    ) -> None:
        self._world = world
        self._answers = answers
        self._purse = Purse(budget_usd)
        self._tell = tell
        self._began = world.outside.clock.utc().isoformat(timespec="seconds")
        self.vendors: list[VendorReport] = []
        self.reasons: list[str] = []

    @property
    def report(self) -> LiveReport:
        """What is known until now, without keys, accounts and names of the user's."""
        told = LiveReport(
            asked_at=self._began,
            budget_usd=self._purse.limit_usd,
            spent_usd=self._purse.spent_usd,
            vendors=tuple(self.vendors),
        )
        masked: LiveReport = self._world.services.secrets.masked(told)
        return masked

    async def ask(self, agent: AgentConfig, *, named: bool) -> None:
        """Ask one agent's server; whatever goes wrong with it is in its report. `named`: by the user."""
        agent = structs.replace(agent, protocol="native", tools=None, system_prompt=None)
        try:
            self.vendors.append(await self._asked(agent, named=named))
        except FlatfieldError as error:
            self.vendors.append(self._not_asked(agent, str(error)))

    async def _asked(self, agent: AgentConfig, *, named: bool) -> VendorReport:
        pool = self._world.pool
        self._tell(f"{agent.provider}: is {agent.model} there?")
        if self._usd(agent, TINY) is None and not named:
            raise NotReady(
                f"no price of {agent.model!r} is known, so that it cannot be kept within a budget: name it with "
                f'--agents to ask it all the same, or give it a price with [prices."{agent.provider}:{agent.model}"]'
            )
        account = _Account(self._purse, agent, self._usd, self._tell)
        exercise = Exercise(agent, pool.of(agent).converse, account.admit, self._answers)
        account.heard = exercise.heard
        note = why = ""
        try:
            self._purse.admit(f"{agent.provider}, a look at the model", self._usd(agent, TINY))
            note = await pool.check(agent)
            account.looked(asked=bool(note))
            await exercise.run()
        except _Stopped as stopped:
            why = str(stopped)
        except asyncio.CancelledError:
            account.break_off()
            raise
        finally:
            account.settle()
        return await self._told(agent, account, note, why)

    async def _told(self, agent: AgentConfig, account: _Account, note: str, why: str) -> VendorReport:
        """What came of it: nothing is held against the kit where no reply came at all."""
        heard, tells = account.heard, self._redaction(agent)
        said = next((each.problem or SLOW for each in heard if is_trouble(each)), "")
        if not heard or heard[0].reply is None:
            return self._not_asked(agent, heard[0].problem if heard else why, account)
        self._tell(f"{agent.provider}: the same to the test kit")
        differences: tuple[Difference, ...] = ()
        notes = [note] if note else []
        try:
            differences = await held(agent, heard, self._world.services, self._answers)
        except (NotFound, NotReady) as error:
            notes.append(f"it was held against nothing: {error}")
        notes += _notes(heard)
        if why or said:
            self._say_why(f"{agent.provider} was asked in part: {why or said}")
        return VendorReport(
            provider=agent.provider,
            model=tells(agent.model),
            place=self._place(agent),
            state="partly" if why or said else "asked",
            why=tells(why or said),
            answered_by=tells(next((each.reply.request.answered_by for each in heard if each.reply), "")),
            cost_usd=account.cost_usd,
            steps=tuple(_step(each, account, tells) for each in heard),
            differences=tuple(
                structs.replace(each, at=tells(each.at), found=tells(each.found)) for each in differences
            ),
            notes=tuple(map(tells, notes)),
            seen=_seen(agent, heard, tells) if differences else {},
        )

    def _not_asked(self, agent: AgentConfig, why: str, account: _Account | None = None) -> VendorReport:
        tells = self._redaction(agent)
        self._say_why(f"{agent.provider} was not asked: {why}")
        return VendorReport(
            provider=agent.provider,
            model=tells(agent.model),
            place=self._place(agent),
            state="not asked",
            why=tells(why),
            cost_usd=account.cost_usd if account else 0.0,
        )

    def _say_why(self, text: str) -> None:
        self.reasons.append(scrubbed(text, {}, self._world.services.secrets))

    def _place(self, agent: AgentConfig) -> str:
        """Whose server it is, not where."""
        try:
            url, vendor = self._url(agent), plugins.traits_of(agent.provider)
        except FlatfieldError:
            return ""
        if not url or leads_here(url):
            return "a server on this machine"
        return "the vendor's own server" if is_own(url, vendor) else ELSEWHERE

    def _url(self, agent: AgentConfig) -> str:
        """Where its requests go.

        Raises:
            NotFound: there is no such provider.
        """
        return sends(agent, self._world.services.environ, pretend=True).url

    def _redaction(self, agent: AgentConfig) -> _Redaction:
        elsewhere = place_of(self._url(agent)) if self._place(agent) == ELSEWHERE else ""
        return _Redaction(self._world.services.secrets, elsewhere)

    def _usd(self, agent: AgentConfig, usage: Usage | None, sent: Sent | None = None) -> float | None:
        world = self._world
        url = self._url(agent)
        on_device = world.pool.of(agent).on_device(agent)
        return world.outside.prices.usd(agent, usage, on_device, sent=sent or Sent(base_url=url))


class _Account:
    """What one agent has cost until now; `heard` are the steps that are done."""

    def __init__(self, purse: Purse, agent: AgentConfig, usd: _Priced, tell: Callable[[str], None]) -> None:
        self._purse = purse
        self._agent = agent
        self._usd = usd
        self._tell = tell
        self._most: dict[str, Usage] = {}
        self.heard: Sequence[Heard] = ()
        self.costs: dict[str, float | None] = {}
        self.looked_usd: float | None = 0.0

    @property
    def cost_usd(self) -> float | None:
        """Dollars of all requests; None: of one of them the price is not known."""
        costs = [*self.costs.values(), self.looked_usd]
        return None if None in costs else sum(cost for cost in costs if cost is not None)

    def admit(self, step: str, most: Usage) -> None:
        """Count what the steps before have cost, then see whether this one fits."""
        self.settle()
        self._tell(f"{self._agent.provider}: {step}")
        self._purse.admit(f"{self._agent.provider}, {step}", self._usd(self._agent, most))
        self._most[step] = most

    def looked(self, *, asked: bool) -> None:
        """The server was asked for its models, and, where these did not tell, the model a tiny question."""
        self.looked_usd = self._usd(self._agent, TINY) if asked else 0.0
        self._purse.spent_usd += self.looked_usd or 0.0

    def break_off(self) -> None:
        """The step that is under way is given up: it may have cost all that it could."""
        self.settle()
        for step in self._most.keys() - self.costs.keys():
            self.costs[step] = cost = self._usd(self._agent, self._most[step])
            self._purse.spent_usd += cost or 0.0

    def settle(self) -> None:
        """Count the steps that were not counted yet."""
        for each in self.heard:
            if each.step not in self.costs:
                self.costs[each.step] = cost = self._cost(each)
                self._purse.spent_usd += cost or 0.0

    def _cost(self, heard: Heard) -> float | None:
        """What was counted; of what broke off uncounted, the most that it can be; what is refused costs nothing."""
        usage, sent = (heard.reply.usage, heard.reply.request) if heard.reply else (None, None)
        if usage is None and heard.status not in {None, 200}:
            return 0.0
        return self._usd(self._agent, usage or self._most.get(heard.step), sent)


class _Redaction:
    """Takes out of a text what is nobody else's affair: keys, accounts, the user's name and home, a host of theirs."""

    def __init__(self, secrets: Secrets, host: str) -> None:
        self._host = host
        self._scrubber = Scrubber({}, secrets)
        try:
            user = getpass.getuser()
        except (OSError, KeyError):  # no such user is known to the system
            user = ""
        self._user = user if len(user) > 2 and user.lower() not in _NOBODY else ""
        self._home = str(Path.home())

    def __call__(self, text: str) -> str:
        text = self._scrubber.text(text)
        text = text.replace(self._host, "[server]") if self._host else text
        text = text.replace(self._home, "[home]") if len(self._home) > 2 else text
        text = _HOMES.sub("[home]", text)
        text = _ACCOUNTS.sub("[account]", text)
        return re.sub(rf"\b{re.escape(self._user)}\b", "[user]", text) if self._user else text


def _seen(agent: AgentConfig, heard: Sequence[Heard], tells: _Redaction) -> dict[str, dict[str, str]]:
    """All places and fields of the replies; some servers put a customer's name into one."""
    places = skeleton(look_of(agent.provider, heard))
    return {tells(place): {tells(name): types for name, types in fields.items()} for place, fields in places.items()}


def _step(heard: Heard, account: _Account, tells: _Redaction) -> StepTold:
    reply, cost = heard.reply, account.costs.get(heard.step)
    if reply is None:
        return StepTold(step=heard.step, status=heard.status, cost_usd=cost, said=tells(heard.problem))
    return StepTold(
        step=heard.step,
        status=heard.status,
        finish=reply.finish,
        calls=len(reply.calls),
        first_token_seconds=reply.first_token_seconds,
        seconds=reply.model_seconds,
        pieces=reply.pieces,
        usage=reply.usage,
        cost_usd=cost,
    )


def _notes(heard: Sequence[Heard]) -> Iterator[str]:
    """What the exercise could not show, so that nobody takes it for believed."""
    replies = [each.reply for each in heard if each.reply]
    most = max(len(reply.calls) for reply in replies)
    if not most:
        yield "the model called no tool, so that calls, their ids and their results were not looked at"
    elif most == 1:
        yield "the model made no parallel calls, so that these were not looked at"
    if not any(reply.usage and reply.usage.cache_read_tokens for reply in replies):
        yield "nothing was read from a cache, so that how cached tokens are counted was not looked at"
    if not any(reply.finish == "length" for reply in replies):
        yield "no reply was ended by its output cap"


async def usual_agents(world: World) -> tuple[AgentConfig, ...]:
    """One agent a vendor: the cheapest known model where its key is set, the first of each server on this machine."""
    environ, today = world.services.environ, world.outside.clock.utc().date()
    found: list[AgentConfig] = []
    for vendor in plugins.all_traits():
        if not vendor.asks_server or vendor.own_server or not _has_key(vendor.key_variables, environ):
            continue
        models = [each for each in known_models() if each.provider == vendor.name and not each.is_retired(today)]
        priced = [(_dollars_of(as_agent(each), world), each.name, as_agent(each)) for each in models]
        found += [agent for usd, _, agent in sorted(priced, key=lambda each: each[:2]) if usd is not None][:1]
    servers = [each for each in await find_servers(world.services) if each.models]
    return (*found, *select_agents([agent_spec(each) for each in servers], ()))


def _has_key(variables: Sequence[str], environ: Mapping[str, str]) -> bool:
    return any(environ.get(name, "").strip() for name in variables)


def _dollars_of(agent: AgentConfig, world: World) -> float | None:
    """What a small step would cost, to find the cheapest model."""
    return world.outside.prices.usd(agent, Usage(input_tokens=2000, output_tokens=500), on_device=False)
