"""Changes a task's solution on purpose: as its author says, or, where nothing is said, in the obvious ways."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs

from flatfield import plugins
from flatfield.records import Sabotage, SolutionStep
from flatfield.tasks.solution import DEFAULT_ANSWER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flatfield.records import Task

NAME_CHARACTERS = 60


def sabotaged(task: Task, sabotage: Sabotage) -> Task:
    """The task with the sabotage's changes to its solution."""
    kept = [step for at, step in enumerate(task.solution) if at not in sabotage.skip]
    calls = [step for step in kept if step.tool is not None]
    answer = "".join(step.answer for step in kept if step.tool is None)
    last = SolutionStep(answer=answer if sabotage.answer is None else sabotage.answer)
    return structs.replace(task, solution=(*calls, *sabotage.steps, last))


def derived(task: Task) -> tuple[Sabotage, ...]:
    """Each step that leaves something behind left out in turn, and an empty answer where the answer says something."""
    return tuple(_derived(task))


def _derived(task: Task) -> Iterator[Sabotage]:
    for at, step in enumerate(task.solution):
        # Doing without a call that only looks changes no result.
        if step.tool is not None and not plugins.tool_traits(step.tool).looks_only:
            yield Sabotage(name=f"without {_named(step)}", skip=(at,))
    if "".join(step.answer for step in task.solution) not in {"", DEFAULT_ANSWER}:
        yield Sabotage(name="an empty answer", answer="")


def _named(step: SolutionStep) -> str:
    """A step in a few words: its tool and its first argument."""
    first = " ".join(str(next(iter(step.arguments.values()), "")).split())
    text = f"{step.tool} {first}".strip()
    return text if len(text) <= NAME_CHARACTERS else f"{text[: NAME_CHARACTERS - 1]}…"
