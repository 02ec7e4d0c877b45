"""The seams of the agent's room: provider, conversation, tool, sandbox. One file each implements one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from msgspec import Struct

from flatfield.agent.http.secrecy import Secrets
from flatfield.records import AgentConfig, Reply, Task, ToolResult, ToolSpec, TurnBudget  # noqa: TC001 - msgspec
from flatfield.tasks.access import nobody

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    import aiohttp

    from flatfield.agent.clock import Clock
    from flatfield.agent.http.retrying import RetryPolicy
    from flatfield.tasks.access import Access


class Admission(Protocol):
    """One attempt that may go out."""

    @property
    def queue_seconds(self) -> float:
        """What was waited for it."""
        ...

    def used(self, tokens: int) -> None:
        """So many tokens it really took, input and output; they count against the server's minute."""
        ...


class Pressure(Protocol):
    """Who says when a server may be asked, and is told how it takes it; `place` is the server's host and port."""

    def admit(self, place: str, tokens: int) -> AbstractAsyncContextManager[Admission]:
        """Wait until one more request of about so many tokens may go to it; leaving tells that it is over."""
        ...

    def refused(self, place: str, wait_seconds: float | None) -> None:
        """It was asked too much (429 or 529), and asks to be left alone so long; None: it did not say."""
        ...

    def served(self, place: str) -> None:
        """It answered a request."""
        ...


@dataclass(kw_only=True, slots=True)
class Services:
    """What providers share during one run: one HTTP session, a clock, the environment, a cache folder, patience.

    `retry` None: the transport's own policy. `pressure` None: nothing is waited for, nobody is told of refusals.
    `access` decides which keys may go where and which programs may run; without one, nobody has trusted anything.
    `secrets` holds the keys that are in force, from when they are first used.
    """

    session: aiohttp.ClientSession
    clock: Clock
    environ: Mapping[str, str]
    cache: Path
    retry: RetryPolicy | None = None
    pressure: Pressure | None = None
    access: Access = field(default_factory=nobody)
    secrets: Secrets = field(default_factory=Secrets)


class Opening(Struct, frozen=True, kw_only=True):
    """What one trial's conversation starts from. `task` is for the oracle only: no real model's provider reads it.

    `response_schema` is a JSON Schema object for the reply's text, for providers that can constrain it, else ignored.
    `workspace`: the absolute path of the folder that the trial works in, for providers that run a scaffold of their own
    there (None: there is none, nothing is to be edited); `workspace_user`: the host uid that it belongs to when that is
    not ours.
    """

    agent: AgentConfig
    system_prompt: str
    prompt: str
    tools: tuple[ToolSpec, ...]
    task: Task
    response_schema: dict[str, Any] | None = None
    workspace: str | None = None
    workspace_user: int | None = None


class Lane(Struct, frozen=True, kw_only=True):
    """What must not run at the same time: trials in lane `name` run at most `width` at once.

    `place`: the host and port whose refusals make the lane narrower for a while; "" for a width that stays.
    `device`: the machine that models run on, one at a time also among processes; "" where it is somebody else's matter.
    """

    name: str
    width: int
    place: str = ""
    device: str = ""


class Conversation(Protocol):
    """One trial's conversation with one model, kept in the vendor's native form."""

    async def turn(self, results: Sequence[ToolResult], budget: TurnBudget) -> Reply:
        """Send the results of the last turn's calls (none on the first turn) and return what the model says.

        Retries by itself. When `budget.seconds` of model time are over, returns what has arrived with finish "time".

        Raises:
            ProviderError: the API failed for good.
            ContextTooLong: the conversation does not fit the model.
        """
        ...


class Provider(Protocol):
    """One vendor's API, opened once per run and shared by its trials."""

    async def check(self, agent: AgentConfig) -> None:
        """Raise NotReady, with the fix, when this agent could not run now; spends nothing."""
        ...

    async def converse(self, opening: Opening) -> Conversation:
        """Start a conversation; a local provider first starts its server."""
        ...

    def lane(self, agent: AgentConfig) -> Lane:
        """What else this agent's trials must not run beside."""
        ...

    def on_device(self, agent: AgentConfig) -> bool:
        """Whether the model runs on the user's own device: $0 at the API."""
        ...

    async def close(self) -> None:
        """End what was started."""
        ...


class Tool(Protocol):
    """One tool of the nano agent, bound to one workspace."""

    @property
    def spec(self) -> ToolSpec:
        """What the model is told."""
        ...

    async def call(self, arguments: Mapping[str, Any]) -> str:
        """Do it and answer in plain, short text.

        Raises:
            ToolError: it could not be done; the text tells the model what to do next.
        """
        ...


class SandboxLimits(Struct, frozen=True, kw_only=True):
    """What one sandboxed command may use at most.

    `cpu_seconds` and `file_bytes` are for each process and file, `memory_bytes` for each process and all together;
    `workspace_bytes` and `workspace_files` (folders are files) for all that the workspace holds.
    """

    wall_seconds: float = 60.0
    cpu_seconds: int = 60
    memory_bytes: int = 2 * 1024**3
    processes: int = 128
    file_bytes: int = 64 * 1024**2
    workspace_bytes: int = 1024**3
    workspace_files: int = 50_000
    output_bytes: int = 64 * 1024


class Mount(Struct, frozen=True, kw_only=True):
    """One path of a workspace, relative to it, that commands find changed.

    `how`: "pinned", the folder can be neither renamed nor deleted; "read-only"; "hidden", it looks empty, and cannot be
    written either.
    """

    path: str
    how: Literal["pinned", "read-only", "hidden"]
    is_folder: bool


class CommandResult(Struct, frozen=True, kw_only=True):
    """How a command ended; `exit_code` None when killed: for time, or for what `stopped` says.

    `host_short`: it was stopped because the host ran short of something, which need not have been the command's doing;
    otherwise `stopped` is a limit of its own that it exceeded. `output`: stdout and stderr, cut in a stated way.
    """

    exit_code: int | None
    output: str
    timed_out: bool
    seconds: float
    stopped: str = ""
    host_short: bool = False


class Sandbox(Protocol):
    """Runs one shell command in a workspace, shut off from everything else; `kind` says what it is made of."""

    @property
    def kind(self) -> str:
        """Such as `bubblewrap`."""
        ...

    def with_packages(self, packages: Path) -> Sandbox:
        """The same, with a folder of Python packages that commands can import and not change."""
        ...

    async def run(self, command: str, workspace: Path, limits: SandboxLimits) -> CommandResult:
        """Run `command` with /bin/sh in `workspace`; its whole process tree is gone on return or cancellation."""
        ...

    @property
    def user(self) -> int | None:
        """The host uid that commands run as when it is not ours (the workspace must be given to it), else None."""
        ...


@runtime_checkable
class Mounting(Protocol):
    """A sandbox that can keep parts of a workspace from commands."""

    def with_mounts(self, mounts: tuple[Mount, ...], look: Callable[[], None] | None = None) -> Sandbox:
        """The same, for a workspace with these parts kept; folders stand before what is in them.

        `look` is called (in a thread) before a command begins and when all of it is gone; in between, and while it
        looks, files belong to the user that commands run as.

        Raises:
            NotReady: one of them cannot be kept.
        """
        ...
