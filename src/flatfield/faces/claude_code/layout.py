"""The two ways in which Claude Code takes what we write: as a plugin of its own, or as files of a project."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

NAME = "flatfield"
"""What the plugin, its marketplace and the MCP server are called."""
_TOOL = "prompt_nano_agent"
_RESULT_TOOL = "agent_result"


class Layout(Struct, frozen=True, kw_only=True):
    """Where the parts go, and what Claude Code calls the tool, the sub-agents and the commands there.

    `root` stands before the folders of agents, commands and skills; `type_prefix` before the name of a sub-agent.
    """

    kind: Literal["plugin", "project"]
    root: str
    tool: str
    type_prefix: str
    command: str

    @property
    def ending_tools(self) -> tuple[str, str]:
        """The tools whose results tell how an agent ended."""
        return self.tool, self.tool.removesuffix(_TOOL) + _RESULT_TOOL


PLUGIN = Layout(
    kind="plugin",
    root="",
    tool=f"mcp__plugin_{NAME}_{NAME}__{_TOOL}",
    type_prefix=f"{NAME}:",
    command=f"{NAME}:perf:hop_evaluate_nano_agents",
)
PROJECT = Layout(
    kind="project",
    root=".claude/",
    tool=f"mcp__{NAME}__{_TOOL}",
    type_prefix="",
    command="perf:hop_evaluate_nano_agents",
)
