"""Carries out a run with live progress, writes its report, and leaves with its exit code."""

from __future__ import annotations

import asyncio
import gc
import os
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from flatfield.errors import FlatfieldError
from flatfield.faces.cli.common import note, notes
from flatfield.faces.cli.ending import INTERRUPTED, NOT_MEASURED, interruptible

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from flatfield.clock import Clock
    from flatfield.faces.cli.speech import HeardVoice
    from flatfield.faces.live import LiveView
    from flatfield.faces.speech.speaker import Speaker
    from flatfield.records import AgentConfig, Event, Preferences, Run, RunResult, TrialPlan
    from flatfield.runs.evaluation.scheduler import Summary
    from flatfield.runs.store.store import Store
    from flatfield.runs.world import Outside
    from flatfield.tasks.project import Project


PULSE_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class CarriedOut:
    """How a run is carried out: in which project, who judges, what the flags say, and whose trials `only` are done.

    `until_sure`: repeats are added until the order of the front is settled, so many at most. `preferences`: what
    matters to who reads the report. `speaker`, where there is one, says what comes of it. `source`: the folder that
    plain LOPs are given copies of, None: the current one. `view`: its page is shown. `expected_seconds`: how long the
    run takes, where that was told before; None: it is forecast.
    """

    project: Project
    outside: Outside
    judges: tuple[AgentConfig, ...] = ()
    skip_unready: bool = False
    unsafe_commands: bool = False
    only: tuple[str, ...] = ()
    until_sure: int | None = None
    preferences: Preferences | None = None
    speaker: Speaker | None = None
    source: Path | None = None
    view: bool = False
    expected_seconds: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """What is made of a run that was carried out: what is shown, and what is said aloud."""

    show: Callable[[RunResult], None]
    say: Callable[[RunResult], str]


async def carried_out(run: Run, store: Store, how: CarriedOut, voice: HeardVoice, told: Told) -> None:
    """Carry the run out, tell what came of it, and leave with its exit code when all is said."""
    from flatfield.faces.cli.speech import heard
    from flatfield.faces.cli.view import beside, stay
    from flatfield.faces.judges import grading_notes
    from flatfield.runs.results import load_result

    notes(grading_notes(run, how.judges, os.environ))
    async with AsyncExitStack() as stack:
        address = await stack.enter_async_context(beside(run.id, store)) if how.view else None
        async with heard(voice) as speaker:
            summary, stopped = await carry_out(run, store, replace(how, speaker=speaker))
            result = load_result(store, run.id, preferences=how.preferences)
            told.show(result)
            if speaker is not None and not stopped:
                speaker.say(told.say(result))
        if address is not None and not stopped:
            await stay(address)
    leave(result, summary, stopped=stopped)


async def carry_out(run: Run, store: Store, how: CarriedOut) -> tuple[Summary, bool]:
    """Run with live progress on stderr; True when it was interrupted. Ctrl-C ends it cleanly, a second one at once."""
    from flatfield.faces.drawing import open_console
    from flatfield.faces.live import LiveView
    from flatfield.runs.evaluation.evaluate import Conduct, evaluate
    from flatfield.runs.order import remaining
    from flatfield.runs.permission import wants_of

    outside, clock, stop = how.outside, how.outside.clock, asyncio.Event()
    agents = [agent for agent in (*run.agents, *how.judges) if not how.only or agent.name in how.only]
    outside.access.allow(wants_of(run.tasks, agents, outside.environ, outside.access))
    plans = remaining(run, store.rows(run.id), how.only).plans
    expected_seconds = how.expected_seconds or await _forecast(run, plans, how)
    view = LiveView(open_console(stderr=True), plans, clock, expected_seconds)

    def interrupt() -> None:
        stop.set()
        view.say("stopping: what runs is ended, what is finished is kept; Ctrl-C again ends at once")

    with interruptible(interrupt), quiet_collector():
        async with store:
            notes(store.notes)
            async with _pulse(view, clock):
                conduct = Conduct(
                    outside=outside,
                    source=how.source or Path.cwd(),
                    observe=_telling(view.observe, plans, how.speaker),
                    stop=stop,
                    judges=how.judges,
                    skip_unready=how.skip_unready,
                    unsafe_commands=how.unsafe_commands,
                    only=how.only,
                    until_sure=how.until_sure,
                )
                summary = await evaluate(run, store, conduct)
    return summary, stop.is_set()


async def _forecast(run: Run, plans: Sequence[TrialPlan], how: CarriedOut) -> float | None:
    """Say what is ahead where that is more than a cent or a minute; seconds that it will take, None: not known."""
    from flatfield.faces.forecasts import foretold, is_worth_saying
    from flatfield.faces.storing import store_of
    from flatfield.runs.evaluation.forecasting import DIFFERENCE, ForecastDesk, forecast
    from flatfield.runs.world import open_world
    from flatfield.tasks.agents import is_control

    if not plans or all(is_control(agent) for agent in run.agents):
        return None
    try:
        async with open_world(how.outside) as world:
            desk = ForecastDesk(world=world, source=how.source or Path.cwd())
            known = store_of(how.project)
            found = await asyncio.to_thread(forecast, run, how.judges, known, desk, DIFFERENCE, plans)
    except FlatfieldError:  # whatever it is, it is told when the run begins
        return None
    if is_worth_saying(found):
        note(f"{foretold(found)}; in full: flatfield plan")
    return found.wall_seconds


@asynccontextmanager
async def _pulse(view: LiveView, clock: Clock) -> AsyncIterator[None]:
    """Show the view, and have it say that it goes on where it would be silent for long."""

    async def beat() -> None:
        while True:
            await clock.sleep(PULSE_SECONDS)
            view.still()

    with view:
        beating = asyncio.ensure_future(beat())
        try:
            yield
        finally:
            beating.cancel()


@contextmanager
def quiet_collector() -> Iterator[None]:
    """Keep the collector away from all that was made before: walking it halts the loop that times trials for 0.1 s."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _telling(
    show: Callable[[Event], None], plans: Sequence[TrialPlan], speaker: Speaker | None
) -> Callable[[Event], None]:
    """What is told of events: the display, and whoever speaks."""
    if speaker is None:
        return show
    from flatfield.faces.speech.sentences import Announcer

    announcer = Announcer(plans, speaker.say)

    def tell(event: Event) -> None:
        show(event)
        announcer.observe(event)

    return tell


def leave(result: RunResult, summary: Summary, *, stopped: bool) -> None:
    """Say what is missing and how to go on, and leave with the run's exit code.

    Raises:
        typer.Exit: 130 when it was interrupted, 3 when trials are not measured.
    """
    notes(summary.notes)
    if stopped:
        note(f"interrupted: {_progress(result)}; {_go_on(result)}")
        raise typer.Exit(INTERRUPTED)
    missing = tuple(_missing(result, summary))
    for text in missing:
        note(text)
    if missing:
        raise typer.Exit(NOT_MEASURED)


def _progress(result: RunResult) -> str:
    """`2 of 6 trials done, 1 failed, 3 left`: of the whole run, earlier sittings included."""
    from flatfield.faces.wording import many

    planned = sum(card.trials for card in result.grading.scorecards)
    done = sum(trial.failure is None for trial in result.trials)
    failed = sum(trial.failure is not None and trial.failure.kind != "interrupted" for trial in result.trials)
    return f"{done} of {many(planned, 'trial')} done, {failed} failed, {planned - done - failed} left"


def _missing(result: RunResult, summary: Summary) -> Iterator[str]:
    """What of the run is not measured, and what would help."""
    from flatfield.faces.wording import many
    from flatfield.scoring.judge.judge import rubric_of
    from flatfield.scoring.measures.performance import checks_score, places, trial_scores, verified, without_letter
    from flatfield.tasks.lop import EXAMPLE

    failed = sum(trial.failure is not None for trial in result.trials)
    open_trials = failed + sum(trial not in {one.id for one in result.trials} for trial in summary.not_started)
    if open_trials:
        yield f"{many(open_trials, 'trial')} not measured; {_mend(summary, failed)}{_go_on(result)}"
    scores = trial_scores(result.run, result.trials, result.verdicts)
    unscored = [trial for trial in result.trials if trial.failure is None and trial.id not in scores]
    unjudged = [trial for trial in unscored if not verified(trial.checks)]
    bare = {task.id: task.path for task in result.run.tasks if not rubric_of(task)}
    if judged := sum(trial.task not in bare for trial in unjudged):
        yield f"{many(judged, 'trial')} not judged; {_go_on(result)} --judge AGENT"
    if unchecked := [trial.task for trial in unjudged if trial.task in bare]:
        names = ", ".join(sorted({bare[task] or task for task in unchecked}))
        yield (
            f"{many(len(unchecked), 'trial')} not graded, for nothing says what is right: "
            f"write `{EXAMPLE}` in the front matter of {names}, and run it again"
        )
    checked = [
        trial
        for trial in without_letter(result.run, result.trials, result.verdicts)
        if checks_score(trial.checks) is not None
    ]
    if checked:
        lacking = f"{many(len(checked), 'trial')} verified but not judged, though judges count"
        yield f"{lacking}; {_go_on(result)} --judge AGENT"
    if unmeasured := len(unscored) - len(unjudged) - sum(trial.id not in scores for trial in checked):
        yield f"{many(unmeasured, 'trial')} not measured by any verifier: the report says why"
    graded = (trial for trial in result.trials if trial.failure is None and trial.id in scores)
    if partly := sum(any(check.score is None for _, check in places(trial)) for trial in graded):
        whose = "its" if partly == 1 else "their"
        yield f"{many(partly, 'trial')} not measured by all of {whose} checks: the report says by which not, and why"


def _mend(summary: Summary, failed: int) -> str:
    """What has to be done before the run goes on, by what kept its trials from being measured."""
    why = set(summary.not_started.values())
    mends = {
        "when the cause is mended": bool(failed or why - {"budget", "time"}),
        "with more dollars (--budget-usd)": "budget" in why,
        "with more time (--budget-seconds: each sitting has it anew) or less for a trial (limits: {seconds: …})": "time"
        in why,
    }
    return f"{' and '.join(text for text, helps in mends.items() if helps)}, "


def _go_on(result: RunResult) -> str:
    return f"go on with: flatfield eval --resume {result.run.id}" + (" --until-sure" if result.run.added else "")


def write_markdown(result: RunResult, project: Project) -> Path:
    """The Markdown report under `.flatfield/reports/`.

    Raises:
        FlatfieldError: it cannot be written.
    """
    from flatfield.faces.reports.markdown import brief

    path = project.data / "reports" / f"{result.run.id}.md"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(brief(result), encoding="utf-8")
    except OSError as error:
        raise FlatfieldError(
            f"the report cannot be written to {path}: {error.strerror}; the run is stored, see: flatfield report"
        ) from None
    return path
