"""The server's tools: what a client's model can call."""

from __future__ import annotations

import asyncio
from functools import cache, wraps
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec, TypeVar

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.tools import Tool
from mcp_types import CallToolResult, InputRequiredResult, ToolAnnotations
from pydantic import BaseModel

from flatfield.agent.files.changed import Beside
from flatfield.errors import FlatfieldError, Remedy
from flatfield.faces.mcp import evaluations, listing, reporting
from flatfield.faces.mcp import schemas as given
from flatfield.faces.mcp.delegating import (
    AtWork,
    Call,
    CallNames,
    Shared,
    delegate,
    order_of,
    planned,
    still_working,
    trial_of,
)
from flatfield.faces.mcp.desk import client_roots
from flatfield.faces.mcp.schemas import (
    Agents,
    Choice,
    Comparisons,
    Delegated,
    Plan,
    ReportAnswer,
    Status,
    Tasks,
    brief,
    seen,
)
from flatfield.faces.wording import printable
from flatfield.http.services import Kept
from flatfield.runs.traffic.lanes import Lanes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from flatfield.faces.mcp.desk import ServerDesk

TOOLS = {
    Remedy.LIST_AGENTS: "list_agents",
    Remedy.LIST_TASKS: "list_tasks",
    Remedy.EVALUATE: "evaluate",
    Remedy.REPORT: "report",
}
"""The tools that do what errors tell people to do in a shell."""
P = ParamSpec("P")
R = TypeVar("R", bound=BaseModel)


def tools_of(desk: ServerDesk) -> tuple[list[Tool], AtWork]:
    """Every tool over the desk; the agents that they set to work."""
    tools = _Tools(desk)
    return [
        tool.model_copy(update={"fn": getattr(tools, tool.name)}) for tool in _described(tuple(given.formats()))
    ], tools.at_work


@cache
def _described(_formats: tuple[str, ...]) -> tuple[Tool, ...]:
    """Every tool as clients see it, over no desk yet: making schemas of signatures is most of what a server takes.

    They name the formats of reports, which come and go with what is installed.
    """
    over = _Tools.__new__(_Tools)
    reads = ToolAnnotations(read_only_hint=True, open_world_hint=False)
    works = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=True)
    starts = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=True)
    ends = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
    return tuple(
        Tool.from_function(function, title=title, annotations=hints)
        for function, title, hints in (
            (over.prompt_nano_agent, "Prompt a nano agent", works),
            (over.agent_result, "Result of an agent", ends),
            (over.list_agents, "List agents", reads),
            (over.list_tasks, "List tasks", reads),
            (over.plan, "Forecast an evaluation", reads),
            (over.evaluate, "Start an evaluation", starts),
            (over.evaluation_status, "Watch an evaluation", reads),
            (over.cancel_evaluation, "Cancel an evaluation", ends),
            (over.report, "Report of an evaluation", reads),
            (over.pick, "Pick an agent", reads),
            (over.compare, "Compare agents or runs", reads),
        )
    )


def _foreseen(function: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """What a user can cause reaches the client as one sentence; the rest stays a bug."""

    @wraps(function)
    async def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return _plain(await function(*args, **kwargs))
        except FlatfieldError as error:
            raise ToolError(printable(error.worded(TOOLS))) from error

    return wrapped


def _plain(answer: R) -> R:
    """The answer with what others wrote in it made visible. A result that was put together here is so already."""
    if isinstance(answer, CallToolResult | InputRequiredResult):
        return answer
    return type(answer).model_validate(seen(answer.model_dump()))


def _telling(context: Context[Any, Any]) -> Callable[[str], Awaitable[None]]:
    """Tells a call's client of its progress."""
    steps = 0

    async def tell(text: str) -> None:
        nonlocal steps
        steps += 1
        await context.report_progress(steps, None, printable(text))

    return tell


class _Tools:
    """The tools over one desk; each method's name, arguments and docstring are what clients see."""

    def __init__(self, desk: ServerDesk) -> None:
        self._desk = desk
        traffic = Lanes(desk.clock)
        self._shared = Shared(traffic=traffic, kept=Kept(), places=traffic.jobs(desk.parallel), beside=Beside())
        self.at_work = AtWork()

    @_foreseen
    async def prompt_nano_agent(
        self,
        context: Context[Any, Any],
        agentic_prompt: given.PromptText,
        model: given.Model = None,
        provider: given.Provider = None,
        agent: given.AgentName = None,
        workspace: given.Folder = None,
        limits: given.LimitsGiven = None,
        background: given.Background = False,  # noqa: FBT002 - arguments come by name
        continue_trial: given.ContinueTrial = None,
        check: given.CheckCommand = None,
    ) -> Delegated:
        """Hand a prompt to a nano agent: it works in a folder with file tools until done and answers.

        It cannot leave the folder, change what others obey there (.git, settings, CI), or read secrets.
        """
        asked = CallNames(
            prompt=agentic_prompt,
            model=model,
            provider=provider,
            agent=agent,
            workspace=workspace,
            limits=limits.model_dump(exclude_none=True) if limits else None,
            continue_trial=continue_trial,
            check=check,
        )
        project = self._desk.project()
        order = await order_of(asked, self._desk, project, await client_roots(context))
        run, tell = planned(order, self._desk), _telling(context)
        if waits := self._desk.waits.get(order.agent.name):
            await tell(waits)
        await tell(f"{order.agent.name} begins in {order.folder}; its trial: {trial_of(run)}")
        call = Call(trial_of(run), order.agent)
        work = delegate(order, run, self._desk, project, self._shared, call.hear if background else tell)
        self.at_work.begin(call, work)
        return still_working(call.trial, call.agent) if background else await self.at_work.ended(call)

    @_foreseen
    async def agent_result(
        self,
        context: Context[Any, Any],
        trial: given.Trial = "",
        wait_seconds: given.AgentWait = 0,
        cancel: given.Cancel = False,  # noqa: FBT002 - as above
    ) -> Delegated:
        """Result of an agent in the background, or of one whose call was cut."""
        project = self._desk.project()
        if cancel:
            return await self.at_work.cancel(trial, project)
        return await self.at_work.result(trial, wait_seconds, project, _telling(context))

    @_foreseen
    async def list_agents(self, match: given.Match = "") -> Annotated[CallToolResult, Agents]:
        """Who can work: ready ones first, with price and what they are good at."""
        return brief(await listing.agents_of(match, self._desk, self._desk.project()))

    @_foreseen
    async def list_tasks(
        self, context: Context[Any, Any], within: given.Within = ""
    ) -> Annotated[CallToolResult, Tasks]:
        """The LOPs, suites and HOPs that evaluate can be given."""
        if within:
            evaluations.check_allowed(within, self._desk, await client_roots(context))
        return brief(await asyncio.to_thread(listing.tasks_of, within, self._desk, self._desk.project()))

    @_foreseen
    async def plan(
        self,
        context: Context[Any, Any],
        lops: given.PlainLops,
        agents: given.PlainNames = None,
        hop: str | None = None,
        repeats: given.PlainCount = None,
        judge: given.PlainNames = None,
    ) -> Plan:
        """What evaluate would take: dollars, minutes. Arguments as there."""
        wanted = evaluations.Wanted(
            lops=tuple(lops), agents=_some(agents), hop=hop, repeats=repeats, judge=_some(judge)
        )
        project = self._desk.project()
        roots = await client_roots(context)
        asked = await asyncio.to_thread(evaluations.plan, wanted, self._desk, project, roots)
        return evaluations.planned(asked.run, await evaluations.forecast_of(asked, self._desk, project))

    @_foreseen
    async def evaluate(
        self,
        context: Context[Any, Any],
        lops: given.Lops = (),  # type: ignore[assignment]  # a list for those who give one
        agents: given.AgentNames = None,
        hop: given.Hop = None,
        repeats: given.Repeats = None,
        judge: given.Judges = None,
        budget_usd: given.Budget = None,
        budget_ignores: given.BudgetIgnores = None,
        budget_seconds: given.BudgetSeconds = None,
        confirm: given.Confirm = False,  # noqa: FBT002 - arguments come by name
        resume: given.Resume = "",
    ) -> Status | InputRequiredResult:
        """Run agents on tasks in the background and grade them. Then evaluation_status, report."""
        wanted = evaluations.Wanted(
            lops=tuple(lops),
            agents=_some(agents),
            hop=hop,
            repeats=repeats,
            judge=_some(judge),
            budget_usd=budget_usd,
            budget_ignores=_some(budget_ignores),
            budget_seconds=budget_seconds,
        )
        if resume:
            await self._shared.kept.let_go()
            return await evaluations.resume(resume, wanted, self._desk)
        desk, project = self._desk, self._desk.project()
        roots = await client_roots(context)
        asked = await asyncio.to_thread(evaluations.plan, wanted, desk, project, roots)
        await evaluations.check_ready(asked, desk, project)
        found, run = await evaluations.forecast_of(asked, desk, project), asked.run
        if not confirm and (refused := await evaluations.refusal(context, run, found, desk, project)) is not None:
            return refused if isinstance(refused, InputRequiredResult) else evaluations.not_started(run, refused)
        await self._shared.kept.let_go()  # an evaluation loads its models itself, and wants the memory
        begun = await evaluations.begin(run, desk, project)
        return begun.model_copy(update={"said": f"{evaluations.said(found)}. {begun.said}"})

    @_foreseen
    async def evaluation_status(
        self, context: Context[Any, Any], run: given.RunOrNewest = "", wait_seconds: given.WaitSeconds = 0
    ) -> Status:
        """How far an evaluation is, and what it cost until now."""

        async def tell(status: Status) -> None:
            await context.report_progress(status.trials_done, status.trials_planned, printable(status.said))

        return await evaluations.watch(run, wait_seconds, self._desk, tell)

    @_foreseen
    async def cancel_evaluation(self, run: given.RunId) -> Status:
        """End an evaluation; evaluate(resume) goes on with it."""
        return await evaluations.cancel(run, self._desk)

    @_foreseen
    async def report(
        self,
        run: given.RunOrNewest = "",
        format: given.Format = "markdown",  # noqa: A002 - the tool's argument is called so
    ) -> Annotated[CallToolResult, ReportAnswer]:
        """An evaluation's answer, grades and figures; the linked resource has all of it."""
        return reporting.told(await asyncio.to_thread(reporting.report_of, run, format, self._desk))

    @_foreseen
    async def pick(
        self,
        run: given.RunOrNewest = "",
        task: given.TaskOrTag = "",
        weights: given.WeightsGiven = None,
        constraints: given.ConstraintsGiven = None,
        profile: given.Profile = "",
    ) -> Choice:
        """Which agent to use, how sure, why."""
        wanted = reporting.preferences_of(
            profile,
            weights.model_dump() if weights else None,
            constraints.model_dump(exclude_unset=True, exclude_none=True) if constraints else {},
            self._desk,
        )
        return await reporting.choose(run, wanted, self._desk, task)

    @_foreseen
    async def compare(
        self, a: given.Side = "", b: str = "", run: given.RunOrNewest = "", against: given.Against = ""
    ) -> Comparisons:
        """Who did more of the work, how surely, at what cost. No sides: the usual ones."""
        return await asyncio.to_thread(reporting.compared, a, b, run, against, self._desk)


def _some(names: list[str] | None) -> tuple[str, ...] | None:
    return tuple(names) if names else None
