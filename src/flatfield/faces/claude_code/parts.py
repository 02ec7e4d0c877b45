"""Every file of the plugin, or of a project, as text: what stands in it depends on the agents alone."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flatfield import __version__
from flatfield.faces.claude_code.layout import NAME, Layout
from flatfield.faces.claude_code.wrappers import WRAPPER_MODEL, sub_agent
from flatfield.tasks.agents import wrapper_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.records import AgentConfig

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
HOOKS = ("Stop", "SubagentStop", "Notification")
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
