"""What every model is told before the task: the same for all, unless an agent brings its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

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


def model_names(agents: Sequence[AgentConfig], controls: Collection[str], *, actual: bool) -> dict[str, str]:
    """The name that each agent is given: neutral identifiers of equal length, or the models' own.

    Numbers from 1 go to those that are compared, in their order; controls share the number 0, so that taking one along
    changes nobody's name.
    """
    if actual:
        return {agent.name: agent.model or agent.name for agent in agents}
    compared = [agent.name for agent in agents if agent.name not in controls]
    width = len(str(len(compared)))
    numbers = {name: number for number, name in enumerate(compared, start=1)}
    return {agent.name: f"agent_{numbers.get(agent.name, 0):0{width}d}" for agent in agents}
