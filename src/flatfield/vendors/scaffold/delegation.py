"""`cli`: an external coding agent, run headless in the trial's workspace; its whole run is one turn of ours.

It is no part of our sandbox: it runs as the user, with the user's login, and is told to keep to file edits and to obey
nothing of the workspace's own settings.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import pkgutil
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from msgspec import structs

from flatfield import plugins
from flatfield.children.running import Start, run_process
from flatfield.errors import NotReady, ProviderError
from flatfield.http.secrecy import scrubbed, shown_url, without_keys
from flatfield.http.tape import Tape
from flatfield.records import Leftover, Reply, ScaffoldWork, Sent
from flatfield.vendors.base import SYSTEM_PROMPT, Lane
from flatfield.vendors.scaffold.external import ScaffoldJob, ScaffoldReport
from flatfield.vendors.scaffold.traits import TRAITS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flatfield.children.running import Finished
    from flatfield.http.services import Services
    from flatfield.records import AgentConfig, ToolResult, TurnBudget, Wire
    from flatfield.vendors.base import Conversation, Opening
    from flatfield.vendors.scaffold.external import Scaffold


# Which external agents there are, which of them an agent is, and what it is handed of the environment.


COMMON = ("PATH", "HOME", "TERM", "LANG")
OWN_OUTPUTS = ("text", "json")
"""Formats of commands that are nobody's in particular."""
_FORMATS = "flatfield.vendors.scaffold.formats"


class External(NamedTuple):
    """A scaffold with its name, and the model that it is asked to use ("": its own choice)."""

    name: str
    scaffold: Scaffold
    model: str


def scaffold_names() -> tuple[str, ...]:
    """The external agents that are known by name."""
    return tuple(name for name in output_names() if name not in OWN_OUTPUTS)


def output_names() -> tuple[str, ...]:
    """The formats of output that can be read: one file each in the folder `formats`."""
    files = pkgutil.iter_modules([str(Path(__file__).parent / "formats")])
    return tuple(sorted(module.name.replace("_", "-") for module in files))


def external_of(agent: AgentConfig) -> External:
    """Which scaffold an agent is, and with which model: `claude-code`, `claude-code/MODEL`, or a command of the user's.

    Raises:
        NotReady: there is no such scaffold, or no such format of output.
    """
    if agent.command:
        name, model, known = agent.output or OWN_OUTPUTS[0], agent.model, output_names()
    else:
        name, _, model = agent.model.partition("/")
        known = scaffold_names()
    if name not in known:
        what = "output" if agent.command else "scaffold"
        raise NotReady(
            f"agent {agent.name!r}: there is no {what} {name!r}; there are: {', '.join(known)}"
            f"{'' if agent.command else ' (or give a `command` in flatfield.toml)'}"
        )
    module = importlib.import_module(f"{_FORMATS}.{name.replace('-', '_')}")
    return External(name, module.SCAFFOLD, model)


UNTOLD = frozenset(
    {
        "base_url",
        "headers",
        "temperature",
        "max_output_tokens",
        "context_tokens",
        "gpu_layers",
        "protocol",
        "tools",
    }
)
"""Settings that no scaffold is told: they are its own."""


def untold(agent: AgentConfig) -> frozenset[str]:
    """The settings that an agent's scaffold is not told."""
    try:
        takes_effort = external_of(agent).scaffold.takes_effort
    except NotReady:  # which is said where it is looked at
        takes_effort = True
    return UNTOLD if takes_effort else UNTOLD | {"reasoning_effort"}


def with_model_of(agent: AgentConfig, program: str) -> str:
    """What an agent's `model` is for `program` to run the model of `agent`; as it is where it names one itself.

    Raises:
        NotReady: there is no such program, or it cannot ask for that model where the agent does.
    """
    name, slash, _ = program.partition("/")
    scaffold = external_of(structs.replace(agent, model=program, command=())).scaffold
    if slash:
        return program
    by_itself = f"name one that it runs by itself: {name}/MODEL"
    if agent.base_url:
        where = shown_url(agent.base_url)
        raise NotReady(f"agent {agent.name!r} asks {where}, and {name} asks where its own settings say; {by_itself}")
    maker = plugins.traits_or_usual(agent.provider).price_name
    if scaffold.vendor == maker:
        return f"{name}/{agent.model}"
    if scaffold.vendor or not maker:
        raise NotReady(f"agent {agent.name!r} has {agent.model}, which {name} is not known to run; {by_itself}")
    return f"{name}/{maker}/{agent.model}"


def environment(environ: Mapping[str, str], agent: AgentConfig, external: External) -> dict[str, str]:
    """What a scaffold is handed of the environment: four variables, its vendor's, and the one that holds its key."""
    wanted = [*COMMON, *external.scaffold.variables, *([agent.api_key_env] if agent.api_key_env else [])]
    vendor = vendor_of(external)
    if not external.scaffold.vendor and vendor:
        wanted.append(f"{re.sub('[^A-Z0-9]', '_', vendor.upper())}_*")
    names = {name[:-1] for name in wanted if name.endswith("*")}
    return {
        name: value for name, value in environ.items() if name in wanted or any(name.startswith(head) for head in names)
    }


def obeyed(scaffold: Scaffold, version: str, *, own: bool) -> str:
    """What of a workspace it may obey, in words; "" for nothing. `own`: it is a command of the user's.

    A version that is older than the one that the tests use may not know what it is told.
    """
    if own or not scaffold.proved:
        return "what a command of one's own obeys of the workspace's settings is not known"
    if _numbers(version) < _numbers(scaffold.proved):
        which = version or "its version"
        return f"perhaps the workspace's own settings: {which} is not known to leave them out, {scaffold.proved} is"
    return scaffold.obeys


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)[:3]))


def vendor_of(external: External) -> str:
    """Who serves its models, as prices call it; "" when nobody knows."""
    provider, slash, _ = external.model.partition("/")
    return external.scaffold.vendor or (provider if slash else "")


SCAFFOLDS_OWN = "the scaffold's own"
AT_ONCE = 2
"""So many at once: each is a program of its own, that takes some seconds of a processor to start."""
VERSION_SECONDS = 30.0
_VERSION = re.compile(r"\d+(?:\.\d+)+[\w.+-]*")
_COMPLAINT_CHARACTERS = 300


class CliProvider:
    """Starts programs; asks each for its version once."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._versions: dict[str, str] = {}

    async def check(self, agent: AgentConfig) -> None:
        """Raise NotReady when the scaffold is not known or not installed; whether it is logged in is not seen."""
        external = external_of(agent)
        if agent.base_url:
            raise NotReady(
                f"agent {agent.name!r}: base_url is not for provider cli; the scaffold's own settings say where it asks"
            )
        if agent.protocol not in {None, "native"}:
            raise NotReady(f'agent {agent.name!r}: protocol = "{agent.protocol}" is not for provider cli; remove it')
        program = _program(agent, external)
        if self._found(program) is None:
            install = f"install it: {external.scaffold.install}" if external.scaffold.install else "install it"
            raise NotReady(f"agent {agent.name!r}: {program} is not on the PATH; {install}, or correct `command`")
        if agent.api_key_env and not self._services.environ.get(agent.api_key_env):
            raise NotReady(f"agent {agent.name!r}: {agent.api_key_env} is not set; set it, or remove api_key_env")

    async def converse(self, opening: Opening) -> Conversation:
        """A conversation of one turn."""
        external = external_of(opening.agent)
        return _Delegation(self._services, opening, external, await self._version(opening.agent, external))

    def lane(self, agent: AgentConfig) -> Lane:
        """Two runs of a scaffold at once."""
        name, _, _ = external_of(agent)
        return Lane(name=f"cli {name}", width=AT_ONCE)

    def on_device(self, agent: AgentConfig) -> bool:
        """Only where the user says so."""
        return bool(agent.on_device)

    async def close(self) -> None:
        """Nothing is left running."""

    def _found(self, program: str) -> str | None:
        return shutil.which(program, path=self._services.environ.get("PATH", ""))

    async def _version(self, agent: AgentConfig, external: External) -> str:
        """What the program says that its version is; "" for a command that is nobody's in particular."""
        program = external.scaffold.program
        if agent.command or not program:
            return ""
        if program not in self._versions:
            path = self._found(program) or program
            environ = environment(self._services.environ, agent, external)
            told = await _run([path, "--version"], Path(tempfile.gettempdir()), environ, "", VERSION_SECONDS)
            version = _VERSION.search(told.printed)
            self._versions[program] = version.group() if version else ""
        return self._versions[program]


async def _run(argv: Sequence[str], cwd: Path, environ: Mapping[str, str], prompt: str, seconds: float) -> Finished:
    """Run a program to its end, the prompt on its standard input.

    Raises:
        ProviderError: it could not be started.
    """
    try:
        start = Start(environ=environ, cwd=cwd, given=prompt.encode("utf-8", "surrogateescape"))
        return await run_process(argv, start, seconds=seconds)
    except (OSError, ValueError) as error:
        raise ProviderError(f"{argv[0]} cannot be started: {error}") from None


class _Delegation:
    """One run of a scaffold."""

    def __init__(self, services: Services, opening: Opening, external: External, version: str) -> None:
        self._services = services
        self._opening = opening
        self._external = external
        self._version = version
        self._environ = environment(services.environ, opening.agent, external)
        self._keys: dict[str, str] = {}

    async def turn(self, _results: Sequence[ToolResult], budget: TurnBudget) -> Reply:
        """Run it to its end, or for as long as is left.

        Raises:
            ProviderError: it could not be started, it failed, or it printed what cannot be read.
        """
        folder = self._opening.workspace
        if folder is not None:
            return await self._run(folder, budget)
        with tempfile.TemporaryDirectory() as empty:
            return await self._run(empty, budget)

    async def _run(self, folder: str, budget: TurnBudget) -> Reply:
        job = self._job(folder)
        if not job.command:
            self._refuse(Path(folder))
        clock = self._services.clock
        began = clock.now()
        finished = await self._finished(job, max(0.0, budget.seconds))
        seconds = clock.now() - began
        if finished.exit_code is None:
            seconds = min(seconds, budget.seconds)
        if self._opening.workspace_user is not None:
            from flatfield.machine.sandbox.ownership import adopt

            await asyncio.to_thread(adopt, Path(folder), self._opening.workspace_user)
        report = self._read(finished)
        work = ScaffoldWork(
            name=self._external.name,
            version=self._version,
            turns=report.turns,
            tool_calls=report.tool_calls,
            obeys=obeyed(self._external.scaffold, self._version, own=bool(job.command)),
            by_model=report.by_model,
        )
        return Reply(
            text=report.text,
            finish="time" if finished.exit_code is None else "stop",
            usage=report.usage,
            model_seconds=seconds,
            request=self._request(job, report),
            reported_cost_usd=report.cost_usd,
            scaffold=work,
            wire=(self._kept(job.prompt, finished),),
        )

    async def _finished(self, job: ScaffoldJob, seconds: float) -> Finished:
        """Run it with what it is handed, what it is told, and the private home that it may need."""
        scaffold = self._external.scaffold
        in_argv = any("{prompt}" in part for part in job.command)
        with tempfile.TemporaryDirectory() as home:
            made = {} if job.command else await asyncio.to_thread(scaffold.home, job, Path(home), self._environ)
            handed = {**self._environ, **made}
            key = self._opening.agent.api_key_env
            self._keys = {n: value for n, value in handed.items() if n == key or n not in without_keys({n: value})}
            self._services.secrets.add(self._keys.values())
            environ = {**handed, **scaffold.settings(job)}
            prompt = "" if in_argv else job.prompt
            return await _run(self._argv(job), Path(job.workspace), environ, prompt, seconds)

    def _refuse(self, folder: Path) -> None:
        """Raise ProviderError where it would run code of the workspace, or of a folder above that is not the home."""
        home = Path(self._environ.get("HOME", "/")).resolve()
        for place in (folder.resolve(), *folder.resolve().parents):
            found = next((name for name in self._external.scaffold.runs if os.path.lexists(place / name)), None)
            if found and place != home:
                raise ProviderError(
                    f"{self._external.name} was not started: it would run the plugins of {place / found}, which it "
                    "cannot be told not to; remove that, or take another agent"
                )

    def _job(self, folder: str) -> ScaffoldJob:
        agent = self._opening.agent
        return ScaffoldJob(
            model=self._external.model,
            workspace=folder,
            edits=self._opening.workspace is not None,
            prompt=self._told() + self._opening.prompt,
            effort=agent.reasoning_effort,
            command=agent.command,
        )

    def _told(self) -> str:
        """What is said before the prompt: what is the agent's or the judge's own, not what describes the nano agent."""
        own = self._opening.system_prompt.removeprefix(SYSTEM_PROMPT).strip()
        return f"{own}\n\n" if own else ""

    def _argv(self, job: ScaffoldJob) -> list[str]:
        if not job.command:
            program = self._external.scaffold.program
            path = shutil.which(program, path=self._services.environ.get("PATH", "")) or program
            return [path, *self._external.scaffold.arguments(job)]
        filled = {"{prompt}": job.prompt, "{workspace}": job.workspace, "{model}": job.model}
        return [_filled(part, filled) for part in job.command]

    def _read(self, finished: Finished) -> ScaffoldReport:
        """The scaffold's own report; one that was ended for time may have none.

        Raises:
            ProviderError: it failed, or waited for its vendor until its time was over.
        """
        scaffold = self._external.scaffold
        if finished.exit_code is None and (said := scaffold.unanswered(finished.printed, finished.complained)):
            why = f"its vendor did not answer: {scrubbed(said, self._keys)[:_COMPLAINT_CHARACTERS]}"
            raise ProviderError(f"{self._external.name} (ended for time): {why}", left=self._left(finished))
        try:
            report = self._external.scaffold.read(scrubbed(finished.printed, self._keys))
        except ValueError as error:
            if finished.exit_code is None:
                return ScaffoldReport()
            raise self._failed(finished, self._complaint(finished) or f"printed what cannot be read: {error}") from None
        if finished.exit_code is None:  # what it had counted until then is not all that it used
            return ScaffoldReport(text=report.text, models=report.models)
        if report.error:
            raise self._failed(finished, report.error[:_COMPLAINT_CHARACTERS])
        if finished.exit_code:
            raise self._failed(finished, "failed")
        return report

    def _complaint(self, finished: Finished) -> str:
        """Why it failed, where it says so in its own form on stderr; else ""."""
        try:
            return self._external.scaffold.read(scrubbed(finished.complained, self._keys)).error[:_COMPLAINT_CHARACTERS]
        except ValueError:
            return ""

    def _failed(self, finished: Finished, why: str) -> ProviderError:
        code = finished.exit_code or 0
        ended = f"signal {-code}" if code < 0 else f"exit code {code}"
        said = scrubbed(finished.complained or finished.printed, self._keys).strip()[-_COMPLAINT_CHARACTERS:]
        problem = f"{self._external.name} ({ended}): {why}{f'; it said: {said}' if said else ''}"
        return ProviderError(problem, left=self._left(finished))

    def _left(self, finished: Finished) -> Leftover:
        return Leftover(wire=(self._kept("", finished),))

    def _kept(self, prompt: str, finished: Finished) -> Wire:
        """What went in and came out, for whoever wants to see what it did; without keys."""
        printed = f"{finished.printed}{finished.complained}".encode()
        kept = Tape(self._services.secrets).keep(
            f"cli:{self._external.name}", self._keys, prompt.encode("utf-8", "replace"), printed
        )
        return structs.replace(kept, headers={})

    def _request(self, job: ScaffoldJob, report: ScaffoldReport) -> Sent:
        """What it was started with, for the manifest and for prices; None of it is known of what it sends itself."""
        external = self._external
        model = report.models[0] if report.models else external.model.partition("/")[2] or external.model
        return Sent(
            api=f"{TRAITS.name}: {external.name}",
            base_url=self._environ.get(external.scaffold.base_url_variable, ""),
            model=model or "the scaffold's own choice",
            models=report.models if len(report.models) > 1 else (),
            price_vendor=vendor_of(external),
            service_tier=report.service_tier,
            stream=False,
            tools=(SCAFFOLDS_OWN,),
            tools_digest=SCAFFOLDS_OWN,
            system_words=SCAFFOLDS_OWN + (" + this agent's, before the task" if self._told() else ""),
            reasoning_effort=job.effort if external.scaffold.takes_effort else None,
        )


def _program(agent: AgentConfig, external: External) -> str:
    return agent.command[0] if agent.command else external.scaffold.program


def _filled(part: str, values: dict[str, str]) -> str:
    """A part of a command with its placeholders filled at once, so that a prompt that holds one is left alone."""
    return re.sub("|".join(map(re.escape, values)), lambda found: values[found.group()], part)
