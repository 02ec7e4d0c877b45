"""Reports, decisions and comparisons of stored runs, as long as a client's model can take them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from mcp_types import CallToolResult, ResourceLink, TextContent
from msgspec import to_builtins
from msgspec.structs import replace

from flatfield import plugins
from flatfield.errors import FlatfieldError, NotFound
from flatfield.evidence.choosing import choose as published_choice
from flatfield.evidence.choosing import did
from flatfield.evidence.listed import KINDS, evidence
from flatfield.faces.advice import published_of
from flatfield.faces.found import usual_check
from flatfield.faces.mcp.schemas import Card, Choice, Compared, Comparisons, Decided, ReportAnswer, brief
from flatfield.faces.storing import store_of
from flatfield.faces.wording import beginning, printable
from flatfield.records import Preferences, Weights
from flatfield.runs.pooling import load_pooled
from flatfield.runs.results import has_evaluation, load_result
from flatfield.scoring.answer import graded
from flatfield.scoring.decision import decide

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from flatfield.faces.mcp.desk import ServerDesk
    from flatfield.records import Comparison, Grade, Run, RunResult, Scorecard
    from flatfield.runs.store.store import Store
    from flatfield.scoring.certainty.values import Standing
    from flatfield.scoring.decision import Decision
    from flatfield.tasks.project import Project

LONGEST_CHARACTERS = 20_000
"""What of a report is returned by the tool: clients cut long results themselves, at 25,000 tokens or less."""
MOST_CARDS = 40
MOST_LISTED = 20
"""So many scorecards, and so many reasons or agents of one kind, are in a structured answer."""


def stored(desk: ServerDesk, run: str) -> tuple[Store, Run]:
    """The store, and the run with this id or beginning in it; "": the newest evaluation.

    Raises:
        NotFound: there is none.
    """
    store = store_of(desk.project())
    try:
        return store, store.load_run(run or None)
    except NotFound:
        if any(run or not one.delegated for one in store.runs()):
            raise
        why = "no evaluation is stored here yet: start one with evaluate (list_tasks shows what it can be given)"
        raise NotFound(why) from None


def _result(desk: ServerDesk, run: str) -> RunResult:
    store, found = stored(desk, run)
    return load_result(store, found.id)


def answer_of(run: str, desk: ServerDesk) -> str:
    """Which agent to use, in one sentence.

    Raises:
        NotFound: there is no such run.
    """
    return decide(_result(desk, run)).answer


def report_of(run: str, form: str, desk: ServerDesk) -> ReportAnswer:
    """The report of a run.

    A format's `brief(result)` is taken where it has one. A long text is shortened by its `shorter(text, characters)`,
    else to its beginning; decision and scorecards are there whatever its length.

    Raises:
        NotFound: there is no such run.
    """
    result = _result(desk, run)
    decision = decide(result)
    text, complete = _written(result, form)
    cards = _cards(result, decision)
    return ReportAnswer(
        answer=decision.answer,
        run=result.run.id,
        title=result.run.evaluation.title,
        decision=Decided.model_validate(_decided(decision)),
        scorecards=cards[:MOST_CARDS],
        left_out=max(len(cards) - MOST_CARDS, 0),
        text=text,
        format=form,
        complete=complete,
        resource=f"flatfield://runs/{result.run.id}/report/{form}",
    )


def told(report: ReportAnswer) -> CallToolResult:
    """A report as a tool's result: some clients show its text alone, some its structure alone.

    Prose stands once, in the text, behind the answer; the structure has decision and scorecards. What is no prose, and
    was asked for by its format, stands in both.
    """
    prose = plugins.report_traits(report.format).is_prose
    text = f"{printable(report.answer)}\n\n{report.text}" if prose else report.text
    link = ResourceLink(type="resource_link", uri=report.resource, name=f"report of {report.run}")
    structured = brief(report.model_copy(update={"text": ""}) if prose else report).structured_content
    return CallToolResult(content=[TextContent(type="text", text=text), link], structured_content=structured)


def _written(result: RunResult, form: str) -> tuple[str, bool]:
    """The report's text, and whether that is all of it."""
    module = plugins.load("report", form)
    brief: Callable[[RunResult], str] | None = getattr(module, "brief", None)
    text = (brief or module.render)(result)
    if len(text) <= LONGEST_CHARACTERS:
        return text, brief is None
    shorter: Callable[[str, int], str] = getattr(module, "shorter", beginning)
    return shorter(text, LONGEST_CHARACTERS), False


def _decided(decision: Decision) -> dict[str, Any]:
    """A decision, its lists as long as a model reads them."""
    return {
        "answer": decision.answer,
        "advice": [*decision.advice, *decision.details],
        "recommended": decision.recommended,
        "runner_up": decision.runner_up,
        "probability": decision.probability,
        "regret": to_builtins(decision.regret),
        "unit": decision.unit,
        "if_missing_fail": decision.if_missing_fail,
        "contenders": [_contender(one) for one in decision.standings[:MOST_LISTED]],
        "front": list(decision.front[:MOST_LISTED]),
        "next_trials": [
            {"command": one.command, "trials": one.trials, "usd": one.usd, "gain": one.gain}
            for one in decision.next_trials
        ],
        "excluded": to_builtins(decision.excluded[:MOST_LISTED]),
        "runs": list(decision.runs[:MOST_LISTED]),
        "run": decision.run,
    }


def _contender(one: Standing) -> dict[str, Any]:
    usd, took = one.next.usd, one.next.seconds
    return {
        "agent": one.agent,
        "best": round(one.best, 3),
        "performance": round(one.next.performance.mean, 3),
        "seconds": None if took is None else float(f"{took.mean:.3g}"),
        "usd": None if usd is None else float(f"{usd.mean:.3g}"),
        "front": round(one.front, 3),
        "within": round(one.within, 3),
        "allowed": one.allowed,
    }


def _cards(result: RunResult, decision: Decision) -> list[Card]:
    """The scorecards, best first; the recommended one stands first, then as the report ranks them."""
    order = {name: at for at, name in enumerate(result.grading.order)}
    cards = sorted(
        result.grading.scorecards,
        key=lambda card: (card.agent != decision.recommended, card.control, order.get(card.agent, len(order))),
    )
    return [_card(card) for card in cards]


def _card(card: Scorecard) -> Card:
    seconds = card.active_seconds / card.ran if card.active_seconds is not None and card.ran else None
    usd = card.known_usd / card.priced if card.known_usd is not None and card.priced else None
    return Card(
        agent=card.agent,
        overall=_grade(card.overall),
        performance=_grade(card.performance),
        speed=_grade(card.speed),
        cost=_grade(card.cost),
        ranks=list(card.rank) if card.rank else None,
        trials=card.trials,
        measured=card.measured,
        seconds=None if seconds is None else float(f"{seconds:.3g}"),
        usd=None if usd is None else float(f"{usd:.3g}"),
        wrong_claims=card.wrong_claims,
    )


def _grade(grade: Grade) -> str | None:
    if grade.letter is None or grade.score is None:
        return None
    first, *rest = graded(grade).split(" ", 1)
    return " ".join((first, f"{grade.score:.2f}", *rest))


async def choose(run: str, wanted: Preferences, desk: ServerDesk, task: str = "") -> Choice:
    """The recommendation for a run, or for those of its tasks that have this id or tag. "": of all runs together.

    `task` may be a kind of work, too. While no evaluation is stored, the answer is from what others published.

    Raises:
        NotFound: there is no such run or task.
    """
    project = desk.project()
    if not run and not await asyncio.to_thread(has_evaluation, store_of(project)):
        return await _published(wanted, desk, project, task)
    return await asyncio.to_thread(_measured, run, wanted, desk, task)


def _measured(run: str, wanted: Preferences, desk: ServerDesk, task: str) -> Choice:
    store, found = stored(desk, run)
    kind = next((each for each in KINDS if each == task), None)
    wide = kind is not None and not any(kind in (one.id, *one.tags) for one in found.tasks)
    asked = None if wide else task or None
    if run:
        result = load_result(store, found.id, preferences=wanted, task=asked)
    else:
        result = load_pooled(store, wanted, task=asked)
    decision = decide(result)
    told = _decided(decision)
    if wide:
        told["advice"].append(f"No task here has the tag {kind}, so the answer is of all of them.")
    others = published_of(result, decision, desk.project().data, kind)
    told["advice"] += [f"Published by others, and not counted: {name}: {did(row)}." for name, row in others]
    return Choice.model_validate({**told, "task": task})


async def _published(wanted: Preferences, desk: ServerDesk, project: Project, task: str) -> Choice:
    """The answer from what others published of the models that can be asked from here."""
    from flatfield.runs.readiness import within_reach
    from flatfield.runs.world import open_world

    kind = next((each for each in KINDS if each == task), None)
    if task and kind is None:
        raise NotFound(
            f"no evaluation is stored here yet, so there is no task {task!r}; what others published is by kind of work:"
            f" {', '.join(KINDS)}"
        )
    rows = await asyncio.to_thread(evidence, project.data)
    async with open_world(desk.outside(project)) as world:
        here = await within_reach(project.roster, world.services, desk.clock.utc().date())
    found = published_choice(rows, here, wanted, kind, usual_check(project.folder))
    measure = f"evaluate(lops=[{found.suite!r}], agents={list(found.to_measure)})"
    step = f"{found.next_step}: {measure}" if found.to_measure else "list_agents shows what each agent lacks"
    nothing: dict[str, Any] = dict.fromkeys(("probability", "regret", "if_missing_fail"))
    lists: dict[str, Any] = {name: [] for name in ("contenders", "front", "next_trials", "excluded", "runs")}
    return Choice(
        answer=found.answer,
        advice=[*found.advice, f"{step}."],
        recommended=found.recommended,
        runner_up=found.runner_up,
        unit="score" if wanted.solved_usd is None else "usd",
        run="",
        task=found.kind,
        **nothing,
        **lists,
    )


def preferences_of(
    profile: str, weights: Mapping[str, float] | None, constraints: Mapping[str, Any], desk: ServerDesk
) -> Preferences:
    """What matters: the profile's, and in its place what was given.

    Raises:
        NotFound: there is no such profile.
        FlatfieldError: all weights are 0, or weights and money are given, or an hour's price alone.
    """
    if weights is not None and not any(weights.values()):
        raise FlatfieldError("weights are all 0: at least one must be above")
    if weights is not None and "solved_usd" in constraints:
        raise FlatfieldError("weights and solved_usd are two ways to say what matters: keep one")
    found = Preferences()
    if profile:
        profiles = desk.project().profiles
        if profile not in profiles:
            there = ", ".join(profiles) or "none"
            raise NotFound(f"there is no profile {profile!r} in flatfield.toml; there are: {there}")
        found = profiles[profile]
    if weights is not None:
        found = replace(found, weights=Weights(**weights), solved_usd=None, hour_usd=None)
    if "solved_usd" in constraints:
        found = replace(found, weights=None)
    found = replace(found, **constraints)
    if found.hour_usd is not None and found.solved_usd is None:
        raise FlatfieldError("hour_usd needs solved_usd: what a solved task is worth, in dollars")
    return found


def compared(a: str, b: str, run: str, against: str, desk: ServerDesk) -> Comparisons:
    """Two sides, or what people usually ask of a run.

    Raises:
        NotFound: a run or an agent is not there, or nothing was done by both sides.
        FlatfieldError: what is asked for is no comparison.
    """
    from flatfield.faces.comparisons import comparisons

    store, now = stored(desk, run)
    found = comparisons(store, a or None, b or None, now.id, against or None)
    return Comparisons(comparisons=[_compared(each) for each in found[:MOST_LISTED]])


def _compared(found: Comparison) -> Compared:
    from flatfield.faces.comparisons import sentence

    return Compared(
        sentence=sentence(found),
        first=found.first,
        second=found.second,
        verdict=found.verdict,
        difference=round(found.difference, 4),
        interval=[round(found.these.low, 4), round(found.these.high, 4)],
        probability=round(found.these.probability, 4),
        next_probability=round(found.next.probability, 4),
        p_value=round(found.p_value, 4),
        tasks=len(found.tasks),
        trials=list(found.trials),
        left_out=len(found.left_out),
    )
