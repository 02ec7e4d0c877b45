"""What an evaluation will probably take, and whether that is more than is started without asking."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from mcp.server.elicitation import render_elicitation_schema
from mcp_types import ElicitRequest, ElicitRequestFormParams, ElicitResult, InputRequiredResult
from mcp_types.version import is_version_at_least
from pydantic import BaseModel, Field

from flatfield.faces.forecasts import BASES, separating
from flatfield.faces.mcp.run_answers import Expected, Plan
from flatfield.faces.wording import dollars, many, seconds
from flatfield.http.connecting import is_loopback

if TYPE_CHECKING:
    from typing import Any

    from mcp.server.mcpserver import Context

    from flatfield.faces.mcp.desk import Desk
    from flatfield.records import Run
    from flatfield.runs.forecasting import Forecast, Line
    from flatfield.tasks.project import Project

_QUESTION = "start"
_ASKED_BY_RESULT = "2026-07-28"
"""From this version of the protocol on a question to the user is a call's result, and the call comes again."""


class Agreement(BaseModel):
    """What the user is asked."""

    start: bool = Field(default=True, description="Start it")


async def forecast_of(run: Run, desk: Desk, project: Project) -> Forecast:
    """The forecast of a run that is not stored; nobody is asked for anything.

    Raises:
        FlatfieldError: a workspace is not there, or too large.
    """
    from flatfield.faces.storing import store_of
    from flatfield.runs.forecasting import ForecastTerms, foresee
    from flatfield.tasks.agents import select_agents

    judges = select_agents(run.evaluation.judge, project.roster)
    terms = ForecastTerms(
        environ=desk.environ_of(project), prices=desk.prices_of(project), lanes=project.lanes, source=desk.cwd
    )
    return await foresee(run, judges, store_of(project), terms)


def planned(run: Run, found: Forecast) -> Plan:
    """A forecast as a client reads it."""
    return Plan(
        answer=f"{in_short(found)}: {many(len(run.agents), 'agent')} on {many(len(run.tasks), 'task')}.",
        trials=found.trials,
        usd=_rounded(found.usd),
        most_usd=_rounded(found.most_usd),
        minutes=round(found.wall_seconds / 60, 2),
        agents=[_expected(line) for line in found.agents],
        judges=[_expected(line) for line in found.judges if line.trials],
        telling_apart=list(separating(found.separation))[:-1],
        notes=list(found.notes),
    )


def _expected(line: Line) -> Expected:
    known = ", ".join(BASES[kind] for kind in line.known)
    active = round(line.active_seconds, 1)
    return Expected(name=line.name, trials=line.trials, usd=_rounded(line.usd), active_seconds=active, known_from=known)


def _rounded(usd: float | None) -> float | None:
    return None if usd is None else round(usd, 6)


def in_short(found: Forecast) -> str:
    """`About $1.20 (at most $4.80) and 12 min 3 s for 45 trials`."""
    lines = (*found.agents, *(line for line in found.judges if line.trials))
    unknown = [line.name for line in lines if line.usd is None]
    known = _known_usd(found)
    money = dollars(known) if known or not unknown else ""
    if unknown:
        money += f"{' and ' if money else ''}an unknown price for {', '.join(unknown)}"
    elif found.most_usd is not None:
        money += f" (at most {dollars(found.most_usd)} by the limits of the trials)"
    return f"About {money} and {seconds(found.wall_seconds)} for {many(found.trials, 'trial')}"


def _known_usd(found: Forecast) -> float:
    return sum(line.usd or 0.0 for line in (*found.agents, *found.judges))


class TooMuch(NamedTuple):
    """Why the user has to agree, and which argument keeps it below that."""

    why: str
    instead: str


def too_much(run: Run, found: Forecast, desk: Desk, project: Project) -> TooMuch | None:
    """Whether more is ahead than is started without asking; a budget caps what counts.

    An unknown price counts as too much, except on a server of one's own machine.
    """
    budget, budget_seconds = run.evaluation.budget_usd, run.evaluation.budget_seconds
    configs = (*run.agents, *project.roster)
    near = {one.name for one in configs if is_loopback(urlsplit(one.base_url or "").hostname or "")}
    lines = (*found.agents, *found.judges)
    unknown = [line.name for line in lines if line.trials and line.usd is None and line.name not in near]
    usd = math.inf if unknown else _known_usd(found)
    if min(usd, math.inf if budget is None else budget) > desk.ask_usd:
        why = (
            f"nobody knows the price of {', '.join(unknown)}" if unknown else f"it is more than {dollars(desk.ask_usd)}"
        )
        return TooMuch(why, f"budget_usd of at most {desk.ask_usd:g}")
    if min(found.wall_seconds, math.inf if budget_seconds is None else budget_seconds) > desk.ask_minutes * 60:
        return TooMuch(
            f"it is more than {desk.ask_minutes:g} minutes", f"budget_seconds of at most {desk.ask_minutes * 60:g}"
        )
    return None


async def refusal(
    context: Context[Any, Any], run: Run, found: Forecast, desk: Desk, project: Project
) -> str | InputRequiredResult | None:
    """Why it is not started now, or what asks the user, as the call's result; None: it may start."""
    ahead = too_much(run, found, desk, project)
    if ahead is None:
        return None
    agreed = await _agreed(context, f"Start this evaluation? {in_short(found)}; {ahead.why}.")
    if isinstance(agreed, InputRequiredResult):
        return agreed
    if agreed is None:
        return (
            f"Not started, as the user has to agree first ({ahead.why}). {in_short(found)}. Tell the user; then call "
            f"evaluate again with confirm=true, or with a {ahead.instead}."
        )
    return None if agreed else f"Not started: the user did not agree. {in_short(found)}."


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
