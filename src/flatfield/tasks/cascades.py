"""Cascades as flatfield.toml has them: agents that try cheaper steps first, and go on where a check fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct, structs

from flatfield.errors import InvalidFiles, NotFound
from flatfield.records import AgentConfig
from flatfield.tasks import source
from flatfield.tasks.agents import POLICIES, ROUTE, Roster, is_control, is_name, select_agents

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flatfield.records import Mistake
    from flatfield.tasks.source import Findings, Node

CASCADE = "cascade"
"""What `provider` is of an agent that has steps: no vendor's name."""
COMMAND = "command:"
VISIBLE, JUDGE, HIDDEN = "visible", "judge", "hidden"
CHECKS: Mapping[str, str] = {
    VISIBLE: "the task's commands that use no hidden file",
    JUDGE: "the evaluation's judge, from letter B on",
    HIDDEN: "all of the task's own checks, which nobody has while working",
    f"{COMMAND} …": "a command of yours that ends with exit code 0",
}
"""What may say whether the work of a step is good enough; by which words, and what that is."""
LEAST_STEPS = 2
_KEYS: dict[str, source.NodeReader] = {
    "provider": source.text(),
    "steps": source.texts(empty=False),
    "check": source.text(),
    "description": source.text(empty=True),
}
_ROUTE_KEYS: dict[str, source.NodeReader] = {
    "provider": source.text(),
    "prefer": source.choice(*POLICIES),
    "among": source.texts(empty=False),
    "description": source.text(empty=True),
}


class WrittenCascade(Struct, frozen=True, kw_only=True):
    """A cascade as it is written, its steps by name; `lines` are those of the steps, `shown_as` is the file.

    With `route` it chooses among them, or among whoever takes part where it names none.
    """

    name: str
    steps: tuple[str, ...]
    lines: tuple[int, ...]
    check: str
    description: str
    shown_as: str
    line: int
    route: str | None = None

    @property
    def unresolved(self) -> AgentConfig:
        """The agent without its steps, which are looked up when all agents are known."""
        where = f"{self.shown_as}:{self.line}"
        return AgentConfig(
            name=self.name,
            provider=CASCADE if self.route is None else ROUTE,
            check=self.check or None,
            route=self.route,
            description=self.description,
            source=where,
        )


def table_schemas() -> list[dict[str, Any]]:
    """What the table of a cascade and of a route may hold, as JSON Schemas."""
    found = []
    for provider, readers, required in (
        (CASCADE, _KEYS, ("provider", "steps", "check")),
        (ROUTE, _ROUTE_KEYS, ("provider",)),
    ):
        schema = source.map_of(readers, required)
        schema["properties"]["provider"] = {"type": "string", "enum": [provider]}
        found.append(schema)
    return found


def command_of(check: str | None) -> str:
    """The command that a check is; "" for one that is none."""
    return (check or "").removeprefix(COMMAND).strip() if (check or "").startswith(COMMAND) else ""


def is_upper_bound(agent: AgentConfig) -> bool:
    """Whether nobody could do as well: a cascade whose check knows what is hidden while the work is done."""
    return agent.check == HIDDEN


def read_cascade(name: str, node: Node, shown_as: str, found: Findings) -> WrittenCascade | None:
    """A table `[agents.NAME]` with `provider = "cascade"`; None after noting its mistakes."""
    before = len(found.mistakes)
    if not is_name(name):
        found.add(node.line, f"{name!r} cannot be an agent's name", "use letters, digits and . _ : @ + - only")
    given = source.read_map(node, _KEYS, found, what=f"cascade {name}")
    entries = node.map or {}
    for key, example in (("steps", '["cheap", "strong"]'), ("check", f'"{VISIBLE}"')):
        if key not in entries:
            found.add(node.line, f"cascade {name} has no {key}", f"write {key} = {example}")
    steps = given.get("steps", ())
    if steps and len(steps) < LEAST_STEPS:
        fix = "name a cheaper agent before it, or use the agent itself"
        found.add(entries["steps"].line, f"cascade {name} has one step, after which nothing comes", fix)
    check = given.get("check", "")
    if check and check not in CHECKS and not command_of(check):
        ways = "; ".join(f'"{words}": {meaning}' for words, meaning in CHECKS.items())
        found.add(entries["check"].line, f"there is no check {check!r}", f"write one of {ways}")
    if len(found.mistakes) > before:
        return None
    lines = tuple(item.line for item in entries["steps"].items or ())
    about = given.get("description", "")
    return WrittenCascade(
        name=name, steps=steps, lines=lines, check=check, description=about, shown_as=shown_as, line=node.line
    )


def read_route(name: str, node: Node, shown_as: str, found: Findings) -> WrittenCascade | None:
    """A table `[agents.NAME]` with `provider = "auto"`; None after noting its mistakes."""
    before = len(found.mistakes)
    if not is_name(name):
        found.add(node.line, f"{name!r} cannot be an agent's name", "use letters, digits and . _ : @ + - only")
    given = source.read_map(node, _ROUTE_KEYS, found, what=f"route {name}")
    if len(found.mistakes) > before:
        return None
    among = (node.map or {}).get("among")
    return WrittenCascade(
        name=name,
        steps=given.get("among", ()),
        lines=tuple(item.line for item in (among.items if among else None) or ()),
        check="",
        description=given.get("description", ""),
        shown_as=shown_as,
        line=node.line,
        route=given.get("prefer", POLICIES[0]),
    )


def with_steps(
    agents: Mapping[str, AgentConfig], unread: Mapping[str, tuple[Mistake, ...]], cascades: tuple[WrittenCascade, ...]
) -> tuple[dict[str, AgentConfig], tuple[Mistake, ...]]:
    """All agents by name, the cascades among them with their steps; and what is wrong with steps."""
    known = Roster(tuple(agent for agent in agents.values() if agent.provider not in {CASCADE, ROUTE}), unread)
    found: dict[str, AgentConfig] = dict(agents)
    mistakes: list[Mistake] = []
    for written in cascades:
        cascade, problems = agents[written.name], source.Findings(written.shown_as)
        names = {each.name for each in cascades}
        steps = [
            step
            for item, line in zip(written.steps, written.lines, strict=True)
            for step in _step(item, line, cascade, names, known, problems)
        ]
        mistakes += problems.mistakes
        found[written.name] = structs.replace(cascade, steps=tuple(steps))
    return found, tuple(mistakes)


def _step(
    item: str, line: int, cascade: AgentConfig, cascades: set[str], known: Roster, found: Findings
) -> Iterator[AgentConfig]:
    if item in cascades:
        found.add(line, f"step {item} of cascade {cascade.name} is a cascade itself", "name its steps in its place")
        return
    if any(sign in item for sign in "*?["):
        found.add(
            line, f"step {item!r} of cascade {cascade.name} is a pattern", "name one agent a step, in their order"
        )
        return
    try:
        (step,) = select_agents((item,), known, cascade.folder)
    except (NotFound, InvalidFiles) as error:
        found.add(line, f"a step of cascade {cascade.name}: {error}", "name an agent that is there")
        return
    if is_control(step) or step.route is not None:
        found.add(line, f"step {item} of cascade {cascade.name} asks no model itself", "name an agent that does")
        return
    yield step
