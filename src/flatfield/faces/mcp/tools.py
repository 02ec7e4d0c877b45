"""The server's tools: what a client's model can call."""

from __future__ import annotations

import asyncio
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec, TypeVar

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult, ResourceLink, TextContent, ToolAnnotations
from pydantic import BaseModel

from flatfield.errors import FlatfieldError
from flatfield.faces.mcp import arguments as given
from flatfield.faces.mcp import evaluations
from flatfield.faces.mcp.answers import AgentRow, Agents, Choice, Delegated, Report, Status
from flatfield.faces.mcp.delegating import Order, Shared, delegate, limits_of
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
AGENTS_AT_ONCE = 8


def add(server: MCPServer, desk: Desk) -> None:
    """Register every tool."""
    tools = _Tools(desk)
    reads = ToolAnnotations(read_only_hint=True, open_world_hint=False)
    works = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=True)
    starts = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=True)
    ends = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
    for function, title, hints in (
        (tools.prompt_nano_agent, "Prompt a nano agent", works),
        (tools.list_agents, "List agents", reads),
        (tools.evaluate, "Start an evaluation", starts),
        (tools.evaluation_status, "Watch an evaluation", reads),
        (tools.cancel_evaluation, "Cancel an evaluation", ends),
        (tools.report, "Report of an evaluation", reads),
        (tools.pick, "Pick an agent", reads),
    ):
        server.add_tool(function, title=title, annotations=hints)


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


class _Tools:
    """The tools over one desk; each method's name, arguments and docstring are what clients see."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._places = asyncio.Semaphore(AGENTS_AT_ONCE)
        self._traffic = Lanes(desk.clock)
        self._kept = Kept()

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
    ) -> Delegated:
        """Hand a prompt to a nano agent: it works on it in a folder with file tools until it is done, and answers.

        It can read, write and edit files in the workspace, and cannot leave it. What others execute or obey there
        (.git, settings, CI files) it cannot change, and where secrets lie it cannot read. Returns the answer, which
        files changed, and the turns, tokens, seconds and dollars that it took.
        """
        steps = 0

        async def tell(text: str) -> None:
            nonlocal steps
            steps += 1
            await context.report_progress(steps, None, printable(text))

        if not agentic_prompt.strip():
            raise FlatfieldError("agentic_prompt is empty: say what to do")
        project = self._desk.project()
        order = Order(
            prompt=agentic_prompt,
            agent=self._desk.chosen(project, agent, provider, model),
            folder=self._desk.workspace(workspace, await client_roots(context)),
            limits=limits_of(limits.model_dump(exclude_none=True) if limits else {}),
        )
        if self._places.locked():
            await tell(f"waiting: {AGENTS_AT_ONCE} agents are at work already")
        async with self._places:
            if waits := self._desk.waits.get(order.agent.name):
                await tell(waits)
            await tell(f"{order.agent.name} begins in {order.folder}")
            shared = Shared(traffic=self._traffic, kept=self._kept)
            async with self._kept.in_use():
                return await delegate(order, self._desk, project, shared, tell)

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
        await self._kept.let_go()  # an evaluation loads its models itself, and wants the memory
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
