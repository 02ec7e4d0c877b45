"""Lists agents, those that can begin first, and tasks: short enough for a client's model to read whole."""

from __future__ import annotations

import asyncio
from collections import Counter
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from flatfield import tasks
from flatfield.errors import FlatfieldError, InvalidFiles, NotFound
from flatfield.faces.mcp.schemas import AgentRow, Agents, Others, Suite, TaskRow, Tasks
from flatfield.faces.storing import store_of
from flatfield.faces.wording import many, one_line, rate
from flatfield.records import Usage
from flatfield.tasks.agents import is_control
from flatfield.tasks.hop import is_evaluation
from flatfield.tasks.loading import SUITE_PREFIX, load, suites
from flatfield.tasks.lop import looks_like_task
from flatfield.tasks.roster import retirement

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from flatfield.agent.provider_pool import ProviderPool
    from flatfield.faces.mcp.desk import ServerDesk
    from flatfield.records import AgentConfig, Task
    from flatfield.runs.results import Experience
    from flatfield.runs.world import World
    from flatfield.tasks.project import Project


# The LOPs that a server offers: those of the project's folder and the built-in suites'.


FOLDERS = (".", "tasks", "lops", ".claude/commands/perf", "commands/perf")
"""Where LOPs of a project are looked for, beside its flatfield.toml."""
SUITES = Path(tasks.__file__).parent / "suites"


class Offer(Struct, frozen=True, kw_only=True):
    """One LOP: its name here, what `evaluate` is to be given to run it, its file, and whether a suite has it."""

    name: str
    argument: str
    path: Path
    suite: bool = False


def offers(folder: Path, further: Sequence[Path] = ()) -> tuple[Offer, ...]:
    """Every LOP by its file's name: the project's, then those of further folders; of two with one name the first."""
    found: dict[str, Offer] = {}
    for path in _files(folder, further):
        if _is(looks_like_task, path):
            found.setdefault(path.stem, Offer(name=path.stem, argument=_shown(path, folder), path=path))
    for path in (path for suite in suites() for path in suite_files(suite)):
        name = path.parent.name if path.stem == "task" else path.stem
        if name not in found:
            found[name] = Offer(name=name, argument=str(path), path=path, suite=True)
    return tuple(found.values())


def suite_files(suite: str) -> tuple[Path, ...]:
    """The LOPs of a built-in suite."""
    files = sorted((*(SUITES / suite).glob("*.md"), *(SUITES / suite).glob("*/*.md")))
    return tuple(path for path in files if _is(looks_like_task, path))


def hops(folder: Path, further: Sequence[Path] = ()) -> tuple[str, ...]:
    """The HOPs in the same places, as `evaluate` is given them."""
    return tuple(_shown(path, folder) for path in _files(folder, further) if _is(is_evaluation, path))


def _files(folder: Path, further: Sequence[Path]) -> Iterator[Path]:
    for place in (*(folder / name for name in FOLDERS), *further):
        yield from sorted(place.glob("*.md")) if place.is_dir() else ()


def _shown(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)


def lop_text(folder: Path, name: str, further: Sequence[Path] = ()) -> str:
    """The text of the LOP of that name.

    Raises:
        NotFound: there is none; the message lists what there is.
    """
    known = {offer.name: offer for offer in offers(folder, further)}
    if name not in known:
        raise NotFound(f"there is no LOP {name!r}; there are: {', '.join(known)}")
    return known[name].path.read_text(encoding="utf-8")


def _is(kind: Callable[[str], bool], path: Path) -> bool:
    try:
        return kind(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return False


GLANCE_SECONDS = 2.0
"""How long a server is given to say that it is there."""
SHOWN_AGENTS = 8
SHOWN_NAMES = 12
MOST_AGENTS = 60
"""Rows where nothing is asked for, names in a line, and rows where something is."""
MOST_TASKS = 60
_WORDS, _REASON = 60, 80
"""Characters of a description, and of why agents cannot begin."""
_SAMPLE = 1000
"""Tokens of a small request, as a price may rise with its size."""
_SHOWN_TAGS = 3


async def agents_of(match: str, desk: ServerDesk, project: Project) -> Agents:
    """The roster, or those of it that match: ready ones first, with their prices and what they are good at."""
    from flatfield.runs.world import open_world

    chosen = [agent for agent in project.roster if _matches(agent, match)]
    if not chosen:
        raise FlatfieldError(f"no agent matches {match!r}; list_agents without match shows who is ready")
    trials = await asyncio.to_thread(_experience, project)
    async with open_world(desk.outside(project)) as world:
        today = desk.clock.utc().date()
        old = {agent.name: "retired by its vendor" for agent in chosen if retirement(agent, today)}
        reasons = await _glances([agent for agent in chosen if agent.name not in old], world.pool) | old
        cost = await asyncio.to_thread(_costs, chosen, world)
    ranked = _ranked(chosen, reasons, trials)
    shown = ranked[:MOST_AGENTS] if match else [one for one in ranked if not reasons[one.name]][:SHOWN_AGENTS]
    rows = [_row(agent, reasons[agent.name], cost[agent.name], trials.get(agent.name)) for agent in shown]
    others = [agent for agent in ranked if agent not in shown]
    return Agents(agents=rows, others=_others(others, reasons), notes=list(project.notes))


def _matches(agent: AgentConfig, match: str) -> bool:
    wanted = match.strip().lower()
    names = [name.lower() for name in (agent.name, agent.provider, agent.model)]
    return not wanted or any(fnmatchcase(name, wanted) or wanted in name for name in names)


def _experience(project: Project) -> dict[str, Experience]:
    from flatfield.runs.results import experience

    return experience(store_of(project), project.roster)


def _ranked(
    agents: Sequence[AgentConfig], reasons: Mapping[str, str], trials: Mapping[str, Experience]
) -> list[AgentConfig]:
    """Ready ones, one's own, the best by own trials; else of each provider the newest, then the next. Controls last.

    One's own in the order in which they are configured: the first of them works where nobody is named.
    """
    of_provider: Counter[str] = Counter()
    turns = {agent.name: turn for turn, agent in enumerate(agents) if not agent.is_shipped}
    for agent in reversed(agents):  # what flatfield brings along has older models first
        if agent.is_shipped:
            turns[agent.name] = of_provider[agent.provider]
            of_provider[agent.provider] += 1

    def place(agent: AgentConfig) -> tuple[bool, bool, bool, float, int]:
        known = trials.get(agent.name)
        untried = 1.0 - known.performance if known else 2.0
        return bool(reasons[agent.name]), is_control(agent), agent.is_shipped, untried, turns[agent.name]

    return sorted(agents, key=place)


def _row(agent: AgentConfig, why_not: str, price: str, known: Experience | None) -> AgentRow:
    return AgentRow(
        name=agent.name,
        ready=not why_not,
        provider=agent.provider,
        model="" if agent.model == agent.name else agent.model,
        price=price,
        good_at=_good_at(known) if known else "",
        source="" if agent.is_shipped else agent.source,
        description=one_line(agent.description, _WORDS),
        why_not=why_not,
    )


def _good_at(known: Experience) -> str:
    """`0.92 on 24 trials; code 1.00, tool-use 0.83`."""
    tags = ", ".join(f"{tag} {score:.2f}" for tag, score in known.tags[:_SHOWN_TAGS])
    return f"{known.performance:.2f} on {many(known.trials, 'trial')}{f'; {tags}' if tags else ''}"


def _others(agents: Sequence[AgentConfig], reasons: Mapping[str, str]) -> list[Others]:
    """Who has no row, by why not, a line each."""
    grouped: dict[str, list[str]] = {}
    for agent in agents:
        grouped.setdefault(one_line(reasons[agent.name] or "ready too", _REASON), []).append(agent.name)
    return [Others(why=why, agents=_some(names)) for why, names in grouped.items()]


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN_NAMES} more (list_agents(match=…))" if len(names) > SHOWN_NAMES else ""
    return f"{', '.join(names[:SHOWN_NAMES])}{more}"


async def glances(agents: Sequence[AgentConfig], desk: ServerDesk, project: Project) -> dict[str, str]:
    """Why each cannot begin, "" where it can, as far as keys, servers and files tell: nothing is spent."""
    from flatfield.runs.world import open_world

    async with open_world(desk.outside(project)) as world:
        return await _glances(agents, world.pool)


async def _glances(agents: Sequence[AgentConfig], pool: ProviderPool) -> dict[str, str]:
    async def look(agent: AgentConfig) -> str:
        try:
            async with asyncio.timeout(GLANCE_SECONDS):
                await pool.glance(agent)
        except FlatfieldError as error:
            return str(error).removeprefix(f"agent {agent.name!r}: ")
        except TimeoutError:
            return f"its server did not answer within {GLANCE_SECONDS:g} seconds"
        return ""

    found = await asyncio.gather(*map(look, agents))
    return {agent.name: why for agent, why in zip(agents, found, strict=True)}


def _costs(agents: Sequence[AgentConfig], world: World) -> dict[str, str]:
    world.outside.prices.prepare(agents)
    return {agent.name: _price(agent, world) for agent in agents}


def _price(agent: AgentConfig, world: World) -> str:
    """`$0.25/$2`: dollars per million tokens, input and output; "" where no price is known or nothing is asked."""
    if is_control(agent):
        return ""
    on_device = world.pool.of(agent).on_device(agent)
    used = Usage(input_tokens=_SAMPLE), Usage(output_tokens=_SAMPLE)
    each = [world.outside.prices.usd(agent, usage, on_device) for usage in used]
    known = [rate(round(usd * 1_000_000 / _SAMPLE, 4)) for usd in each if usd is not None]
    return "/".join(dict.fromkeys(known)) if len(known) == len(each) else ""


def tasks_of(within: str, desk: ServerDesk, project: Project) -> Tasks:
    """The project's LOPs one by one and the suites in a line each; or those of one suite or folder.

    Raises:
        FlatfieldError: there is no such suite or folder, or files in it have mistakes.
    """
    if within:
        found = load((within,), desk.cwd, access=desk.access_of(project))
        rows = [_task(task, desk.cwd) for task in found.tasks]
        return Tasks(tasks=rows[:MOST_TASKS], notes=[*found.notes, *_beyond(len(rows))])
    own = [offer for offer in offers(project.folder, desk.lops) if not offer.suite]
    return Tasks(
        tasks=[_read(offer, desk, project) for offer in own[:MOST_TASKS]],
        suites=[Suite(lop=f"{SUITE_PREFIX}{name}", tasks=len(suite_files(name))) for name in suites()],
        hops=[*hops(project.folder, desk.lops)],
        notes=_beyond(len(own)),
    )


def _beyond(count: int) -> list[str]:
    return [f"{count - MOST_TASKS} more are not shown: name a folder"] if count > MOST_TASKS else []


def _read(offer: Offer, desk: ServerDesk, project: Project) -> TaskRow:
    try:
        (task,) = load((str(offer.path),), desk.cwd, access=desk.access_of(project)).tasks
    except InvalidFiles as error:
        first = error.mistakes[0]
        return TaskRow(lop=offer.argument, problem=f"line {first.line}: {first.problem}")
    except (FlatfieldError, ValueError) as error:
        return TaskRow(lop=offer.argument, problem=one_line(str(error), _WORDS * 2))
    return _row_of(task, offer.argument)


def _task(task: Task, cwd: Path) -> TaskRow:
    path = Path(task.generated_from or task.path)
    return _row_of(task, path.relative_to(cwd).as_posix() if path.is_relative_to(cwd) else str(path))


def _row_of(task: Task, lop: str) -> TaskRow:
    return TaskRow(lop=lop, title=one_line(task.title, _WORDS), level=task.level, tags=list(task.tags))
