"""`cli`: an external coding agent, run headless in the trial's workspace; its whole run is one turn of ours.

It is no part of our sandbox: it runs as the user, with the user's login, and is told to keep to file edits.
"""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from flatfield.agent.http.secrecy import scrubbed
from flatfield.agent.http.wire import Tape
from flatfield.agent.protocols import Lane
from flatfield.agent.providers._scaffold import Job, Report
from flatfield.agent.providers._scaffold_process import run_program
from flatfield.agent.system_prompt import SYSTEM_PROMPT
from flatfield.errors import NotReady, ProviderError
from flatfield.records import Reply, ScaffoldWork

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.agent.protocols import Conversation, Opening, Services
    from flatfield.agent.providers._scaffold import Scaffold
    from flatfield.agent.providers._scaffold_process import Finished
    from flatfield.records import AgentConfig, ToolResult, TurnBudget

AT_ONCE = 2
"""So many at once: each is a program of its own, that takes some seconds of a processor to start."""
COMMON = ("PATH", "HOME", "TERM", "LANG")
OWN_OUTPUTS = ("text", "json")
"""Formats of commands that are nobody's in particular."""
VERSION_SECONDS = 30.0
_FORMAT = "_cli_"
_VERSION = re.compile(r"\d+(?:\.\d+)+[\w.+-]*")
_COMPLAINT_CHARACTERS = 300


class External(NamedTuple):
    """A scaffold with its name, and the model that it is asked to use ("": its own choice)."""

    name: str
    scaffold: Scaffold
    model: str


def create(services: Services) -> CliProvider:
    """The provider, for one run."""
    return CliProvider(services)


def scaffold_names() -> tuple[str, ...]:
    """The external agents that are known by name."""
    return tuple(name for name in output_names() if name not in OWN_OUTPUTS)


def output_names() -> tuple[str, ...]:
    """The formats of output that can be read: one file each beside this one."""
    files = (module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
    return tuple(sorted(name.removeprefix(_FORMAT).replace("_", "-") for name in files if name.startswith(_FORMAT)))


class CliProvider:
    """Starts programs; asks each for its version once."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._versions: dict[str, str] = {}

    async def check(self, agent: AgentConfig) -> None:
        """Raise NotReady when the scaffold is not known or its program not installed; whether it is logged in is not seen."""
        external = external_of(agent)
        if agent.base_url:
            raise NotReady(
                f"agent {agent.name!r}: base_url is not for provider cli; the scaffold's own settings say where it asks"
            )
        if agent.protocol == "json":
            raise NotReady(f'agent {agent.name!r}: protocol = "json" is not for provider cli; remove it')
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
            told = await run_program([path, "--version"], Path(tempfile.gettempdir()), environ, "", VERSION_SECONDS)
            version = _VERSION.search(told.printed)
            self._versions[program] = version.group() if version else ""
        return self._versions[program]


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
    module = importlib.import_module(f"flatfield.agent.providers.{_FORMAT}{name.replace('-', '_')}")
    return External(name, module.SCAFFOLD, model)


def environment(environ: Any, agent: AgentConfig, external: External) -> dict[str, str]:  # noqa: ANN401 - a mapping
    """What a scaffold is handed of the environment: four variables, its vendor's, and the one that holds its key."""
    wanted = [*COMMON, *external.scaffold.variables, *([agent.api_key_env] if agent.api_key_env else [])]
    vendor = _vendor(external)
    if not external.scaffold.vendor and vendor:
        wanted.append(f"{re.sub('[^A-Z0-9]', '_', vendor.upper())}_*")
    names = {name[:-1] for name in wanted if name.endswith("*")}
    return {
        name: value for name, value in environ.items() if name in wanted or any(name.startswith(head) for head in names)
    }


class _Delegation:
    """One run of a scaffold."""

    def __init__(self, services: Services, opening: Opening, external: External, version: str) -> None:
        self._services = services
        self._opening = opening
        self._external = external
        self._version = version
        self._environ = environment(services.environ, opening.agent, external)

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
        name, scaffold, _ = self._external
        job = self._job(folder)
        argv = self._argv(job)
        in_argv = any("{prompt}" in part for part in job.command)
        clock = self._services.clock
        began = clock.now()
        finished = await run_program(
            argv,
            Path(folder),
            {**self._environ, **scaffold.settings(job)},
            "" if in_argv else job.prompt,
            max(0.0, budget.seconds),
        )
        seconds = clock.now() - began
        if self._opening.workspace is not None and self._opening.workspace_user is not None:
            from flatfield.agent.workspace import adopt

            await asyncio.to_thread(adopt, Path(folder), self._opening.workspace_user)
        report = self._read(finished)
        printed = f"{finished.printed}{finished.complained}"
        return Reply(
            text=report.text,
            finish="time" if finished.exit_code is None else "stop",
            usage=report.usage,
            model_seconds=seconds,
            request=self._request(job, report),
            reported_cost_usd=report.cost_usd,
            scaffold=ScaffoldWork(name=name, version=self._version, turns=report.turns, tool_calls=report.tool_calls),
            wire=(Tape().keep(f"cli:{name}", self._environ, job.prompt.encode(), printed.encode()),),
        )

    def _job(self, folder: str) -> Job:
        agent = self._opening.agent
        return Job(
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

    def _argv(self, job: Job) -> list[str]:
        if not job.command:
            program = self._external.scaffold.program
            path = shutil.which(program, path=self._services.environ.get("PATH", "")) or program
            return [path, *self._external.scaffold.arguments(job)]
        filled = {"{prompt}": job.prompt, "{workspace}": job.workspace, "{model}": job.model}
        return [_filled(part, filled) for part in job.command]

    def _read(self, finished: Finished) -> Report:
        """The scaffold's own report; one that was ended for time may have none."""
        printed = scrubbed(finished.printed, self._environ)
        try:
            report = self._external.scaffold.read(printed)
        except ValueError as error:
            if finished.exit_code is None:
                return Report()
            raise self._failed(finished, f"printed what cannot be read: {error}") from None
        if finished.exit_code is not None and report.error:
            raise self._failed(finished, report.error[:_COMPLAINT_CHARACTERS])
        if finished.exit_code:
            raise self._failed(finished, "failed")
        return report

    def _failed(self, finished: Finished, why: str) -> ProviderError:
        code = finished.exit_code or 0
        ended = f"signal {-code}" if code < 0 else f"exit code {code}"
        said = scrubbed(finished.complained or finished.printed, self._environ).strip()[-_COMPLAINT_CHARACTERS:]
        wire = Tape().keep(
            f"cli:{self._external.name}", self._environ, b"", f"{finished.printed}{finished.complained}".encode()
        )
        return ProviderError(f"{self._external.name} ({ended}): {why}{f'; it said: {said}' if said else ''}", wire=(wire,))

    def _request(self, job: Job, report: Report) -> dict[str, Any]:
        """What it was started with, for the manifest and for prices; None of it is known of what it sends itself."""
        external = self._external
        address = self._environ.get(external.scaffold.base_url_variable, "")
        model = report.models[0] if report.models else external.model.partition("/")[2] or external.model
        effort = {"reasoning_effort": job.effort} if job.effort and external.scaffold.takes_effort else {}
        return {
            "api": f"cli: {external.name}",
            "model": model or "the scaffold's own choice",
            "vendor": _vendor(external),
            "tool_names": "the scaffold's own",
            "tools_digest": "the scaffold's own",
            "system_prompt": "the scaffold's own" + (" + this agent's, before the task" if self._told() else ""),
            "stream": False,
            **({"models": list(report.models)} if len(report.models) > 1 else {}),
            **({"base_url": address} if address else {}),
            **effort,
        }


def _vendor(external: External) -> str:
    """Who serves its models, as prices call it; "" when nobody knows."""
    provider, slash, _ = external.model.partition("/")
    return external.scaffold.vendor or (provider if slash else "")


def _program(agent: AgentConfig, external: External) -> str:
    return agent.command[0] if agent.command else external.scaffold.program


def _filled(part: str, values: dict[str, str]) -> str:
    """A part of a command with its placeholders filled at once, so that a prompt that holds one is left alone."""
    return re.sub("|".join(map(re.escape, values)), lambda found: values[found.group()], part)
