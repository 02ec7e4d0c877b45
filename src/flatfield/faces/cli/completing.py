"""What a shell offers when the tab key is pressed: agents, runs, trials, tasks; and how it comes to ask for it."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from flatfield.errors import FlatfieldError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from flatfield.runs.store.store import Store
    from flatfield.tasks.project import Project

VARIABLE = "_FLATFIELD_COMPLETE"
"""Set by the shell's function when it asks."""
SHELLS = ("bash", "zsh", "fish", "powershell", "pwsh")
THIS = "this"
"""The user's own shell."""
MOST = 200
BASH = "bash"
BASH_SCRIPT = r"""_flatfield_completion() {
    local IFS=$'\n' line=${COMP_LINE:0:COMP_POINT} word
    COMPREPLY=($(env _TYPER_COMPLETE_ARGS="$line" _TYPER_COMPLETE_FISH_ACTION=get-args \
        _FLATFIELD_COMPLETE=complete_fish "$1"))
    COMPREPLY=("${COMPREPLY[@]%%$'\t'*}")
    word=${line##*[[:space:]]}
    # bash takes words apart at these: what stands before the last of them is on the line already
    COMPREPLY=("${COMPREPLY[@]#"${word%"${word##*[:@=]}"}"}")
    # a folder, or the run of a trial, goes on
    [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == */ ]] && compopt -o nospace 2>/dev/null
    return 0
}

complete -o default -F _flatfield_completion flatfield
"""
"""Of our own: typer's reads the words that bash takes apart, and loses `suite:` and what follows."""


def agents(context: typer.Context, incomplete: str) -> list[str]:
    """Agents that can be named; of a list with commas, for its last one."""
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in _beginning(last, _agents(context))]


def sides(context: typer.Context, incomplete: str) -> list[str]:
    """What `compare` compares: agents of the newest run, and its own words."""
    from flatfield.scoring.comparing import Group

    store = _store(context)
    found: list[str] = [*Group, "last"]
    if store is not None:
        with suppress(FlatfieldError):
            found += [agent.name for agent in store.load_run().agents]
    return _beginning(incomplete, found)


def runs(context: typer.Context, incomplete: str) -> list[str]:
    """The stored runs, the newest first."""
    return _beginning(incomplete, _runs(context))


def trials(context: typer.Context, incomplete: str) -> list[str]:
    """Runs, and behind one its trials."""
    run, slash, _ = incomplete.partition("/")
    store = _store(context)
    if not slash or store is None:
        return _beginning(incomplete, ("last", *(f"{run}/" for run in _runs(context))))
    with suppress(FlatfieldError):
        ids = store.trial_ids(store.load_run(run).id, MOST)
        return _beginning(incomplete, (f"{run}/{trial.partition('/')[2]}" for trial in ids))
    return []


def tasks(incomplete: str) -> list[str]:
    """Built-in suites, folders and Markdown files."""
    from flatfield.tasks.loading import SUITE_PREFIX, suites

    folder, slash, _ = incomplete.rpartition("/")
    found = [f"{SUITE_PREFIX}{name}" for name in suites()]
    with suppress(OSError):
        for path in sorted(Path(f"{folder}{slash}" or ".").expanduser().iterdir()):
            if path.is_dir() and not path.name.startswith("."):
                found.append(f"{folder}{slash}{path.name}/")
            elif path.suffix == ".md":
                found.append(f"{folder}{slash}{path.name}")
    return _beginning(incomplete, found)


def factors(context: typer.Context, incomplete: str) -> list[str]:
    """Settings that can be varied; behind one of them its values, where they can be listed."""
    from flatfield.runs.varying import factor_names, factor_values

    name, equals, values = incomplete.partition("=")
    if not equals:
        return _beginning(incomplete, (f"{known}=" for known in factor_names()))
    before, comma, last = values.rpartition(",")
    if name == "base_url" or name not in factor_names():
        return []
    project = _project(context)
    found = factor_values(name, project.roster if project is not None else ())
    return [f"{name}={before}{comma}{value}" for value in _beginning(last, found)]


def install(context: typer.Context, parameter: typer.CallbackParam, shell: str | None) -> None:
    """Have the shell ask flatfield, from its next start on, and leave.

    Raises:
        FlatfieldError: it is none that is known, or its files cannot be written.
    """
    if shell is None:
        return
    from typer.completion import install_callback

    name = _known(shell)
    try:
        if name == BASH:
            _install_bash(Path.home())
            raise typer.Exit
        install_callback(context, parameter, name)
    except OSError as error:
        raise FlatfieldError(f"{error.filename} cannot be written: {error.strerror}; see --show-completion") from None


def show(context: typer.Context, parameter: typer.CallbackParam, shell: str | None) -> None:
    """Print what a shell has to run, and leave.

    Raises:
        FlatfieldError: it is none that is known.
    """
    if shell is None:
        return
    from typer.completion import show_callback

    name = _known(shell)
    if name == BASH:
        typer.echo(BASH_SCRIPT, nl=False)
        raise typer.Exit
    show_callback(context, parameter, name)


def _install_bash(home: Path) -> None:
    """Write the script, and have bash read it when it starts; a second time changes nothing."""
    script, settings = home / ".bash_completions" / "flatfield.sh", home / ".bashrc"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(BASH_SCRIPT, encoding="utf-8")
    line = f"source '{script}'"
    there = settings.read_text(encoding="utf-8") if settings.is_file() else ""
    if line not in there.splitlines():
        gap = "" if not there or there.endswith("\n") else "\n"
        settings.write_text(f"{there}{gap}{line}\n", encoding="utf-8")
    typer.echo(f"{BASH} completion installed in {script}; it takes effect in the next terminal")


def answer(app: typer.Typer) -> None:
    """Answer a shell that asks what can stand here in a command of `app`; it leaves the process."""
    from typer.completion import get_completion_inspect_parameters

    get_completion_inspect_parameters()  # which makes the shells known
    sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - a prompt is no place for remarks
    typer.main.get_command(app).main(args=[], prog_name="flatfield", complete_var=VARIABLE)


def _known(shell: str) -> str:
    name = Path(os.environ.get("SHELL", "")).name if shell == THIS else shell
    if name not in SHELLS:
        what = f"for {name}" if name else "for a shell that nobody names"
        raise FlatfieldError(f"there is no completion {what}: name one of {', '.join(SHELLS)}")
    return name


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def _agents(context: typer.Context) -> Iterator[str]:
    project = _project(context)
    yield from (agent.name for agent in project.roster) if project is not None else ()


def _runs(context: typer.Context) -> tuple[str, ...]:
    store = _store(context)
    with suppress(FlatfieldError):
        return store.run_ids() if store is not None else ()
    return ()


def _project(context: typer.Context) -> Project | None:
    from flatfield.tasks.project import find_project

    config = context.find_root().params.get("config")
    with suppress(FlatfieldError, OSError):
        return find_project(Path.cwd(), Path(config) if config else None, os.environ)
    return None


def _store(context: typer.Context) -> Store | None:
    from flatfield.faces.storing import store_of

    project = _project(context)
    with suppress(FlatfieldError):
        return None if project is None else store_of(project)
    return None
