"""The server's tools: what a client's model can call."""

from __future__ import annotations

import asyncio
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec, TypeVar

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult, ResourceLink, TextContent, ToolAnnotations
from pydantic import BaseModel

from flatfield.agent.files.changed import Beside
from flatfield.errors import FlatfieldError
from flatfield.faces.mcp import arguments as given
from flatfield.faces.mcp import evaluations
from flatfield.faces.mcp.answers import AgentRow, Agents, Choice, Delegated, Report, Status
from flatfield.faces.mcp.at_work import AtWork, Call
from flatfield.faces.mcp.delegating import Shared, delegate, planned, still_working, trial_of
from flatfield.faces.mcp.ordering import Asked, order_of
from flatfield.faces.mcp.reporting import choose, report_of
from flatfield.faces.mcp.roots import client_roots
from flatfield.faces.wording import printable
from flatfield.http.services import Kept
from flatfield.runs.traffic.lanes import Lanes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mcp.server import MCPServer

    from flatfield.faces.mcp.desk import Desk

P = ParamSpec("P")
R = TypeVar("R", bound=BaseModel)


def add(server: MCPServer, desk: Desk) -> AtWork:
    """Register every tool; the agents that they set to work."""
    tools = _Tools(desk)
    reads = ToolAnnotations(read_only_hint=True, open_world_hint=False)
    works = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=True)
    starts = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=True)
    ends = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
    for function, title, hints in (
        (tools.prompt_nano_agent, "Prompt a nano agent", works),
        (tools.agent_result, "Result of an agent", ends),
        (tools.list_agents, "List agents", reads),
        (tools.evaluate, "Start an evaluation", starts),
        (tools.evaluation_status, "Watch an evaluation", reads),
        (tools.cancel_evaluation, "Cancel an evaluation", ends),
        (tools.report, "Report of an evaluation", reads),
        (tools.pick, "Pick an agent", reads),
    ):
        server.add_tool(function, title=title, annotations=hints)
    return tools.at_work


def _foreseen(function: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """What a user can cause reaches the client as one sentence; the rest stays a bug."""

    @wraps(function)
    async def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return _plain(await function(*args, **kwargs))
        except FlatfieldError as error:
            raise ToolError(printable(str(error))) from error

    return wrapped


def _plain(answer: R) -> R:
    """The answer with what others wrote in it made visible: clients print it on terminals. A report is so already."""
    if isinstance(answer, CallToolResult):
        return answer
    return type(answer).model_validate(_seen(answer.model_dump()))


def _seen(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {_seen(key): _seen(item) for key, item in value.items()}
    return list(map(_seen, value)) if isinstance(value, list) else value


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

    def __init__(self, desk: Desk) -> None:
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
    ) -> Delegated:
        """Hand a prompt to a nano agent: it works in a folder with file tools until it is done, and answers.

        It cannot leave the folder, change what others execute or obey there (.git, settings, CI), or read secrets.
        """
        asked = Asked(
            prompt=agentic_prompt,
            model=model,
            provider=provider,
            agent=agent,
            workspace=workspace,
            limits=limits.model_dump(exclude_none=True) if limits else None,
            continue_trial=continue_trial,
        )
        project = self._desk.project()
        order = order_of(asked, self._desk, project, await client_roots(context))
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
        wait_seconds: given.WaitSeconds = 0,
        cancel: given.Cancel = False,  # noqa: FBT002 - as above
    ) -> Delegated:
        """Result of an agent in the background, or of one whose call was cut or cancelled."""
        project = self._desk.project()
        if cancel:
            return await self.at_work.cancel(trial, project)
        return await self.at_work.result(trial, wait_seconds, project, _telling(context))

    @_foreseen
    async def list_agents(self) -> Agents:
        """List the agents that prompt_nano_agent and evaluate can be given."""
        project = self._desk.project()
        fields = tuple(AgentRow.model_fields)
        rows = [AgentRow(**{name: getattr(one, name) for name in fields}) for one in project.roster]
        return Agents(agents=rows, notes=list(project.notes))

    @_foreseen
    async def evaluate(
        self,
        context: Context[Any, Any],
        lops: given.Lops,
        agents: given.AgentNames = None,
        hop: given.Hop = None,
        repeats: given.Repeats = None,
        judge: given.Judges = None,
        budget_usd: given.Budget = None,
        budget_ignores: given.BudgetIgnores = None,
        budget_seconds: given.BudgetSeconds = None,
    ) -> Status:
        """Run agents on tasks and grade what each did: performance, speed and cost. Returns at once, with the run's id.

        It goes on in the background, also when the client leaves: ask evaluation_status, then report.
        """
        await self._shared.kept.let_go()  # an evaluation loads its models itself, and wants the memory
        wanted = evaluations.Wanted(
            lops=tuple(lops),
            agents=tuple(agents) if agents else None,
            hop=hop,
            repeats=repeats,
            judge=tuple(judge) if judge else None,
            budget_usd=budget_usd,
            budget_ignores=tuple(budget_ignores) if budget_ignores else None,
            budget_seconds=budget_seconds,
        )
        return await evaluations.start(wanted, self._desk, await client_roots(context))

    @_foreseen
    async def evaluation_status(self, run: given.RunOrNewest = "") -> Status:
        """Say how far an evaluation has come, and what it has cost until now."""
        return await asyncio.to_thread(evaluations.status, run, self._desk)

    @_foreseen
    async def cancel_evaluation(self, run: given.RunId) -> Status:
        """End a running evaluation; what is finished is kept, and `flatfield eval --resume` goes on with it."""
        return await evaluations.cancel(run, self._desk)

    @_foreseen
    async def report(
        self,
        run: given.RunOrNewest = "",
        format: given.Format = "markdown",  # noqa: A002 - the tool's argument is called so
    ) -> Annotated[CallToolResult, Report]:
        """Grades, figures and evidence of an evaluation. A long report is shortened; the linked resource is whole."""
        found = await asyncio.to_thread(report_of, run, format, self._desk)
        text = TextContent(type="text", text=found.model_dump_json())
        link = ResourceLink(type="resource_link", uri=found.resource, name=f"report of {found.run}")
        return CallToolResult(content=[text, link], structured_content=found.model_dump(mode="json"))

    @_foreseen
    async def pick(
        self,
        run: given.RunOrNewest = "",
        weights: given.WeightsGiven = None,
        constraints: given.ConstraintsGiven = None,
    ) -> Choice:
        """Recommend an agent from an evaluation: which, why, how sure that is, and who was left out."""
        return await asyncio.to_thread(
            choose,
            run,
            weights.model_dump() if weights else None,
            constraints.model_dump(exclude_none=True) if constraints else {},
            self._desk,
        )
