"""Keeps runs, trials and verdicts in `.flatfield/store.db`: what was acknowledged survives a crash."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Self

import msgspec
from msgspec import structs

from flatfield import json_text
from flatfield.errors import NotFound, Remedy, StoreError
from flatfield.http.tape import packed
from flatfield.records import Run, RunSummary, TrialPlan, TrialRecord, Verdict
from flatfield.runs.store import database, tables, underway
from flatfield.runs.store.codec import decode, encode
from flatfield.runs.store.database import damaged, open_reader, store_error
from flatfield.runs.store.figures import SlimTrials, unwatched
from flatfield.runs.store.underway import Lost, Underway
from flatfield.runs.store.writer import Writer, Writing
from flatfield.saying import dollars
from flatfield.tasks.agents import called

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

    from flatfield.runs.store.tables import TrialRow


LISTED = 10
NEWEST = frozenset({"last", "newest", "latest"})
"""Words that mean the newest run, or the trial that was stored last, wherever one is named."""


def parse_trial_id(text: str) -> TrialPlan:
    """The trial that `RUN/agent/task/repeat` names; agent and task may hold anything but "/".

    Raises:
        NotFound: it is not written like a trial's id.
    """
    run, agent, task, repeat = (text.split("/") + [""] * 4)[:4]
    if text.count("/") != 3 or not (run and agent and task and repeat.isascii() and repeat.isdigit()):
        why = f"{text!r} is not a trial's id: write RUN/agent/task/repeat, as `"
        raise NotFound(why, Remedy.REPORT, "` shows it, or last")
    return TrialPlan(run=run, agent=agent, task=task, repeat=int(repeat))


class Store:
    """One folder's runs: readable at any time, written inside `async with`.

    Entering takes in what an earlier process could not store (`notes` says so), leaving waits until all is written.
    Several processes may write at once. A trial is stored under its run, agent, task, repeat, task digest and agent
    fingerprint; the first measured one stays. It takes the place of one that failed ("not measured"), and of one done
    with another version of the task or the agent; these stay in the file, as their money was spent.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "store.db"
        self.notes: tuple[str, ...] = ()
        self.underway = Underway(folder)
        self._writer = Writer(self.path)
        self._unread: dict[str, frozenset[int]] = {}

    async def __aenter__(self) -> Self:
        """Open for writing.

        Raises:
            StoreError: it cannot be written: better to know before anything is spent.
        """
        try:
            await self._do(Writing(apply=lambda _: None))
            self.notes = tuple([note async for note in self._take_in()])
            self.notes += tuple([note async for note in self._settle()])
        except BaseException:
            self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close, also after an error."""
        self.close()

    def close(self) -> None:
        """Wait until all that was handed in is written.

        Raises:
            StoreError: something could neither be written nor rescued; it names what.
        """
        self.underway.close()
        self._writer.close()

    # ------------------------------------------------------------------ writing

    async def save_run(self, run: Run, *, update: bool = False) -> None:
        """Store a run; with `update`, in the place of the one with its id (when a run is resumed).

        Raises:
            StoreError: it cannot be written, or there is another run with this id.
        """
        await self._do(Writing(apply=partial(tables.insert_run, run=run, update=update)))

    async def save_trial(self, record: TrialRecord) -> bool:
        """Store a finished trial; True when it was, False when it was there already. It is on the disk on return.

        Raises:
            StoreError: the store cannot be written; the message says where the record was saved instead. It is tried
                again with later ones.
        """
        apply, line = partial(_insert_packed, record=record), partial(_line, record)
        stored = await self._do(Writing(apply=apply, line=line, name=record.id))
        self.underway.forget(record.attempt)
        return stored

    async def save_verdicts(self, verdicts: Sequence[Verdict]) -> None:
        """Store what judges said; a later verdict of a judge on a trial takes the place of an earlier one.

        Raises:
            StoreError: as for `save_trial`.
        """
        jobs = [
            Writing(
                apply=partial(tables.insert_verdict, verdict=verdict),
                line=partial(_line, verdict),
                name=f"{verdict.judge}'s verdict on {verdict.run}/{verdict.agent}/{verdict.task}/{verdict.repeat}",
            )
            for verdict in verdicts
        ]
        outcomes = await asyncio.gather(*(self._do(job) for job in jobs), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def _take_in(self) -> AsyncIterator[str]:
        """Store what earlier processes rescued; a file goes only when all its lines are committed."""
        for path in database.leftovers(self.path):
            with database.taken(path) as lines:
                if not lines:
                    continue
                left = len(lines) - await self._do(Writing(apply=partial(_take_lines, lines=lines)))
                if not left:
                    path.unlink(missing_ok=True)
            kept = f"; {left} more are no records of a run in this store, and stay there" if left else ""
            yield f"stored {len(lines) - left} records that an earlier command had to keep in {path}{kept}"

    async def _settle(self) -> AsyncIterator[str]:
        """Store what was in flight in processes that have ended; a file goes only when its attempt is committed."""
        for path in underway.files(self.path.parent):
            with underway.left(path) as attempts:
                if attempts is None:
                    continue
                known = await self._do(Writing(apply=partial(_insert_lost, attempts=attempts)))
                if len(known) == len(attempts):
                    path.unlink(missing_ok=True)
            if known:
                usd = tables.known_sum(each.trial.cost_usd for each in known)
                used = "what they had used is not known" if usd is None else f"they had used {dollars(usd)}"
                yield f"{len(known)} trials were in flight when their process was ended; {used}"

    async def _do(self, job: Writing[tables.T]) -> tables.T:
        return await asyncio.wrap_future(self._writer.submit(job))

    # ------------------------------------------------------------------ reading

    def runs(self) -> tuple[RunSummary, ...]:
        """All runs, newest first.

        Raises:
            StoreError: the store cannot be read.
        """
        flying = underway.in_flight(self.path.parent)  # before the store is read: what is stored meanwhile is in it
        with self._reading() as connection:
            stored = tables.summaries(connection) if connection else ()
            lost = _unstored(connection, flying) if connection else flying
        known = {summary.id for summary in stored}
        others = {each.run.id: each.run for each in flying if each.run is not None and each.run.id not in known}
        found = (*map(tables.summary_of, others.values()), *stored)
        return tuple(
            structs.replace(summary, cost_usd=_with_lost(summary.cost_usd, lost, summary.id)) for summary in found
        )

    def load_run(self, run: str | None = None) -> Run:
        """The run with this id or the only one whose id begins so; None, `last` or `newest`: the newest evaluation.

        Raises:
            NotFound: there is none, or several begin so; the message lists them.
            StoreError: the store cannot be read.
        """
        with self._reading() as connection:
            known = tables.run_ids(connection) if connection else ()
            if connection is None or not known:
                raise NotFound(f"no runs are stored in {self.path.parent} yet: start one with `", Remedy.EVALUATE, "`")
            chosen = tables.newest_run(connection) if run is None or run in NEWEST else _choose(run, known)
            if chosen is None:
                why = f"no evaluation is stored in {self.path.parent} yet: start one with `"
                raise NotFound(why, Remedy.EVALUATE, "`")
            try:
                return decode(tables.run_record(connection, chosen), Run)
            except ValueError as error:
                raise StoreError(
                    f"the record of run {chosen} in the store {self.path} cannot be read ({error}): perhaps a newer"
                    " flatfield wrote it; upgrade flatfield, or name another run"
                ) from None

    def trials(self, run: str) -> tuple[TrialRecord, ...]:
        """The run's stored trials, by task, agent and repeat; one that cannot be read is "not measured".

        Raises:
            StoreError: the store cannot be read.
        """
        with self._reading() as connection:
            return tuple(tables.trials(connection, run)) if connection else ()

    def each_trial(self, run: str) -> Iterator[TrialRecord]:
        """The run's stored trials, one after the other: of a large run memory cannot hold all at once.

        Raises:
            StoreError: the store cannot be read.
        """
        with self._reading() as connection:
            if connection is not None:
                yield from tables.trials(connection, run)

    def figures(self, run: str) -> tuple[TrialRecord, ...]:
        """The run's stored trials without what was said and sent (see `SlimTrials`): memory holds those of a large run.

        Raises:
            StoreError: the store cannot be read.
        """
        slim = SlimTrials()
        with self._reading() as connection, unwatched():
            return tuple(map(slim.of, tables.trials(connection, run))) if connection else ()

    def later(self, run: str, number: int) -> tuple[int, tuple[TrialRecord, ...]]:
        """The run's trials that were stored after this number (0: all), as `figures` has them.

        With them comes the number to ask with the next time.

        Raises:
            StoreError: the store cannot be read.
        """
        slim, found = SlimTrials(), list[TrialRecord]()
        with self._reading() as connection, unwatched():
            for row, trial in tables.later_trials(connection, run, number) if connection else ():
                number = row
                found.append(slim.of(trial))
        return number, tuple(found)

    def version(self, run: str | None = None) -> tuple[object, ...]:
        """What is another one as soon as something is stored of the run, or of any.

        Raises:
            StoreError: the store cannot be read.
        """
        with self._reading() as connection:
            return () if connection is None else tables.version(connection, run)

    def rows(self, run: str) -> tuple[TrialRow, ...]:
        """Which trials of the run are stored, and which of them are measured: without their records.

        Whether the records can be read is looked at once.

        Raises:
            StoreError: the store cannot be read.
        """
        with self._reading() as connection:
            if connection is None:
                return ()
            if run not in self._unread:
                self._unread[run] = tables.unread_trials(connection, run)
            return tuple(tables.trial_rows(connection, run, self._unread[run]))

    def verdicts(self, run: str) -> tuple[Verdict, ...]:
        """The latest verdicts on the run's trials, by task, agent, repeat and judge; without a letter if unreadable.

        Raises:
            StoreError: the store cannot be read.
        """
        with self._reading() as connection:
            return tuple(tables.verdicts(connection, run)) if connection else ()

    def counted_verdicts(self, run: Run) -> tuple[tuple[Verdict, ...], tuple[Verdict, ...]]:
        """The verdicts that count, and those that are kept but do not.

        The latest of each judge count; where the run was judged again, only those of its panel.

        Raises:
            StoreError: the store cannot be read.
        """
        latest = self.verdicts(run.id)
        counted = tuple(verdict for verdict in latest if not run.panel or verdict.judge in run.panel)
        others = tuple(verdict for verdict in latest if verdict not in counted)
        return counted, (*self.earlier_verdicts(run.id), *others)

    def earlier_verdicts(self, run: str) -> tuple[Verdict, ...]:
        """Verdicts that later ones took the place of, or whose trial was done again; oldest first.

        Raises:
            StoreError: the store cannot be read.
        """
        with self._reading() as connection:
            return tuple(tables.superseded_verdicts(connection, run)) if connection else ()

    def trial(self, trial_id: str) -> TrialRecord:
        """The trial `RUN/agent/task/repeat`, or `last`: the one that was stored last.

        RUN may be the beginning of the run's id, the agent what tables shorten its name to.

        Raises:
            NotFound: there is none; the message lists some that there are.
            StoreError: the store cannot be read.
        """
        if trial_id in NEWEST:
            return self._newest_trial()
        asked = self._asked(trial_id)
        run = self.load_run(asked.run)
        meant = called(asked.agent, [agent.name for agent in run.agents])
        agent = meant[0] if len(meant) == 1 else asked.agent
        with self._reading() as connection:
            trial = structs.replace(asked, run=run.id, agent=agent)
            found = tables.trial_record(connection, trial) if connection else None
            if connection is None or found is None:
                some = tables.trial_ids(connection, run.id, LISTED) if connection else ()
                raise NotFound(f"there is no trial {trial_id!r}; stored in this run: {', '.join(some) or 'none yet'}")
            return found

    def _asked(self, trial_id: str) -> TrialPlan:
        """The trial that is asked for; where only a run is named, the message lists its trials."""
        if "/" in trial_id or not any(run.startswith(trial_id) for run in self.run_ids()):
            return parse_trial_id(trial_id)
        some = self.trial_ids(self.load_run(trial_id).id, LISTED)
        raise NotFound(f"{trial_id!r} is a run: name one of its trials, such as {', '.join(some) or 'none yet'}")

    def _newest_trial(self) -> TrialRecord:
        with self._reading() as connection:
            newest = tables.newest_trial(connection) if connection else None
            found = tables.trial_record(connection, newest) if connection and newest else None
        if found is None:
            raise NotFound(f"no trials are stored in {self.path.parent} yet: start some with `", Remedy.EVALUATE, "`")
        return found

    def run_ids(self) -> tuple[str, ...]:
        """The ids of all runs that are stored, the newest first.

        Raises:
            StoreError: the store cannot be read.
        """
        with self._reading() as connection:
            return tables.run_ids(connection) if connection else ()

    def trial_ids(self, run: str, limit: int) -> tuple[str, ...]:
        """The ids of some stored trials of a run.

        Raises:
            StoreError: the store cannot be read.
        """
        with self._reading() as connection:
            return tables.trial_ids(connection, run, limit) if connection else ()

    def spent_usd(self, run: str) -> float | None:
        """All that is known to have been spent on the run: trials, in flight and done again too, and judges.

        None where there are some, and of none of them it is known.

        Raises:
            StoreError: the store cannot be read.
        """
        flying = [each for each in underway.in_flight(self.path.parent) if each.trial.run == run]
        with self._reading() as connection:
            if connection is None:
                return _with_lost(0.0, flying, run)
            return _with_lost(tables.spent_usd(connection, run), _unstored(connection, flying), run)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection | None]:
        connection = open_reader(self.path)
        if connection is None:
            yield None
            return
        with closing(connection):
            try:
                yield connection
            except sqlite3.Error as error:
                raise store_error(self.path, error) from error
            except msgspec.ValidationError as error:
                raise StoreError(
                    f"a record in the store {self.path} cannot be read ({error}): perhaps a newer flatfield wrote it;"
                    " upgrade flatfield"
                ) from error
            except msgspec.MsgspecError as error:
                raise damaged(self.path, f"a record is no JSON any more: {error}") from error


def _choose(asked: str, known: tuple[str, ...]) -> str:
    """The one id that was meant, of ids newest first."""
    if not asked.strip():
        raise NotFound(
            f"an empty text names no run; leave it out, or name one: the latest are {', '.join(known[:LISTED])}"
        )
    if asked in known:
        return asked
    alike = [run for run in known if run.startswith(asked)]
    if len(alike) == 1:
        return alike[0]
    if alike:
        raise NotFound(f"{len(alike)} runs begin with {asked!r}: {', '.join(alike[:LISTED])}")
    raise NotFound(f"there is no run {asked!r}; the latest are: {', '.join(known[:LISTED])}")


def _unstored(connection: sqlite3.Connection, attempts: Sequence[Lost]) -> list[Lost]:
    """Those whose records are not stored: a process may have ended between storing one and taking its file away."""
    return [each for each in attempts if not tables.has_attempt(connection, each.trial)]


def _with_lost(stored_usd: float | None, lost: Sequence[Lost], run: str) -> float | None:
    """What is stored of a run's costs with what is known of its attempts that are not; None: nothing is known."""
    costs = [each.trial.cost_usd for each in lost if each.trial.run == run]
    return tables.known_sum([stored_usd or None, *costs]) if costs else stored_usd


def _insert_lost(connection: sqlite3.Connection, attempts: Sequence[Lost]) -> tuple[Lost, ...]:
    """Those that are in the store now."""
    return tuple(each for each in attempts if tables.insert_lost(connection, each))


def _insert_packed(connection: sqlite3.Connection, record: TrialRecord) -> bool:
    return tables.insert_trial(connection, _packed(record))


def _packed(trial: TrialRecord) -> TrialRecord:
    """The trial with its exchanges compressed: here in the writer's thread, not on the loop that times the others."""
    turns = tuple(
        structs.replace(turn, reply=structs.replace(turn.reply, wire=packed(turn.reply.wire))) for turn in trial.turns
    )
    return structs.replace(trial, turns=turns, unanswered=packed(trial.unanswered))


class _RescuedLine(msgspec.Struct, frozen=True, kw_only=True):
    """One rescued line: a trial or a verdict."""

    trial: TrialRecord | None = None
    verdict: Verdict | None = None


def _line(record: TrialRecord | Verdict) -> str:
    if isinstance(record, TrialRecord):
        return f'{{"trial":{encode(_packed(record))}}}'
    return f'{{"verdict":{encode(record)}}}'


def _take_lines(connection: sqlite3.Connection, lines: Sequence[str]) -> int:
    """How many of the lines could be stored, or were stored already."""
    return sum(_take_line(connection, line) for line in lines)


def _take_line(connection: sqlite3.Connection, line: str) -> bool:
    try:
        found = json_text.decoded(line, _RescuedLine, json_text.DEEPEST_KEPT)
        if found.trial is not None:
            tables.insert_trial(connection, found.trial)
        if found.verdict is not None:
            tables.insert_verdict(connection, found.verdict)
    except (ValueError, msgspec.MsgspecError, sqlite3.IntegrityError):
        return False
    return found.trial is not None or found.verdict is not None
