"""Sub-agents of Claude Code that hand their prompt to one nano agent, and give back what it returns."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from flatfield import plugins
from flatfield.records import AgentConfig
from flatfield.tasks.agents import wrapper_name

if TYPE_CHECKING:
    from flatfield.faces.claude_code.layout import Layout

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
