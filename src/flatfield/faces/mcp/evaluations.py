"""Starts evaluations in processes of their own, after saying what they will probably take; watches and ends them."""

from __future__ import annotations

import asyncio
import math
import os
import shlex
import signal
import subprocess
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from mcp.server.elicitation import render_elicitation_schema
from mcp_types import ElicitRequest, ElicitRequestFormParams, ElicitResult, InputRequiredResult
from mcp_types.version import is_version_at_least
from msgspec import Struct, structs
from pydantic import BaseModel, Field

from flatfield.errors import FlatfieldError, InvalidFiles, NotFound, NotReady
from flatfield.faces.forecasts import BASES, foretold, known_usd, separating
from flatfield.faces.mcp.desk import ADDRESS_REFUSED
from flatfield.faces.mcp.listing import SUITES
from flatfield.faces.mcp.reporting import answer_of, stored
from flatfield.faces.mcp.schemas import ExpectedAnswer, Plan, Progress, Status, files_of
from flatfield.faces.storing import store_of
from flatfield.faces.wording import dollars, few, many, plain, printable
from flatfield.http.connecting import leads_here
from flatfield.runs.order import Chosen, Ordered, Request, how_often, judges_of, ordered, ungradable
from flatfield.runs.permission import wants_of
from flatfield.runs.scratch import holder
from flatfield.tasks.access import folder_of, is_broad
from flatfield.tasks.agents import select_agents
from flatfield.tasks.loading import SUITE_PREFIX
from flatfield.tasks.near_names import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path
    from typing import Any

    from mcp.server.mcpserver import Context

    from flatfield.faces.mcp.desk import ServerDesk
    from flatfield.faces.mcp.schemas import RunState
    from flatfield.records import AgentConfig, Run
    from flatfield.runs.evaluation.forecasting import Forecast, Line
    from flatfield.runs.order import Asked
    from flatfield.tasks.project import Project


# What an evaluation will probably take, and whether that is more than is started without asking.


_QUESTION = "start"
_ASKED_BY_RESULT = "2026-07-28"
"""From this version of the protocol on a question to the user is a call's result, and the call comes again."""


class Agreement(BaseModel):
    """What the user is asked."""

    start: bool = Field(default=True, description="Start it")


async def forecast_of(asked: Ordered, desk: ServerDesk, project: Project) -> Forecast:
    """The forecast of a run that is not stored; nobody is asked for anything.

    Raises:
        FlatfieldError: a workspace is not there, or too large.
    """
    from flatfield.runs.evaluation.forecasting import foresee

    return await foresee(asked.run, asked.judges, store_of(project), desk.outside(project), desk.cwd)


def planned(run: Run, found: Forecast) -> Plan:
    """A forecast as a client reads it."""
    return Plan(
        answer=f"{said(found)}: {many(len(run.agents), 'agent')} on {many(len(run.tasks), 'task')}.",
        trials=found.trials,
        usd=_rounded(found.usd),
        most_usd=_rounded(found.most_usd),
        minutes=round(found.wall_seconds / 60, 2),
        agents=[_expected(line) for line in found.agents],
        judges=[_expected(line) for line in found.judges if line.trials],
        telling_apart=list(separating(found.separation))[:-1],
        notes=list(found.notes),
    )


def _expected(line: Line) -> ExpectedAnswer:
    known = ", ".join(BASES[kind] for kind in line.known)
    active = round(line.active_seconds, 1)
    return ExpectedAnswer(
        name=line.name, trials=line.trials, usd=_rounded(line.usd), active_seconds=active, known_from=known
    )


def _rounded(usd: float | None) -> float | None:
    return None if usd is None else round(usd, 6)


def said(found: Forecast) -> str:
    """The forecast as a sentence begins with it."""
    text = foretold(found)
    return text[0].upper() + text[1:]


class TooMuch(NamedTuple):
    """Why the user has to agree, and which argument keeps it below that."""

    why: str
    instead: str


def too_much(run: Run, found: Forecast, desk: ServerDesk, project: Project) -> TooMuch | None:
    """Whether more is ahead than is started without asking; a budget caps what counts.

    An unknown price counts as too much, except on a server of one's own machine.
    """
    budget, budget_seconds = run.evaluation.budget_usd, run.evaluation.budget_seconds
    configs = (*run.agents, *project.roster)
    near = {one.name for one in configs if leads_here(one.base_url or "")}
    lines = (*found.agents, *found.judges)
    unknown = [line.name for line in lines if line.trials and line.usd is None and line.name not in near]
    usd = math.inf if unknown else known_usd(found)
    if min(usd, math.inf if budget is None else budget) > desk.ask_usd:
        why = f"nobody knows the price of {few(unknown)}" if unknown else f"it is more than {dollars(desk.ask_usd)}"
        return TooMuch(why, f"budget_usd of at most {plain(desk.ask_usd)}")
    if min(found.wall_seconds, math.inf if budget_seconds is None else budget_seconds) > desk.ask_minutes * 60:
        most = f"budget_seconds of at most {plain(desk.ask_minutes * 60)}"
        return TooMuch(f"it is more than {plain(desk.ask_minutes)} minutes", most)
    return None


async def refusal(
    context: Context[Any, Any], run: Run, found: Forecast, desk: ServerDesk, project: Project
) -> str | InputRequiredResult | None:
    """Why it is not started now, or what asks the user, as the call's result; None: it may start."""
    ahead = too_much(run, found, desk, project)
    if ahead is None:
        return None
    agreed = await _agreed(context, f"Start this evaluation? {said(found)}; {ahead.why}.")
    if isinstance(agreed, InputRequiredResult):
        return agreed
    if agreed is None:
        return (
            f"Not started, as the user has to agree first ({ahead.why}). {said(found)}. Tell the user; then call "
            f"evaluate again with confirm=true, or with a {ahead.instead}."
        )
    return None if agreed else f"Not started: the user did not agree. {said(found)}."


async def _agreed(context: Context[Any, Any], question: str) -> bool | InputRequiredResult | None:
    """Whether the user agrees, asked through the client; None: it cannot ask.

    One who closes the question without an answer has not agreed. In newer versions of the protocol the question is the
    call's result, and its answer comes with the same call again: whoever may call may also confirm, so nothing has to
    vouch for it.
    """
    if not _can_ask(context):
        return None
    if context.protocol_version and is_version_at_least(context.protocol_version, _ASKED_BY_RESULT):
        answer = (context.input_responses or {}).get(_QUESTION)
        if isinstance(answer, ElicitResult):
            return answer.action == "accept" and bool((answer.content or {}).get("start", True))
        schema = render_elicitation_schema(Agreement)
        asked = ElicitRequest(params=ElicitRequestFormParams(message=question, requested_schema=schema))
        return InputRequiredResult(input_requests={_QUESTION: asked})
    try:
        outcome = await context.elicit(question, Agreement)
    except ValueError:
        return False  # it accepted, and did not say what
    return outcome.action == "accept" and outcome.data.start


def _can_ask(context: Context[Any, Any]) -> bool:
    """Whether the client shows forms: one that names no mode does."""
    capabilities = context.client_capabilities
    offered = capabilities.elicitation if capabilities else None
    return offered is not None and (offered.form is not None or offered.url is None)


# ---------------------------------------------------------------------------- start, watch and end


START_SECONDS = 20.0
"""How long it is watched whether a run begins: one that is not ready has said so by then, or is asking servers."""
CANCEL_SECONDS = 15.0
TELL_SECONDS = 5.0
"""How often a client that waits is told how far the run is."""
_POLL_SECONDS = 0.05
_WATCH_SECONDS = 0.5
_SHOWN_LINES = 12
BUDGETS = frozenset({"budget_usd", "budget_ignores", "budget_seconds"})
"""What a run that is gone on with may be given anew."""


class Wanted(Struct, frozen=True, kw_only=True):
    """What an evaluation is asked to be; None: as the files say."""

    lops: tuple[str, ...]
    agents: tuple[str, ...] | None = None
    hop: str | None = None
    repeats: int | None = None
    judge: tuple[str, ...] | None = None
    budget_usd: float | None = None
    budget_ignores: tuple[str, ...] | None = None
    budget_seconds: float | None = None

    @property
    def chosen(self) -> Chosen:
        """What of it is set in the place of what the files say."""
        return Chosen(
            agents=self.agents,
            repeats=self.repeats,
            judge=self.judge,
            budget_usd=self.budget_usd,
            budget_ignores=self.budget_ignores,
            budget_seconds=self.budget_seconds,
        )


async def begin(run: Run, desk: ServerDesk, project: Project) -> Status:
    """Store a planned run, and start a process that carries it out.

    Raises:
        NotReady: an agent is not ready; nothing was spent.
    """
    async with store_of(project) as store:
        await store.save_run(run)
    return await _carried_out(run, desk, project)


async def resume(run: str, wanted: Wanted, desk: ServerDesk) -> Status:
    """Go on with a run that stopped; its budgets may be others now.

    Raises:
        NotFound: there is no such run.
        FlatfieldError: it is running, or has nothing left to do; or something else is to be another one.
    """
    if fixed := [name for name in Wanted.__struct_fields__ if name not in BUDGETS and getattr(wanted, name)]:
        raise FlatfieldError(f"resume keeps what its run was started with: leave out {fixed[0]}")
    found = status(run, desk)
    if found.state != "stopped":
        raise FlatfieldError(f"run {found.run} is {found.state}: there is nothing to go on with; ask its report")
    project = desk.project()
    return await _carried_out(stored(desk, found.run)[1], desk, project, _options(wanted))


async def _carried_out(run: Run, desk: ServerDesk, project: Project, options: Sequence[str] = ()) -> Status:
    log = _log(project, run)
    process = await asyncio.to_thread(_started, run, desk, project, log, options)
    waited = 0.0
    while process.returncode is None and waited < START_SECONDS and not _begun(run, project):
        await desk.clock.sleep(_POLL_SECONDS)
        waited += _POLL_SECONDS
    if process.returncode == 2:
        raise NotReady(f"run {run.id} could not begin: {_said(log)}")
    return status(run.id, desk)


async def check_ready(asked: Ordered, desk: ServerDesk, project: Project) -> None:
    """Refuse a run that could not begin, as far as that is seen without asking a model.

    Raises:
        NotReady: an agent or a judge is not ready.
    """
    from flatfield.faces.mcp.listing import glances

    found = await glances((*asked.run.agents, *asked.judges), desk, project)
    if reasons := [f"{name}: {why}" for name, why in found.items() if why]:
        raise NotReady(
            f"nothing was started: {'; '.join(reasons)}; leave them out of agents (list_agents shows who is ready)"
        )


async def watch(run: str, wait_seconds: float, desk: ServerDesk, tell: Callable[[Status], Awaitable[None]]) -> Status:
    """How far a run has come, as soon as it does not run any more; at the latest after so many seconds.

    Raises:
        NotFound: there is no such run.
    """
    folder = store_of(desk.project()).path.parent
    found = await asyncio.to_thread(status, run, desk)
    told = began = desk.clock.now()
    while found.state == "running" and (left := began + wait_seconds - desk.clock.now()) > 0:
        await desk.clock.sleep(min(_WATCH_SECONDS, left))
        if holder(found.run, folder) is None or desk.clock.now() - told >= TELL_SECONDS:
            told = desk.clock.now()
            found = await asyncio.to_thread(status, found.run, desk)
            await tell(found)
    return await asyncio.to_thread(_answered, found, desk) if found.state == "finished" else found


def _answered(found: Status, desk: ServerDesk) -> Status:
    """The state of a run that is done, with its answer first."""
    return found.model_copy(update={"said": f"{printable(answer_of(found.run, desk))} {found.said}"})


def status(run: str, desk: ServerDesk) -> Status:
    """How far a run has come; `run` is its id or the beginning of it, "" the newest.

    Raises:
        NotFound: there is no such run.
    """
    project = desk.project()
    store, found = stored(desk, run)
    trials = store.rows(found.id)
    planned = sum(how_often(found).values())
    running = holder(found.id, store.path.parent) is not None
    measured = [trial for trial in trials if trial.failure is None]
    ended = [trial for trial in trials if trial.failure is None or trial.failure.kind != "interrupted"]
    state: RunState = "running" if running else "finished" if len(ended) >= planned else "stopped"
    spent = store.spent_usd(found.id)
    return Status(
        said=_standing(found.id, state, f"{len(ended)} of {many(planned, 'trial')} done", spent),
        run=found.id,
        title=found.evaluation.title,
        state=state,
        trials_planned=planned,
        trials_done=len(ended),
        trials_measured=len(measured),
        spent_usd=spent,
        agents=[
            Progress(
                agent=agent.name,
                done=sum(trial.agent == agent.name for trial in ended),
                measured=sum(trial.agent == agent.name for trial in measured),
            )
            for agent in found.agents
        ],
        notes=[
            *found.notes,
            *_of_judges(found, desk, project),
            *_unfinished(found, project, running=running, missing=planned - len(ended)),
        ],
        report=f"flatfield://runs/{found.id}/report",
    )


def _standing(run: str, state: RunState, done: str, spent: float | None) -> str:
    money = "" if spent is None else f", {dollars(spent)} spent"
    then = {
        "running": f"evaluation_status(run={run!r}, wait_seconds=50) waits for it",
        "finished": f"report(run={run!r}) has its grades",
        "stopped": f"evaluate(resume={run!r}) goes on with it",
    }
    return f"Run {run} is {state}: {done}{money}. {then[state]}."


def not_started(run: Run, said: str) -> Status:
    """What is told of a run that was planned only."""
    return Status(
        said=said,
        run="",
        title=run.evaluation.title,
        state="not started",
        trials_planned=sum(how_often(run).values()),
        trials_done=0,
        trials_measured=0,
        spent_usd=None,
        agents=[],
        report="",
    )


async def cancel(run: str, desk: ServerDesk) -> Status:
    """End a running evaluation as Ctrl-C does: what is finished is kept, and it can be resumed.

    Raises:
        NotFound: there is no such run.
        FlatfieldError: it does not run, or did not end in time.
    """
    store, found = stored(desk, run)
    process = holder(found.id, store.path.parent)
    if process is None:
        raise FlatfieldError(f"run {found.id} is not running: there is nothing to cancel")
    os.kill(process, signal.SIGINT)
    waited = 0.0
    while holder(found.id, store.path.parent) == process:
        if waited >= CANCEL_SECONDS:
            raise FlatfieldError(f"run {found.id} (process {process}) is still ending; call evaluation_status again")
        await desk.clock.sleep(_POLL_SECONDS)
        waited += _POLL_SECONDS
    return status(found.id, desk)


def _begun(run: Run, project: Project) -> bool:
    """Whether all was found ready: then the run is stored anew, with the prices that it is carried out with.

    One that is gone on with has them already: it has begun when a process holds it.
    """
    store = store_of(project)
    if run.begun:
        return holder(run.id, store.path.parent) is not None
    return store.load_run(run.id).begun


def plan(wanted: Wanted, desk: ServerDesk, project: Project, client_roots: Sequence[Path]) -> Ordered:
    """The run that is asked for, and its judges; nothing is stored, and nothing is started.

    Raises:
        FlatfieldError: files have mistakes or lie outside what is allowed, or agents are not configured.
    """
    lops = files_of(wanted.lops, lambda text: (desk.cwd / text).expanduser().exists())
    if not lops:
        raise FlatfieldError("lops is empty: name LOP files, folders, or suite:basic (list_tasks shows what there is)")
    files = (*lops, *((wanted.hop,) if wanted.hop else ()))
    for file in files:
        check_allowed(file, desk, client_roots)
    if not desk.allow_urls and any("://" in name for name in (*(wanted.agents or ()), *(wanted.judge or ()))):
        raise FlatfieldError(ADDRESS_REFUSED)
    access = desk.access_of(project)
    request = Request(
        files=files,
        folder=desk.cwd,
        chosen=wanted.chosen,
        command=_command(structs.replace(wanted, lops=lops)),
        writer=folder_of(str(desk.cwd)),  # who is named by a client's model is nobody that the user typed
        look=partial(_check_asked, project=project),
    )
    run, judges = ordered(request, project.roster, access, desk.clock.utc())
    if mistakes := ungradable(run, "name a judge with the argument judge", ""):
        raise InvalidFiles(mistakes)
    _check_ignored(run.evaluation.budget_ignores, (*run.agents, *judges))
    run = structs.replace(run, source=str(desk.cwd.resolve()))
    access.allow(wants_of(run.tasks, (*run.agents, *judges), desk.environ_of(project), access))
    return Ordered(run, judges)


def _check_asked(asked: Asked, project: Project) -> None:
    """Refuse what holds no task, names nobody, or names somebody that there is not.

    Raises:
        FlatfieldError: that is so.
    """
    evaluation, tasks = asked.evaluation, asked.tasks
    if not tasks:
        raise FlatfieldError("there is no LOP in what lops names: an evaluation needs one (list_tasks shows them)")
    named = evaluation.agents or tuple(name for task in tasks for name in task.agents)
    _check_known((*named, *evaluation.judge), project)
    if not evaluation.agents and (silent := [task.id for task in tasks if not task.agents]):
        raise NotFound(f"nobody is named for {', '.join(silent)}: give agents (list_agents shows who is ready)")


def _check_known(names: Sequence[str], project: Project) -> None:
    """Refuse names of nobody, all of them at once; what is no name is told of by those who read it.

    Raises:
        NotFound: there are such.
    """
    unknown = [name for name in dict.fromkeys(names) if ":" not in name and not _is_known(name, project)]
    if unknown:
        told = "; ".join(f"there is no agent {name!r}{did_you_mean(name, project.roster)}" for name in unknown)
        glob = " (a glob begins as their names do, such as claude-*)" if any("*" in name for name in unknown) else ""
        raise NotFound(f"{told}; list_agents shows them{glob}")


def _check_ignored(names: Sequence[str], taking_part: Sequence[AgentConfig]) -> None:
    """Refuse a budget that is to pass over somebody who does not take part.

    Raises:
        NotFound: there is such a name.
    """
    there = [agent.name for agent in taking_part]
    try:
        strangers = {agent.name for agent in select_agents(names, taking_part)} - set(there)
    except NotFound:
        strangers = set(names)
    if strangers:
        raise NotFound(f"budget_ignores names somebody who takes no part; taking part are: {', '.join(there)}")


def _is_known(name: str, project: Project) -> bool:
    try:
        return bool(select_agents((name,), project.roster))
    except NotFound:
        return False


def check_allowed(file: str, desk: ServerDesk, client_roots: Sequence[Path]) -> None:
    """Refuse what lies outside the folders that clients may name.

    Raises:
        FlatfieldError: it does.
    """
    if file.startswith(SUITE_PREFIX):
        return
    path = (desk.cwd / file).expanduser().resolve()
    if path.is_relative_to(SUITES):
        return
    usual = () if is_broad(desk.cwd.resolve()) else (desk.cwd.resolve(),)
    places = (*usual, *(folder.resolve() for folder in desk.lops), *desk.places(client_roots))
    if not any(path.is_relative_to(place) for place in places):
        named = ", ".join(map(str, dict.fromkeys(places))) or "the built-in suites"
        raise FlatfieldError(f"{file} lies outside {named}: name a file inside, or start the server with --root DIR")


def _command(wanted: Wanted) -> str:
    """The command line that does the same."""
    return shlex.join(["flatfield", "eval", *((wanted.hop,) if wanted.hop else ()), *wanted.lops, *_options(wanted)])


def _options(wanted: Wanted) -> list[str]:
    words: list[str] = []
    for name in ("agents", "judge", "budget_ignores"):
        value = getattr(wanted, name)
        words += [f"--{name.replace('_', '-')}", ",".join(value)] if value else []
    for name in ("repeats", "budget_usd", "budget_seconds"):
        value = getattr(wanted, name)
        words += [f"--{name.replace('_', '-')}", str(value)] if value is not None else []
    return words


def _log(project: Project, run: Run) -> Path:
    folder = project.data / "logs"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FlatfieldError(f"{folder} cannot be made: {error.strerror}; give permission there") from None
    return folder / f"{run.id}.log"


class _Detached:
    """A process in a session of its own, which outlives this one; a thread waits for it, so that no zombie is left."""

    def __init__(self, words: Sequence[str], folder: Path, log: Path) -> None:
        self.returncode: int | None = None
        with log.open("wb") as out:
            process = subprocess.Popen(
                words, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
            )
        threading.Thread(target=self._wait, args=(process,), daemon=True).start()

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        self.returncode = process.wait()


def _started(run: Run, desk: ServerDesk, project: Project, log: Path, options: Sequence[str]) -> _Detached:
    """The process that carries the run out, talking to the log alone."""
    config = ("--config", str(project.config)) if project.config else ()
    aloud = ("--speak",) if desk.aloud else ()
    words = (sys.executable, "-P", "-m", "flatfield", *config, "eval", "--resume", run.id, *options, *aloud)
    return _Detached(words, desk.cwd, log)


def _said(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return " ".join(line.strip() for line in lines[-_SHOWN_LINES:])


def _of_judges(run: Run, desk: ServerDesk, project: Project) -> tuple[str, ...]:
    """What is to be known of how it is graded."""
    from flatfield.faces.judges import grading_notes

    if run.imported or (not run.evaluation.judge and store_of(project).verdicts(run.id)):
        return ()  # it was graded elsewhere, or later
    try:
        judges = judges_of(run, project.roster, stored=project.folder)
    except FlatfieldError:
        return ()  # an old run's judge may not be configured any more
    return grading_notes(run, judges, desk.environ_of(project))


def _unfinished(run: Run, project: Project, *, running: bool, missing: int) -> list[str]:
    if running or missing <= 0:
        return []
    notes = [f"{missing} trials are missing; go on with evaluate(resume={run.id!r})"]
    log = project.data / "logs" / f"{run.id}.log"
    if log.is_file() and (said := _said(log)):
        notes.append(f"it last said: {said}")
    return notes
