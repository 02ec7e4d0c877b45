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

from flatfield.errors import FlatfieldError, InvalidFiles, NotReady
from flatfield.faces.mcp.answers import Progress, Status
from flatfield.faces.mcp.catalogue import SUITES
from flatfield.faces.mcp.desk import ADDRESS_REFUSED
from flatfield.faces.storing import store_of
from flatfield.records import Evaluation
from flatfield.runs.claim import holder
from flatfield.runs.order import new_run, ungradable
from flatfield.runs.permission import wants_of
from flatfield.runs.plan import how_often
from flatfield.tasks.access import folder_of, is_broad
from flatfield.tasks.agents import select_agents
from flatfield.tasks.loading import SUITE_PREFIX, load

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from flatfield.faces.mcp.desk import Desk
    from flatfield.records import Run
    from flatfield.tasks.project import Project

START_SECONDS = 20.0
"""How long it is watched whether a run begins: one that is not ready has said so by then, or is asking servers."""
CANCEL_SECONDS = 15.0
_POLL_SECONDS = 0.05
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


async def start(wanted: Wanted, desk: Desk, client_roots: Sequence[Path]) -> Status:
    """Plan a run, store it, and start a process that carries it out.

    Raises:
        FlatfieldError: files have mistakes, lie outside what is allowed, or the run is not ready; nothing was spent.
    """
    project = desk.project()
    run = _planned(wanted, desk, project, client_roots)
    async with store_of(project) as store:
        await store.save_run(run)
    log = _log(project, run)
    process = await asyncio.to_thread(_started, run, desk, project, log)
    waited = 0.0
    while process.returncode is None and waited < START_SECONDS and not _begun(store.load_run(run.id)):
        await desk.clock.sleep(_POLL_SECONDS)
        waited += _POLL_SECONDS
    if process.returncode == 2:
        raise NotReady(f"run {run.id} could not begin: {_said(log)}")
    return status(run.id, desk)


def status(run: str, desk: Desk) -> Status:
    """How far a run has come; `run` is its id or the beginning of it, "" the newest.

    Raises:
        NotFound: there is no such run.
    """
    project = desk.project()
    store = store_of(project)
    found = store.load_run(run or None)
    trials = store.trials(found.id)
    planned = sum(how_often(found).values())
    running = holder(found.id, store.path.parent) is not None
    measured = [trial for trial in trials if trial.failure is None]
    ended = [trial for trial in trials if trial.failure is None or trial.failure.kind != "interrupted"]
    return Status(
        run=found.id,
        title=found.evaluation.title,
        state="running" if running else "finished" if len(ended) >= planned else "stopped",
        trials_planned=planned,
        trials_done=len(ended),
        trials_measured=len(measured),
        spent_usd=store.spent_usd(found.id),
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


async def cancel(run: str, desk: Desk) -> Status:
    """End a running evaluation as Ctrl-C does: what is finished is kept, and it can be resumed.

    Raises:
        NotFound: there is no such run.
        FlatfieldError: it does not run, or did not end in time.
    """
    store = store_of(desk.project())
    found = store.load_run(run or None)
    process = holder(found.id, store.path.parent)
    if process is None:
        raise FlatfieldError(f"run {found.id} is not running: there is nothing to cancel")
    os.kill(process, signal.SIGINT)
    waited = 0.0
    while holder(found.id, store.path.parent) == process:
        if waited >= CANCEL_SECONDS:
            raise FlatfieldError(f"run {found.id} (process {process}) is still ending; ask for its status again")
        await desk.clock.sleep(_POLL_SECONDS)
        waited += _POLL_SECONDS
    return status(found.id, desk)


def _begun(run: Run) -> bool:
    """Whether all was found ready: then the run is stored anew, with the prices that it is carried out with."""
    return "prices" in run.versions


def _planned(wanted: Wanted, desk: Desk, project: Project, client_roots: Sequence[Path]) -> Run:
    files = (*wanted.lops, *((wanted.hop,) if wanted.hop else ()))
    if not wanted.lops:
        raise FlatfieldError("lops is empty: name LOP files, folders, or suite:basic")
    for file in files:
        _allowed(file, desk, client_roots)
    for name in (*(wanted.agents or ()), *(wanted.judge or ())):
        if "://" in name and not desk.allow_urls:
            raise FlatfieldError(ADDRESS_REFUSED)
    access = desk.access_of(project)
    loaded = load(files, desk.cwd, access=access)
    if not loaded.tasks:
        raise FlatfieldError("there is no LOP in what lops names: an evaluation needs at least one task")
    chosen = {
        name: value
        for name in ("agents", "repeats", "judge", "budget_usd", "budget_ignores", "budget_seconds")
        if (value := getattr(wanted, name)) is not None
    }
    evaluation = structs.replace(
        loaded.evaluation or Evaluation(title=", ".join(wanted.lops)), **chosen, typed=tuple(chosen)
    )
    here = folder_of(str(desk.cwd))
    judges = select_agents(evaluation.judge, project.roster, here) if evaluation.judge else ()
    lops = loaded.tasks
    if wanted.repeats is not None:
        lops = tuple(structs.replace(task, repeats=None) for task in lops)
    # Who is named by a client's model is nobody that the user typed.
    run = new_run(evaluation, lops, project.roster, desk.clock.utc(), command=_command(wanted), writer=here)
    if mistakes := ungradable(run):
        raise InvalidFiles(mistakes)
    run = structs.replace(run, source=str(desk.cwd.resolve()))
    access.allow(wants_of(run.tasks, (*run.agents, *judges), desk.environ_of(project), access))
    return run


def _allowed(file: str, desk: Desk, client_roots: Sequence[Path]) -> None:
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
        judges = select_agents(run.evaluation.judge, project.roster) if run.evaluation.judge else ()
    except FlatfieldError:
        return ()  # an old run's judge may not be configured any more
    return grading_notes(run, judges, desk.environ_of(project))


def _unfinished(run: Run, project: Project, *, running: bool, missing: int) -> list[str]:
    if running or missing <= 0:
        return []
    notes = [f"{missing} trials are missing; go on with: flatfield eval --resume {run.id}"]
    log = project.data / "logs" / f"{run.id}.log"
    if log.is_file() and (said := _said(log)):
        notes.append(f"it last said: {said}")
    return notes
