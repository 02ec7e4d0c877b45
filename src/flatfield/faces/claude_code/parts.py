"""Every file of the plugin, or of a project, as text: what stands in it depends on the agents alone."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

from flatfield import __version__, plugins
from flatfield.records import AgentConfig
from flatfield.tasks.agents import wrapper_name

if TYPE_CHECKING:
    from collections.abc import Sequence


# The two ways in which Claude Code takes what we write: as a plugin of its own, or as files of a project.


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


# Sub-agents of Claude Code that hand their prompt to one nano agent, and give back what it returns.


WRAPPER_MODEL = "inherit"
"""Claude Code's own model that passes the prompt on: the conversation's, as a router may serve no other one."""
_IN_CALL = frozenset({"name", "provider", "model", "description", "source"})


def sub_agent(agent: AgentConfig, layout: Layout, wrapper_model: str = WRAPPER_MODEL) -> str:
    """The sub-agent's file; `wrapper_model` is Claude Code's name of the model that passes the prompt on.

    A model without settings is named by `model` and `provider`, so that flatfield reads the file as an agent of its
    own; one with settings, which stand in flatfield.toml, by its name there.
    """
    about = f"Hands its prompt to a nano agent on {agent.model or agent.name} ({agent.provider}), and returns its JSON."
    return f"""---
name: {wrapper_name(agent.name)}
description: {json.dumps(about, ensure_ascii=False)}
model: {wrapper_model}
color: {plugins.traits_or_usual(agent.provider).color}
tools: {layout.tool}
---

# Nano agent on {agent.model or agent.name}

You pass a prompt on. You do not do the work, improve the prompt, or judge the result.

## Execute

Call the tool once. PROMPT is all of the text that you were given, word for word:

{layout.tool}(agentic_prompt=PROMPT, {_whom(agent)})

## Response

Your answer is the JSON that the tool returned, every field of it, unchanged: success, result, error, metadata,
execution_time_seconds. Nothing stands before or after it, and no code fence around it. If the call itself fails, answer
with {{"success": false, "result": "", "error": "what the tool said"}}.
"""


def _whom(agent: AgentConfig) -> str:
    unset = AgentConfig(name="", provider="")
    plain = all(
        getattr(agent, field) == getattr(unset, field)
        for field in AgentConfig.__struct_fields__
        if field not in _IN_CALL
    )
    if plain and agent.model:
        return f"model={json.dumps(agent.model)}, provider={json.dumps(agent.provider)}"
    return f"agent={json.dumps(agent.name)}"


# ---------------------------------------------------------------------------- all files together


DEFAULT_PROGRAM = "flatfield"
LINEUP = (
    "gpt-6-luna",
    "gpt-6.1-terra",
    "gpt-6.1-sol",
    "claude-haiku-5-5",
    "claude-sonnet-5-5",
    "claude-opus-5-5",
    "gemini-3.8-flash",
    "gpt-oss-20b",
    "gpt-oss-120b",
)
"""Whom it is made for when nobody is named or configured: small, middle and large, from the cloud and for the desk."""
TOOL_MILLISECONDS = 1_800_000
"""How long Claude Code waits for one call, waiting for a free model included; progress does not prolong it."""
HOOK_SECONDS = 60
"""Enough to start on a busy machine; the speaking itself is not waited for."""
HOOKS = ("Stop", "StopFailure", "SubagentStop", "Notification")
CALL_HOOKS = ("PostToolUse", "PostToolUseFailure")
DESCRIPTION = "Hand work to nano agents on any model, and find out which model does it best"
_PAGES = Path(__file__).parent / "pages"
_OWNER = {"name": "The flatfield authors"}


def files(
    agents: Sequence[AgentConfig],
    layout: Layout,
    program: str = DEFAULT_PROGRAM,
    *,
    wrapper_model: str = WRAPPER_MODEL,
    ignores_base_urls: bool = False,
) -> dict[str, str]:
    """All files by their paths; `program` is how Claude Code starts flatfield, one word or several.

    `wrapper_model` is the model of Claude Code's that passes prompts on; `ignores_base_urls`: agents leave out its own
    ANTHROPIC_BASE_URL and the like.
    """
    made = {
        f"{layout.root}agents/{wrapper_name(agent.name)}.md": sub_agent(agent, layout, wrapper_model)
        for agent in agents
    }
    server = _server(program, layout, ignores_base_urls=ignores_base_urls)
    made |= _commands(agents, layout)
    made[f"{layout.root}skills/nano-agents/SKILL.md"] = _filled("SKILL.md", agents, layout)
    hooks = {"hooks": _hooks(program, layout)}
    if layout.kind == "project":
        return made | {".claude/settings.json": _json(hooks), ".mcp.json": _json(server)}
    return made | {
        "hooks/hooks.json": _json(
            {"description": "Says when an agent or Claude Code is done, and when it waits.", **hooks}
        ),
        ".mcp.json": _json(server),
        ".claude-plugin/plugin.json": _json(_manifest()),
        ".claude-plugin/marketplace.json": marketplace("./"),
    }


def marketplace(source: str) -> str:
    """The file that offers the plugin to `claude plugin install`; `source` is where it lies, from the file's root."""
    plugin = {"name": NAME, "source": source, "description": DESCRIPTION, "category": "development"}
    about = {"description": "flatfield's plugin for Claude Code"}
    return _json({"name": NAME, "owner": _OWNER, "metadata": about, "plugins": [plugin]})


def _manifest() -> dict[str, Any]:
    return {
        "name": NAME,
        "version": __version__,
        "description": DESCRIPTION,
        "author": _OWNER,
        "license": "MIT",
        "keywords": ["agents", "evaluation", "mcp", "models", "benchmark"],
    }


def _commands(agents: Sequence[AgentConfig], layout: Layout) -> dict[str, str]:
    folder = f"{layout.root}commands/perf"
    made = {f"{folder}/hop_evaluate_nano_agents.md": _filled("hop_evaluate_nano_agents.md", agents, layout)}
    for path in sorted((_PAGES / "perf").rglob("*")):
        name = path.relative_to(_PAGES / "perf").as_posix()
        if path.suffix == ".md":
            made[f"{folder}/{name}"] = _filled(f"perf/{name}", agents, layout)
        elif path.suffix == ".py":
            made[f"{folder}/{name}"] = path.read_text(encoding="utf-8")
    return made


def _filled(page: str, agents: Sequence[AgentConfig], layout: Layout) -> str:
    """A page with what depends on the layout and the agents put in."""
    lines = "\n".join(f"@agent-{wrapper_name(agent.name)} PROMPT" for agent in agents)
    example = f"`{layout.type_prefix}{wrapper_name(agents[0].name)}`" if agents else "none yet"
    values = {
        "tool": layout.tool,
        "agents": lines,
        "type": f"whose type is `{layout.type_prefix}NAME`" if "hop" in page else f"such as {example}",
        "command": layout.command,
        "where": _where(layout),
    }
    text = (_PAGES / page).read_text(encoding="utf-8")
    for name, value in values.items():
        text = text.replace(f"{{{{{name}}}}}", value)
    return text


def _where(layout: Layout) -> str:
    folder = f"{layout.root}commands/perf" if layout.kind == "project" else "${CLAUDE_PLUGIN_ROOT}/commands/perf"
    return f"(A name that is no path is a file in `{folder}/`, or the only one there whose name begins so.)"


def _server(program: str, layout: Layout, *, ignores_base_urls: bool) -> dict[str, Any]:
    """The server, started before the first prompt: a command that calls its tools would else come too early."""
    command, *words = shlex.split(program)
    options = ["--lops", "${CLAUDE_PLUGIN_ROOT}/commands/perf"] if layout.kind == "plugin" else []
    options += ["--ignore-base-urls"] if ignores_base_urls else []
    server = {"command": command, "args": [*words, "mcp", *options], "alwaysLoad": True, "timeout": TOOL_MILLISECONDS}
    return {"mcpServers": {NAME: server}}


def _hooks(program: str, layout: Layout) -> dict[str, Any]:
    """Each event is handed over to a speaker that nothing waits for.

    They are no background hooks of Claude Code's: those end with it, and its last words with them.
    """
    command = f"{shlex.join(shlex.split(program))} speak --hook"
    hooks = [{"type": "command", "command": command, "timeout": HOOK_SECONDS}]
    calls = {event: [{"matcher": "|".join(layout.ending_tools), "hooks": hooks}] for event in CALL_HOOKS}
    return {event: [{"hooks": hooks}] for event in HOOKS} | calls


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
