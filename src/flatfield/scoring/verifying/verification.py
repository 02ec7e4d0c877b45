"""Runs a task's verifiers on a finished trial: every one gives a Check, whatever happens to it."""

from __future__ import annotations

import asyncio
import glob
import math
import posixpath
import stat
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from flatfield import plugins
from flatfield.errors import FlatfieldError
from flatfield.records import Check, Trouble
from flatfield.scoring.verifying.calling import FunctionVerifier
from flatfield.tasks.verify import label, read_options

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from types import ModuleType

    from flatfield.agent.files.confined import ConfinedFiles
    from flatfield.records import Task, VerifierSpec
    from flatfield.scoring.protocols import Verifier, VerifyContext
    from flatfield.tasks.access import Access, Want


# Puts a task's hidden files into a workspace whose agent has ended, whatever it left at their places.


CACHE = "__pycache__"
COMPILED = frozenset({".so", ".pyd"})


def read_hidden(folder: Path, into: str) -> dict[str, Path]:
    """The files of a task's hidden folder: where each belongs in the workspace, and where it lies.

    Raises:
        OSError: the folder cannot be read.
    """
    return {
        posixpath.normpath(posixpath.join(into, path.relative_to(folder).as_posix())): path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and CACHE not in path.parts
    }


def place(hidden: Mapping[str, Path], files: ConfinedFiles, changed: Collection[str] = ()) -> None:
    """Write the hidden files, each with its own content and mode.

    Links, FIFOs, files and folders that stand where a hidden file or one of its folders belongs are deleted, not
    followed. So is what Python would run in the place of the hidden sources: bytecode in those folders, and usurpers.
    Nothing of the agent may run any more. `changed`: what the agent added or changed.

    Raises:
        OSError: a file cannot be read or written.
    """
    folders = sorted({str(parent) for path in hidden for parent in Path(path).parents} - {"."})
    for folder in folders:  # sorted: a parent comes before what is in it
        _clear(folder, files, keep_folder=True)
    for folder in (".", *folders):
        _clear(posixpath.normpath(posixpath.join(folder, CACHE)), files, keep_folder=False)
    for path in usurpers(hidden, files, changed):
        _clear(path, files, keep_folder=False)
    for path, source in hidden.items():
        _clear(path, files, keep_folder=False)
        files.write_bytes(path, source.read_bytes())
        # No link is left in this path, so it is the file just written.
        (files.root / path).chmod(stat.S_IMODE(source.stat().st_mode) | stat.S_IRUSR | stat.S_IWUSR)


def usurpers(hidden: Mapping[str, Path], files: ConfinedFiles, changed: Collection[str]) -> set[str]:
    """What would be imported in the place of hidden Python files, or along with them; `changed`: by the agent.

    A folder or a compiled module wins over a source of its name, `__init__.py` is run before what is beside it, and a
    conftest.py of the agent's would be obeyed beside the author's.
    """
    modules = [path for path in hidden if path.endswith(".py")]
    folders = {str(parent) for path in modules for parent in Path(path).parents}
    found = {posixpath.normpath(f"{folder}/__init__.py") for folder in folders} & set(changed)
    if any(posixpath.basename(path) == "conftest.py" for path in hidden):
        found |= {posixpath.join(posixpath.dirname(path), "conftest.py") for path in hidden}
    for path in modules:
        stem = path.removesuffix(".py")
        beside = files.root / posixpath.dirname(path)
        found |= {
            posixpath.join(posixpath.dirname(path), entry.name)
            for entry in beside.glob(f"{glob.escape(posixpath.basename(stem))}.*")
            if entry.suffix in COMPILED
        }
        if not any(other.startswith(f"{stem}/") for other in hidden):
            found.add(stem)
    return found - set(hidden)


def _clear(path: str, files: ConfinedFiles, *, keep_folder: bool) -> None:
    """Delete what is at `path`, unless it is a folder and folders are kept; the folders above it are real ones."""
    place = files.root / path
    try:
        mode = place.lstat().st_mode
    except FileNotFoundError:
        return
    if stat.S_ISDIR(mode) and keep_folder:
        place.chmod(stat.S_IMODE(mode) | stat.S_IRWXU)  # an agent can close its own folders
    else:
        files.remove(path)


# ---------------------------------------------------------------------------- the checks of a trial


TIMEOUT_SECONDS = 3_700.0  # beyond any limit that a verifier sets itself


async def verify(
    task: Task,
    context: VerifyContext,
    *,
    timeout_seconds: float = TIMEOUT_SECONDS,
    before: Sequence[Check] = (),
) -> tuple[Check, ...]:
    """One Check for each of the task's verifiers, in the task's order; `timeout_seconds` bounds each of them.

    `before`: the checks of the same work, where those that took too long are to be made again, and no others.

    Those that run commands come last, so that nothing a command does to the workspace is seen by the others. A verifier
    that crashes, takes too long or returns a score outside 0..1 is "not measured", with the reason and its output; so
    is one that needs the sandbox where there is none.
    """
    last = [plugins.verifier_traits(spec.kind).needs_sandbox for spec in task.verifiers]
    order = sorted(range(len(task.verifiers)), key=last.__getitem__)
    found: dict[int, Check] = {}
    for index in order:
        if before and before[index].trouble != "time":
            found[index] = before[index]
            continue
        found[index] = await _one(task.verifiers[index], context, timeout_seconds)
    return tuple(found[index] for index in range(len(task.verifiers)))


async def _one(spec: VerifierSpec, context: VerifyContext, timeout_seconds: float) -> Check:
    clock = asyncio.get_running_loop().time
    begun = clock()
    check = _sound(await _measured(spec, context, timeout_seconds))
    beside = {"weight": spec.weight, "full_at": spec.full_at, "skill": spec.skill, "took_seconds": clock() - begun}
    return msgspec.structs.replace(check, verifier=spec.kind, label=check.label or label(spec), **beside)


async def _measured(spec: VerifierSpec, context: VerifyContext, timeout_seconds: float) -> Check:
    if context.sandbox is None and plugins.verifier_traits(spec.kind).needs_sandbox:
        return _not_measured(spec, f"the {spec.kind} was not run: {context.sandbox_reason or 'there is no sandbox'}")
    deadline = asyncio.timeout(timeout_seconds)
    try:
        async with deadline:
            context.access.allow(_wants(spec, context.task, context.access))
            return await build(spec).verify(context)
    except FlatfieldError as error:
        return _not_measured(spec, str(error))
    except Exception as error:  # noqa: BLE001 - a verifier may be anybody's code: its crash is a finding, not ours
        if deadline.expired():
            return _not_measured(spec, f"took more than {timeout_seconds:g} seconds", trouble="time")
        last = traceback.format_exception_only(error)[-1].strip()
        return _not_measured(spec, f"the verifier crashed: {last}", traceback.format_exc(), trouble="code")


def wants(task: Task, access: Access) -> tuple[Want, ...]:
    """What the task's verifiers want: to run files of its author's as the user."""
    return tuple(want for spec in task.verifiers for want in _wants(spec, task, access))


def _wants(spec: VerifierSpec, task: Task, access: Access) -> tuple[Want, ...]:
    """What one verifier wants; its module names the file that it runs with `code_file(options, folder)`, if any."""
    module = plugins.load("verifier", spec.kind)
    code_file: Callable[[Any, Path], Path] | None = getattr(module, "code_file", None)
    written = task.generated_from or task.path
    if code_file is None or not written:
        return ()
    file = code_file(_options(module, spec.options), Path(written).resolve().parent)
    return access.of_file(file, f"checks the task {task.id}")


def wanted_paths(task: Task) -> Iterator[str]:
    """The paths where the task's verifiers look for something; a module tells with `wanted_path(options)`, if any."""
    for spec in task.verifiers:
        module = plugins.load("verifier", spec.kind)
        wanted_path: Callable[[Any], str | None] | None = getattr(module, "wanted_path", None)
        path = wanted_path(_options(module, spec.options)) if wanted_path else None
        if path:
            yield path


def build(spec: VerifierSpec) -> Verifier:
    """The verifier that a spec names, bound to its options.

    Raises:
        NotFound: there is no such verifier.
        ValueError: its options are not what it takes.
    """
    module = plugins.load("verifier", spec.kind)
    options = _options(module, spec.options)
    rule = getattr(module, "verify", None)
    verifier: Verifier = FunctionVerifier(rule, options) if rule else module.create(options)
    return verifier


def _options(module: ModuleType, options: dict[str, Any]) -> Any:  # noqa: ANN401 - each verifier has its own Options
    """A map stands for itself; `{"value": x}` stands for x, where the verifier reads its options itself."""
    is_value = set(options) == {"value"} and hasattr(module, "parse")
    return read_options(module, options["value"] if is_value else options)


def _sound(check: Check) -> Check:
    """A score that is no number in 0..1 is "not measured"."""
    if check.score is None or (math.isfinite(check.score) and 0 <= check.score <= 1):
        return check
    reason = f"the verifier returned the score {check.score}, which is not in 0..1 ({check.reason})"
    return msgspec.structs.replace(check, score=None, reason=reason, trouble="code")


def _not_measured(spec: VerifierSpec, reason: str, output: str = "", trouble: Trouble = "") -> Check:
    return Check(verifier=spec.kind, label="", score=None, reason=reason, output=output, trouble=trouble)
