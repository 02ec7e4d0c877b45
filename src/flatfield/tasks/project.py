"""Finds the project in force: flatfield.toml upward from a folder, and the roster of all agents it knows."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from flatfield.errors import InvalidFiles, NotFound
from flatfield.records import Mistake
from flatfield.tasks.access import is_broad, project_of
from flatfield.tasks.agents import is_control, read_agent_file
from flatfield.tasks.cache import data_folder
from flatfield.tasks.config import Config, read_config
from flatfield.tasks.roster import SHIPPED, as_agent, known_models

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flatfield.records import AgentConfig, LaneLimits, Price

CONFIG_NAME = "flatfield.toml"
CONFIG_VARIABLE = "FLATFIELD_CONFIG"
DATA_NAME = ".flatfield"


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """Where flatfield.toml lies (else the current directory), and every agent that can be named there.

    `config` is None without a flatfield.toml. `data` is the folder of the store, reports and logs: `.flatfield` beside
    flatfield.toml, else in the current directory; where that is `/` or the home folder, a place of flatfield's own. The
    roster holds each name once, by precedence; `notes` say which agents are hidden by others, and which files were
    passed over. `prices` and `lanes` are the user's own; so is `allow`, the protected paths and globs, relative to
    `folder`, that agents may write and read.
    """

    folder: Path
    config: Path | None
    data: Path
    roster: tuple[AgentConfig, ...]
    notes: tuple[str, ...]
    prices: Mapping[str, Price] = field(default_factory=dict)
    lanes: Mapping[str, LaneLimits] = field(default_factory=dict)
    allow: tuple[str, ...] = ()


def find_project(cwd: Path, config: Path | None, environ: Mapping[str, str]) -> Project:
    """The project by an explicit flatfield.toml, by FLATFIELD_CONFIG, or upward from `cwd`; else `cwd` alone.

    Agents come from flatfield.toml, `agents/`, `.claude/agents/` (beside flatfield.toml, then in `cwd`) and flatfield
    itself; of two with the same name the first is taken.

    Raises:
        NotFound: the flatfield.toml that was named is not there.
        InvalidFiles: the mistakes of all these files at once.
    """
    path = _config_path(cwd, config, environ)
    folder = path.parent if path else cwd.absolute()
    notes: list[str] = []
    mistakes: list[Mistake] = []
    written = Config()
    if path:
        try:
            written = read_config(path, _shown(path, cwd))
        except InvalidFiles as error:
            mistakes += error.mistakes
    agents = [_of(folder, agent) for agent in written.agents]
    homes = dict.fromkeys((folder, cwd.absolute()))
    for name in ("agents", ".claude/agents"):
        for home in homes:
            agents += [_of(home, agent) for agent in _folder(home / name, cwd, mistakes, notes)]
    if mistakes:
        raise InvalidFiles(mistakes)
    roster = _first_of_each([*agents, *shipped()], notes)
    return Project(
        folder=folder,
        config=path,
        data=_data(folder, path, environ),
        roster=roster,
        notes=tuple(notes),
        prices=written.prices,
        lanes=written.lanes,
        allow=written.allow,
    )


def _data(folder: Path, config: Path | None, environ: Mapping[str, str]) -> Path:
    own = folder / DATA_NAME
    if config is not None or own.exists() or not is_broad(folder.resolve()):
        return own
    return data_folder(environ) / "home"


def shipped() -> tuple[AgentConfig, ...]:
    """The agents that flatfield brings along: controls and on-device ones, then one for each known model."""
    path = Path(__file__).parent / "shipped.toml"
    own = (msgspec.structs.replace(agent, source=SHIPPED) for agent in read_config(path, path.name).agents)
    return (*own, *map(as_agent, known_models()))


def _config_path(cwd: Path, config: Path | None, environ: Mapping[str, str]) -> Path | None:
    named, origin = (
        (str(config), "--config") if config is not None else (environ.get(CONFIG_VARIABLE, ""), CONFIG_VARIABLE)
    )
    if named:
        path = Path(os.path.normpath(cwd.absolute() / Path(named).expanduser()))
        if not path.is_file():
            raise NotFound(f"{origin} names {named}, which is not a file; name a {CONFIG_NAME} or leave it out")
        return path
    start = cwd.absolute()
    return next((place / CONFIG_NAME for place in (start, *start.parents) if (place / CONFIG_NAME).is_file()), None)


def _folder(place: Path, cwd: Path, mistakes: list[Mistake], notes: list[str]) -> list[AgentConfig]:
    """The agents of one folder of sub-agent files, in the order of the files' names."""
    found: list[AgentConfig] = []
    skipped: list[str] = []
    for path in sorted(place.glob("*.md")) if place.is_dir() else ():
        try:
            agent = read_agent_file(path)
        except InvalidFiles as error:
            mistakes += [msgspec.structs.replace(mistake, path=_shown(path, cwd)) for mistake in error.mistakes]
            continue
        if agent is None:
            skipped.append(path.name)
            continue
        twin = next((other.source for other in found if other.name == agent.name), None)
        if twin:
            problem = f"the name {agent.name!r} is also that of {twin}"
            mistakes.append(
                Mistake(path=_shown(path, cwd), line=1, problem=problem, fix="give one of them another name")
            )
        found.append(msgspec.structs.replace(agent, source=_shown(path, cwd)))
    if skipped:
        names = ", ".join(skipped)
        notes.append(
            f"{_shown(place, cwd)}: {names} skipped: no call of prompt_nano_agent with a model, so no agent of its own"
        )
    return found


def _first_of_each(agents: list[AgentConfig], notes: list[str]) -> tuple[AgentConfig, ...]:
    chosen: dict[str, AgentConfig] = {}
    for agent in agents:
        # That an agent of one's own has the name of a model is no surprise; that it has the name of a control is.
        if agent.name in chosen and (agent.source != SHIPPED or is_control(agent)):
            notes.append(f"agent {agent.name} of {agent.source} is hidden by the one of {chosen[agent.name].source}")
        chosen.setdefault(agent.name, agent)
    return tuple(chosen.values())


def _of(folder: Path, agent: AgentConfig) -> AgentConfig:
    """The agent with the project that wrote it."""
    return msgspec.structs.replace(agent, folder=str(project_of(folder.resolve())))


def _shown(path: Path, cwd: Path) -> str:
    """A path as short as it can be said from `cwd`."""
    absolute, here = path.absolute(), cwd.absolute()
    return absolute.relative_to(here).as_posix() if absolute.is_relative_to(here) else str(absolute)
