"""Starts evaluations in processes of their own, so that they go on when the client leaves; watches and ends them."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from flatfield.errors import FlatfieldError, InvalidFiles, NotFound, NotReady
from flatfield.faces.mcp.arguments import files_of
from flatfield.faces.mcp.catalogue import SUITES
from flatfield.faces.mcp.desk import ADDRESS_REFUSED
from flatfield.faces.mcp.reporting import stored
from flatfield.faces.mcp.run_answers import Progress, Status
from flatfield.faces.storing import store_of
from flatfield.faces.wording import dollars, many
from flatfield.records import Evaluation
from flatfield.runs.order import new_run, ungradable
from flatfield.runs.plan import how_often
from flatfield.runs.readiness import wants_of
from flatfield.runs.run_lock import holder
from flatfield.tasks.access import folder_of, is_broad
from flatfield.tasks.agents import select_agents
from flatfield.tasks.loading import SUITE_PREFIX, load
from flatfield.tasks.source import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from flatfield.faces.mcp.desk import Desk
    from flatfield.faces.mcp.run_answers import RunState
    from flatfield.records import Run
    from flatfield.tasks.project import Project

START_SECONDS = 20.0
"""How long it is watched whether a run begins: one that is not ready has said so by then, or is asking servers."""
CANCEL_SECONDS = 15.0
TELL_SECONDS = 5.0
"""How often a client that waits is told how far the run is."""
_POLL_SECONDS = 0.05
_WATCH_SECONDS = 0.5
_SHOWN_LINES = 12


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


async def begin(run: Run, desk: Desk, project: Project) -> Status:
    """Store a planned run, and start a process that carries it out.

    Raises:
        NotReady: an agent is not ready; nothing was spent.
    """
    async with store_of(project) as store:
        await store.save_run(run)
    return await _carried_out(run, desk, project)


async def resume(run: str, desk: Desk) -> Status:
    """Go on with a run that stopped.

    Raises:
        NotFound: there is no such run.
        FlatfieldError: it is running, or has nothing left to do.
    """
    found = status(run, desk)
    if found.state != "stopped":
        raise FlatfieldError(f"run {found.run} is {found.state}: there is nothing to go on with; ask its report")
    project = desk.project()
    return await _carried_out(stored(desk, found.run)[1], desk, project)


async def _carried_out(run: Run, desk: Desk, project: Project) -> Status:
    log = _log(project, run)
    process = await asyncio.to_thread(_started, run, desk, project, log)
    waited = 0.0
    while process.returncode is None and waited < START_SECONDS and not _begun(run, project):
        await desk.clock.sleep(_POLL_SECONDS)
        waited += _POLL_SECONDS
    if process.returncode == 2:
        raise NotReady(f"run {run.id} could not begin: {_said(log)}")
    return status(run.id, desk)


async def check_ready(run: Run, desk: Desk, project: Project) -> None:
    """Refuse a run that could not begin, as far as that is seen without asking a model.

    Raises:
        NotReady: an agent or a judge is not ready.
    """
    from flatfield.faces.mcp.listing import glances

    judges = select_agents(run.evaluation.judge, project.roster)
    found = await glances((*run.agents, *judges), desk, project)
    if reasons := [f"{name}: {why}" for name, why in found.items() if why]:
        raise NotReady(
            f"nothing was started: {'; '.join(reasons)}; leave them out of agents (list_agents shows who is ready)"
        )


async def watch(run: str, wait_seconds: float, desk: Desk, tell: Callable[[Status], Awaitable[None]]) -> Status:
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
    return found


def status(run: str, desk: Desk) -> Status:
    """How far a run has come; `run` is its id or the beginning of it, "" the newest.

    Raises:
        NotFound: there is no such run.
    """
    project = desk.project()
    store, found = stored(desk, run)
    trials = store.trials(found.id)
    planned = sum(how_often(found).values())
    running = holder(found.id, store.path.parent) is not None
    measured = [trial for trial in trials if trial.failure is None]
    ended = [trial for trial in trials if trial.failure is None or trial.failure.kind != "interrupted"]
    state: RunState = "running" if running else "finished" if len(ended) >= planned else "stopped"
    spent = store.spent_usd(found.id)
    return Status(
        said=_in_short(found.id, state, f"{len(ended)} of {many(planned, 'trial')} done", spent),
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


def _in_short(run: str, state: RunState, done: str, spent: float | None) -> str:
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


async def cancel(run: str, desk: Desk) -> Status:
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
    if "prices" in run.versions:
        return holder(run.id, store.path.parent) is not None
    return "prices" in store.load_run(run.id).versions


def plan(wanted: Wanted, desk: Desk, project: Project, client_roots: Sequence[Path]) -> Run:
    """The run that is asked for; nothing is stored, and nothing is started.

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
    loaded = load(files, desk.cwd, access=access)
    if not loaded.tasks:
        raise FlatfieldError("there is no LOP in what lops names: an evaluation needs one (list_tasks shows them)")
    chosen = {
        name: value
        for name in ("agents", "repeats", "judge", "budget_usd", "budget_ignores", "budget_seconds")
        if (value := getattr(wanted, name)) is not None
    }
    evaluation = structs.replace(loaded.evaluation or Evaluation(title=", ".join(lops)), **chosen, typed=tuple(chosen))
    named = evaluation.agents or tuple(name for task in loaded.tasks for name in task.agents)
    _check_known((*named, *evaluation.judge), project)
    if not evaluation.agents and (silent := [task.id for task in loaded.tasks if not task.agents]):
        raise NotFound(f"nobody is named for {', '.join(silent)}: give agents (list_agents shows who is ready)")
    here = folder_of(str(desk.cwd))
    judges = select_agents(evaluation.judge, project.roster, here)
    tasks = loaded.tasks
    if wanted.repeats is not None:
        tasks = tuple(structs.replace(task, repeats=None) for task in tasks)
    # Who is named by a client's model is nobody that the user typed.
    command = _command(structs.replace(wanted, lops=lops))
    run = new_run(evaluation, tasks, project.roster, desk.clock.utc(), command=command, writer=here)
    if mistakes := ungradable(run, "name a judge with the argument judge", ""):
        raise InvalidFiles(mistakes)
    run = structs.replace(run, source=str(desk.cwd.resolve()))
    access.allow(wants_of(run.tasks, (*run.agents, *judges), desk.environ_of(project), access))
    return run


def _check_known(names: Sequence[str], project: Project) -> None:
    """Refuse names of nobody, all of them at once; what is no name is told of by those who read it.

    Raises:
        NotFound: there are such.
    """
    unknown = [name for name in dict.fromkeys(names) if ":" not in name and not _is_known(name, project)]
    if unknown:
        known = [agent.name for agent in project.roster]
        told = "; ".join(f"there is no agent {name!r}{did_you_mean(name, known)}" for name in unknown)
        glob = " (a glob begins as their names do, such as claude-*)" if any("*" in name for name in unknown) else ""
        raise NotFound(f"{told}; list_agents shows them{glob}")


def _is_known(name: str, project: Project) -> bool:
    try:
        return bool(select_agents((name,), project.roster))
    except NotFound:
        return False


def check_allowed(file: str, desk: Desk, client_roots: Sequence[Path]) -> None:
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
    words = ["flatfield", "eval", *((wanted.hop,) if wanted.hop else ()), *wanted.lops]
    for name in ("agents", "judge", "budget_ignores"):
        value = getattr(wanted, name)
        words += [f"--{name.replace('_', '-')}", ",".join(value)] if value else []
    for name in ("repeats", "budget_usd", "budget_seconds"):
        value = getattr(wanted, name)
        words += [f"--{name.replace('_', '-')}", str(value)] if value is not None else []
    return shlex.join(words)


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


def _started(run: Run, desk: Desk, project: Project, log: Path) -> _Detached:
    """The process that carries the run out, talking to the log alone."""
    config = ("--config", str(project.config)) if project.config else ()
    aloud = ("--speak",) if desk.aloud else ()
    words = (sys.executable, "-P", "-m", "flatfield", *config, "eval", "--resume", run.id, *aloud)
    return _Detached(words, desk.cwd, log)


def _said(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return " ".join(line.strip() for line in lines[-_SHOWN_LINES:])


def _of_judges(run: Run, desk: Desk, project: Project) -> tuple[str, ...]:
    """What is to be known of how it is graded."""
    from flatfield.faces.judges import grading_notes

    if run.imported or (not run.evaluation.judge and store_of(project).verdicts(run.id)):
        return ()  # it was graded elsewhere, or later
    try:
        judges = select_agents(run.evaluation.judge, project.roster)
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
