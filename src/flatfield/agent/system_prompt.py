"""What every model is told before the task: the same for all, unless an agent brings its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.records import AgentConfig, Task

SYSTEM_PROMPT = (
    "You are an agent working in one directory. Use the tools to do the task; paths are relative to the directory. "
    "When it is done, reply with your final answer."
)
PLACEHOLDER = "MODEL_NAME"


def system_prompt(agent: AgentConfig, task: Task, model_name: str) -> str:
    """The system prompt of one trial; it names the model only where the prompt asks for `MODEL_NAME`."""
    base = SYSTEM_PROMPT if agent.system_prompt is None else agent.system_prompt
    if PLACEHOLDER not in task.prompt:
        return base
    return f"{base}\nYour model name is {model_name}.".lstrip("\n")


def model_names(agents: Sequence[AgentConfig], *, actual: bool) -> dict[str, str]:
    """The name that each agent is given: neutral identifiers of equal length, or the models' own."""
    if actual:
        return {agent.name: agent.model or agent.name for agent in agents}
    width = len(str(len(agents)))
    return {agent.name: f"agent_{number:0{width}d}" for number, agent in enumerate(agents, start=1)}
