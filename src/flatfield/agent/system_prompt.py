"""What every model is told before the task: the same for all, unless an agent brings its own."""

from __future__ import annotations

from string import ascii_lowercase
from typing import TYPE_CHECKING

from flatfield.vendors.base import SYSTEM_PROMPT

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from flatfield.records import AgentConfig, Task

PLACEHOLDER = "MODEL_NAME"


def system_prompt(agent: AgentConfig, task: Task, model_name: str) -> str:
    """The system prompt of one trial; it names the model only where the prompt asks for `MODEL_NAME`."""
    base = SYSTEM_PROMPT if agent.system_prompt is None else agent.system_prompt
    if PLACEHOLDER not in task.prompt:
        return base
    return f"{base}\nYour model name is {model_name}.".lstrip("\n")


def model_names(
    agents: Sequence[AgentConfig], controls: Collection[str], *, actual: bool, began_with: int = 0
) -> dict[str, str]:
    """The name that each agent is given: neutral identifiers of equal length, or the models' own.

    Numbers from 1 go to those that are compared, in their order; controls share the number 0, so that taking one along
    changes nobody's name. `began_with`: how many were compared when the run began, 0 for all of them. They decide the
    length, so that adding an agent changes nobody's name either: the tenth of a run that began with nine is `agent_a`.
    """
    if actual:
        return {agent.name: agent.model or agent.name for agent in agents}
    compared = [agent.name for agent in agents if agent.name not in controls]
    width = len(str(began_with or len(compared)))
    numbers = {name: number for number, name in enumerate(compared, start=1)}
    return {agent.name: f"agent_{_short(numbers.get(agent.name, 0), width)}" for agent in agents}


def _short(number: int, width: int) -> str:
    """A number in so many characters: decimal, then with a letter in front; longer when even those are used up."""
    rest = number - 10**width
    if rest < 0:
        return f"{number:0{width}d}"
    letter, digits = divmod(rest, 10 ** (width - 1))
    if letter >= len(ascii_lowercase):
        return str(number)
    return f"{ascii_lowercase[letter]}{digits:0{width - 1}d}" if width > 1 else ascii_lowercase[letter]
