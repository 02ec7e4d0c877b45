"""Finds the Python that sandboxed commands use, and keeps a readable copy of pytest for it."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from flatfield.children.running import Start, blocking, run_process
from flatfield.errors import FlatfieldError, NotReady

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from flatfield.machine.protocols import Sandbox


# Puts a task's own Python packages where sandboxed commands can import them: a copy that everybody can read.


FOLDER = "packages"
LIMIT_BYTES = 512 * 1024**2
LIMIT_FILES = 20_000
"""No folder of more is copied for a trial: neither packages nor a workspace."""


def with_packages(sandbox: Sandbox | None, source: str | None, home: Path) -> Sandbox | None:
    """The sandbox that shows a copy, made in `home`, of a task's packages; the same one for a task without any.

    Raises:
        FlatfieldError: they cannot be copied, or are too large.
    """
    if sandbox is None or source is None:
        return sandbox
    target = home / FOLDER
    try:
        unpack(Path(source), target)
    except (OSError, zipfile.BadZipFile) as error:
        raise FlatfieldError(f"the packages of {source} cannot be made ready: {error}; correct that folder") from error
    return sandbox.with_packages(target)


def unpack(source: Path, target: Path) -> None:
    """Copy a folder of packages, wheels unpacked; links and what is neither file nor folder are left out.

    Raises:
        FlatfieldError: more than a workspace may hold.
        OSError, BadZipFile: something cannot be read or written.
    """
    target.mkdir()
    for parent, folders, names in os.walk(source):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        here = target / Path(parent).relative_to(source)
        here.mkdir(exist_ok=True)
        for name in sorted(names):
            path = Path(parent, name)
            if path.suffix == ".whl" and path.parent == source:
                with zipfile.ZipFile(path) as wheel:
                    _check_size(source, [each.file_size for each in wheel.infolist()])
                    wheel.extractall(target)
            elif path.is_file() and not path.is_symlink():
                shutil.copyfile(path, here / name)
    sizes = []
    for parent, _, names in os.walk(target):
        Path(parent).chmod(0o755)
        for name in names:
            Path(parent, name).chmod(0o644)
            sizes.append(Path(parent, name).stat().st_size)
    _check_size(source, sizes)


def _check_size(source: Path, sizes: list[int]) -> None:
    if sum(sizes) > LIMIT_BYTES or len(sizes) > LIMIT_FILES:
        raise FlatfieldError(
            f"the packages of {source} are more than {LIMIT_BYTES / 1024**2:,.0f} MB or {LIMIT_FILES:,} files; "
            "leave out what the task does not need"
        )


TOOLS = "/opt/tools"
"""Where the copy is seen inside the sandbox: bin/ (python, python3, pytest), packages/, etc/."""
LAYOUT = 2
"""Part of the copy's key: raised whenever what is written into the copy changes."""
OLDEST = (3, 11)
WARM_UP = "def test_passes():\n    assert True\n\n\ndef test_fails():\n    assert [1] == [2]\n"
EMPTY = "empty"
"""A file of etc/ with nothing in it: it lies over files that commands must not read."""
ACCOUNTS = {
    "passwd": "sandbox:x:1000:1000::/workspace:/bin/sh\n",
    "group": "sandbox:x:1000:\n",
    "hosts": "127.0.0.1 localhost sandbox\n",
    EMPTY: "",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class SandboxPython:
    """A Python with pytest for the sandbox: `tools` is bound at TOOLS, `prefix` (if not under /usr) at its own path."""

    interpreter: Path
    tools: Path
    prefix: Path | None = None


def first_closed(folder: Path, user: int | None) -> Path | None:
    """The first folder on the way to `folder`, itself included, that `user` may not pass; None when all are open.

    `user` None means ourselves, and then nothing is asked.
    """
    if user is None:
        return None
    for step in (*reversed(folder.parents), folder):
        info = step.stat()
        needed = stat.S_IXUSR if info.st_uid == user else stat.S_IXOTH
        if not info.st_mode & needed:
            return step
    return None


def sandbox_python(environ: Mapping[str, str], user: int | None) -> SandboxPython:
    """The Python that commands use; makes the copy of pytest on first use (about two seconds), later finds it.

    Raises:
        NotReady: there is no Python that the sandbox could show, or pytest cannot be copied.
    """
    interpreter, prefix = _interpreter(user)
    distributions = {name: metadata.distribution(name) for name in _closure("pytest")}
    versions = [f"{name}=={each.version}" for name, each in sorted(distributions.items())]
    key = hashlib.sha256("\n".join([str(LAYOUT), str(interpreter), *versions]).encode()).hexdigest()[:16]
    base = _base(environ, user)
    tools = base / key
    if not _is_whole(tools, distributions.values()):
        shutil.rmtree(tools, ignore_errors=True)
        _build(tools, interpreter, distributions)
    return SandboxPython(interpreter=interpreter, tools=tools, prefix=prefix)


def _interpreter(user: int | None) -> tuple[Path, Path | None]:
    """The interpreter, and the folder that must be bound to show it: None when it lies under /usr."""
    ours = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    candidates = [ours, Path("/usr/bin/python3"), Path("/usr/local/bin/python3")]
    for candidate in candidates:
        real = candidate.resolve()
        if real.is_relative_to("/usr") and real.is_file() and _recent(real):
            return real, None
    prefix = Path(sys.base_prefix).resolve()
    if ours.is_file() and first_closed(prefix, user) is None:
        return ours.resolve(), prefix
    wanted = ".".join(map(str, OLDEST))
    raise NotReady(
        f"the sandbox needs a Python >= {wanted} under /usr, and {prefix} cannot be read by the user that commands run "
        "as; install one (Debian: apt-get install python3)"
    )


def _recent(interpreter: Path) -> bool:
    """Whether an interpreter is recent enough for pytest; asked of itself, because its name need not say."""
    question = f"import sys; sys.exit(sys.version_info < {OLDEST!r})"
    asked = (str(interpreter), "-I", "-S", "-c", question)
    return blocking(run_process(asked, Start(environ={}), seconds=None)).exit_code == 0


def _closure(root: str) -> set[str]:
    """A distribution's name and those of all that it needs at run time.

    Raises:
        NotReady: one of them is not installed.
    """
    from packaging.requirements import Requirement

    found: set[str] = set()
    waiting = [root]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        try:
            requirements = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            raise NotReady(f"the sandbox needs the package {name!r}; pip install {name}") from None
        needed = (Requirement(text) for text in requirements)
        waiting += [each.name for each in needed if not each.marker or each.marker.evaluate({"extra": ""})]
    return found


def _base(environ: Mapping[str, str], user: int | None) -> Path:
    """A folder for copies that the sandbox's user can read and nobody else can write.

    Raises:
        NotReady: neither the user's cache nor the temporary directory has one.
    """
    cache = Path(environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME") or "/nonexistent") / ".cache")
    tried = [cache / "flatfield" / "sandbox", Path(tempfile.gettempdir()) / f"flatfield-sandbox-{os.geteuid()}"]
    for base in tried:
        try:
            base.mkdir(mode=0o755, parents=True, exist_ok=True)
            info = base.lstat()
            if stat.S_ISDIR(info.st_mode) and info.st_uid == os.geteuid() and not info.st_mode & 0o022:
                base.chmod(0o755)  # our umask may have closed it
                if first_closed(base.resolve(), user) is None:
                    return base.resolve()
        except OSError:
            continue
    raise NotReady(
        f"the sandbox can keep its copy of pytest neither in {tried[0]} nor in {tried[1]}: the folder must be ours, "
        "writable by us alone and passable for all; set XDG_CACHE_HOME to such a folder"
    )


def _files(distribution: metadata.Distribution) -> Iterator[tuple[Path, str]]:
    """Where each of a distribution's files lies, and where it belongs; without scripts and bytecode."""
    for file in distribution.files or []:
        if ".." not in file.parts and "__pycache__" not in file.parts:
            yield Path(str(distribution.locate_file(file))), str(file)


def _is_whole(tools: Path, distributions: Iterable[metadata.Distribution]) -> bool:
    """Whether a copy is there and nothing of it was cleared away, as happens in temporary directories."""
    wanted = [tools / "bin" / "pytest", *(tools / "etc" / name for name in ACCOUNTS)]
    wanted += [tools / "packages" / target for each in distributions for _, target in _files(each)]
    return all(path.is_file() for path in wanted)


def _build(tools: Path, interpreter: Path, distributions: Mapping[str, metadata.Distribution]) -> None:
    """Make the copy beside its place and rename it there: others see all of it or nothing."""
    draft = Path(tempfile.mkdtemp(dir=tools.parent, prefix="draft-"))
    try:
        for distribution in distributions.values():
            for source, target in _files(distribution):
                place = draft / "packages" / target
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, place)
        _commands(draft / "bin", interpreter)
        (draft / "etc").mkdir()
        for name, text in ACCOUNTS.items():
            (draft / "etc" / name).write_text(text, encoding="utf-8")
        _warm_up(draft, interpreter)
        _open_to_all(draft)
        try:
            draft.rename(tools)
        except OSError:
            if not tools.is_dir():  # else somebody else was faster, and theirs is the same
                raise
    except OSError as error:
        raise NotReady(f"the sandbox's copy of pytest cannot be made in {tools.parent}: {error.strerror}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _commands(folder: Path, interpreter: Path) -> None:
    """The names under which commands find Python and pytest."""
    folder.mkdir()
    for name in ("python", "python3"):
        (folder / name).symlink_to(interpreter)
    for name in ("pytest", "py.test"):
        script = folder / name
        script.write_text(f'#!/bin/sh\nexec {TOOLS}/bin/python3 -m pytest "$@"\n', encoding="utf-8")


def _warm_up(draft: Path, interpreter: Path) -> None:
    """Run pytest once, so that its bytecode is written: inside, the copy is read-only."""
    sample = draft / "test_warm_up.py"
    sample.write_text(WARM_UP, encoding="utf-8")
    # Without `-c`, pytest would obey a configuration file in any folder above.
    options = ("-p", "no:cacheprovider", "--junitxml=/dev/null", "-c", "/dev/null", f"--rootdir={draft}")
    argv = [str(interpreter), "-m", "pytest", *options, str(sample)]
    environ = {"PYTHONPATH": str(draft / "packages"), "PYTHONNOUSERSITE": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = blocking(run_process(argv, Start(cwd=draft, environ=environ), seconds=None))
    if done.exit_code != 1:  # one of the two tests fails on purpose
        text = (done.printed + done.complained).strip()
        raise NotReady(f"pytest does not run under {interpreter}, the sandbox's Python: {text[-500:]}")
    sample.unlink()
    shutil.rmtree(draft / "__pycache__", ignore_errors=True)


def _open_to_all(folder: Path) -> None:
    """Let everybody read, whatever our umask is; the scripts in bin/ can be run."""
    for parent, _, names in os.walk(folder):
        Path(parent).chmod(0o755)
        for name in names:
            path = Path(parent) / name
            if not path.is_symlink():
                path.chmod(0o755 if path.parent.name == "bin" else 0o644)
