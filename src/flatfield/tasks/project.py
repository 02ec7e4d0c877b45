"""Finds the project in force: flatfield.toml upward from a folder, and the roster of all agents it knows."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from flatfield.errors import InvalidFiles, NotFound
from flatfield.records import SHIPPED
from flatfield.tasks.access import is_broad, project_of
from flatfield.tasks.agents import Roster, is_control
from flatfield.tasks.cache import data_folder
from flatfield.tasks.cascades import with_steps
from flatfield.tasks.config import Config, read_config
from flatfield.tasks.roster import as_agent, known_models
from flatfield.tasks.sub_agents import read_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flatfield.records import AgentConfig, LaneLimits, Mistake, Preferences, Price

CONFIG_NAME = "flatfield.toml"
CONFIG_VARIABLE = "FLATFIELD_CONFIG"
DATA_NAME = ".flatfield"
_NO_CALL = "no call of prompt_nano_agent with a model, so no agent of its own"


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """Where flatfield.toml lies (else the current directory), and every agent that can be named there.

    `config` is None without a flatfield.toml. `data` is the folder of the store, reports and logs: `.flatfield` beside
    flatfield.toml, else in the current directory; where that is `/` or the home folder, a place of flatfield's own. The
    roster holds each name once, by precedence; `notes` say which agents are hidden by others, and which files were
    passed over. `prices`, `lanes` and `profiles` are the user's own; so is `allow`, the protected paths and globs,
    relative to `folder`, that agents may write and read.
    """

    folder: Path
    config: Path | None
    data: Path
    roster: Roster
    notes: tuple[str, ...]
    prices: Mapping[str, Price] = field(default_factory=dict)
    lanes: Mapping[str, LaneLimits] = field(default_factory=dict)
    allow: tuple[str, ...] = ()
    profiles: Mapping[str, Preferences] = field(default_factory=dict)


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
    all_agents = _Rosters(notes)
    cascades = [cascade.unresolved for cascade in written.cascades]
    all_agents.add([_of(folder, agent) for agent in (*written.agents, *cascades)], {})
    for name in ("agents", ".claude/agents"):
        for home in dict.fromkeys((folder, cwd.absolute())):
            read = read_folder(home / name, _shown(home / name, cwd))
            all_agents.add([_of(home, agent) for agent in read.agents], read.unread)
            if read.skipped:
                notes.append(f"{_shown(home / name, cwd)}: {', '.join(read.skipped)} skipped: {_NO_CALL}")
            notes += [
                f"{_shown(home / name, cwd)}: a folder cannot be read, nor agents in it: {at}" for at in read.untold
            ]
    all_agents.add(shipped(), {})
    chosen, wrong_steps = with_steps(all_agents.chosen, all_agents.unread, written.cascades)
    mistakes += wrong_steps
    if mistakes:  # of flatfield.toml, which is asked for
        raise InvalidFiles([*mistakes, *chain.from_iterable(all_agents.unread.values())])
    return Project(
        folder=folder,
        config=path,
        data=_data(folder, path, environ),
        roster=Roster(tuple(chosen.values()), all_agents.unread),
        notes=tuple(notes),
        prices=written.prices,
        lanes=written.lanes,
        allow=written.allow,
        profiles=written.profiles,
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


class _Rosters:
    """Takes in agents by precedence: of two with one name the first counts, also when its file has mistakes."""

    def __init__(self, notes: list[str]) -> None:
        self.chosen: dict[str, AgentConfig] = {}
        self.unread: dict[str, tuple[Mistake, ...]] = {}
        self._notes = notes

    def add(self, agents: Sequence[AgentConfig], unread: Mapping[str, tuple[Mistake, ...]]) -> None:
        """Take in what one place has."""
        for name, mistakes in unread.items():
            if name not in self.chosen and name not in self.unread:
                self.unread[name] = mistakes
            self._notes.append(passed_over(mistakes))
        for agent in agents:
            if agent.name in self.unread:
                continue
            first = self.chosen.setdefault(agent.name, agent)
            # That an agent of one's own has the name of a model is no surprise; that it has the name of a control is.
            if first is not agent and (not agent.is_shipped or is_control(agent)):
                self._notes.append(f"agent {agent.name} of {agent.source} is hidden by the one of {first.source}")


def passed_over(mistakes: Sequence[Mistake]) -> str:
    """What is said of an agent's file with these mistakes where nobody asks for its agent."""
    told = "; ".join(f"line {mistake.line}: {mistake.problem}, {mistake.fix}" for mistake in mistakes)
    return f"{mistakes[0].path} passed over: {told}"


def _of(folder: Path, agent: AgentConfig) -> AgentConfig:
    """The agent with the project that wrote it."""
    return msgspec.structs.replace(agent, folder=str(project_of(folder.resolve())))


def _shown(path: Path, cwd: Path) -> str:
    """A path as short as it can be said from `cwd`."""
    absolute, here = path.absolute(), cwd.absolute()
    return absolute.relative_to(here).as_posix() if absolute.is_relative_to(here) else str(absolute)
