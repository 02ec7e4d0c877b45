"""Makes the plain task that a LOP with `generate:` stands for, from a seed, and keeps it in the cache.

The function is trusted code of the task's author, as a `python` verifier is. It runs in a process of its own with a
clean environment and a time limit.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from flatfield.children.running import Start, blocking, run_process
from flatfield.errors import FlatfieldError, InvalidFiles
from flatfield.records import Mistake
from flatfield.tasks import digest, frontmatter
from flatfield.tasks.source import Findings, Lines, Node, decode, plain, right_key, slug

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flatfield.tasks.access import Access


# Fills the `{{name}}` of a LOP that is generated with its values, and writes it down as a plain LOP.


KEY = "generate"
"""The key of the front matter that names the function which makes the task."""

_PLACEHOLDER = re.compile(r"\{\{([A-Za-z_][A-Za-z0-9_]*)\}\}")


def check(text: str, values: Mapping[str, Any], line: int, found: Findings) -> None:
    """Note each placeholder of a LOP that has no value, and each value that it has no placeholder for.

    `line` is where the function is named.
    """
    lines = Lines.of(text)
    used = set()
    for match in _PLACEHOLDER.finditer(text):
        used.add(match[1])
        if match[1] not in values:
            fix = right_key(match[1], values) if values else "let the function return it"
            found.add(lines.number(match.start()), f"`{match[0]}` has no value", fix)
    for name in values:
        if name not in used:
            found.add(
                line, f"the value `{name}` is never used", f"write `{{{{{name}}}}}` somewhere, or do not return it"
            )


def filled(text: str, matter: Node, values: Mapping[str, Any], *, head: str, extra: Mapping[str, Any]) -> str:
    """The LOP with its values and without the key `generate`; `head` is a comment, `extra` more front matter.

    In the front matter a text that is one placeholder becomes its value, whatever that is (a number, a list, a map); a
    placeholder inside a longer text, and in the body, becomes the value's text.
    """
    entries = {key: _value(plain(entry), values) for key, entry in (matter.map or {}).items() if key != KEY}
    body = text[frontmatter.split(text).body_start :]
    return f"---\n# {head}\n{_yaml({**extra, **entries})}---\n{_text(body, values)}"


def _value(value: object, values: Mapping[str, Any]) -> object:
    if isinstance(value, dict):
        return {_text(key, values): _value(entry, values) for key, entry in value.items()}
    if isinstance(value, list):
        return [_value(item, values) for item in value]
    if not isinstance(value, str):
        return value
    whole = _PLACEHOLDER.fullmatch(value)
    return values[whole[1]] if whole else _text(value, values)


def _text(text: str, values: Mapping[str, Any]) -> str:
    return _PLACEHOLDER.sub(lambda match: str(values[match[1]]), text)


def _yaml(value: object) -> str:
    """YAML that our reader takes for the same value: texts in quotes or as blocks, unless they are plain words."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's signature
            return True

    def text(dumper: yaml.SafeDumper, data: str) -> yaml.ScalarNode:
        word = re.fullmatch(r"[A-Za-z][A-Za-z0-9_./-]*", data) and isinstance(frontmatter.scalar(data), str)
        # An empty last line would be read as another number of line ends.
        style = "|" if "\n" in data.rstrip("\n") and not data.endswith("\n\n") else None if word else '"'
        return dumper.represent_scalar("tag:yaml.org,2002:str", data, style=style)

    Dumper.add_representer(str, text)
    return yaml.dump(value, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=10**6)


TIMEOUT_SECONDS = 60.0
LIMIT_BYTES = 64 * 1024**2
TASK_FILE = "task.md"
"""The LOP of a task that has a folder of its own."""
_CHILD = Path(__file__).with_name("generating_child.py")
_SHAPE = "write `generate: make.py::build`, a Python file beside the LOP and a function in it"
_CACHES = ("__pycache__", ".pytest_cache")
# What a function draws from a set or a clock must not differ from one process or machine to the next.
_ENVIRONMENT = {"PATH": os.defpath, "LANG": "C.UTF-8", "TZ": "UTC", "PYTHONHASHSEED": "0"}


class _Maker(Struct, frozen=True, kw_only=True):
    """A generating LOP and its text, the file and function that make its variants, and the line that names them."""

    lop: Path
    text: str
    matter: Node
    file: Path
    function: str
    line: int


def generates(text: str) -> bool:
    """Whether a LOP is one that is made by a function."""
    return frontmatter.has_key(frontmatter.split(text).matter, KEY)


def maker_file(path: Path, text: str) -> Path:
    """The file of the function that makes a generating LOP's tasks.

    Raises:
        InvalidFiles: the LOP does not name one.
    """
    return _maker(path.resolve(), str(path), text).file


def variant(path: Path, text: str, seed: int, cache: Path, access: Access) -> Path:
    """The plain LOP, in a folder of its own below `cache`, that a generating one is with this seed.

    The folder holds what lies beside the LOP, with what the function wrote. It is made when it is not there, or is not
    as it was made. The same seed and files make the same folder, byte for byte.

    Raises:
        InvalidFiles: the LOP or its function has a mistake; with file and line.
        NotTrusted: it is not made yet, and its function may not be run.
        FlatfieldError: the cache cannot be written.
    """
    maker = _maker(path.resolve(), str(path), text)
    static, shared = _beside(maker), _shared(maker)
    key = digest.of_task(f"{seed} {text}".encode(), maker.lop.parent, [*static, *shared])[:16]
    home = cache / "tasks" / _name(maker)
    target = home / f"{seed}-{key}"
    if _whole(target):
        return target / path.name
    access.allow(access.of_file(maker.file, f"makes the task {path.name}"))
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home, prefix=".making-") as scratch:
            made = Path(scratch) / "task"
            _copy([entry for entry in static if entry != maker.file] + shared, made)
            head = f"made from {path.name} with seed {seed} ({key}); edit that one, not this"
            _write(maker, _call(maker, seed, made), head, made)
            _publish(made, target)
    except OSError as error:
        raise FlatfieldError(
            f"the task of {path} cannot be made in {home} ({error.strerror or error}); make room or set FLATFIELD_CACHE"
        ) from None
    return target / path.name


def _maker(path: Path, shown: str, text: str) -> _Maker:
    found = Findings(shown)
    matter = frontmatter.read(text, found)
    found.settle()
    node = (matter.map or {}).get(KEY)
    line = matter.keys.get(KEY, 1)
    name, _, function = str(node.value if node else "").partition("::")
    if Path(name).name != name or not name.endswith(".py") or not function.isidentifier():
        found.add(line, f"`{KEY}` is not FILE.py::FUNCTION", _SHAPE)
    elif not (path.parent / name).is_file():
        found.add(line, f"there is no file {name} beside {path.name}", _SHAPE)
    found.settle()
    return _Maker(lop=path, text=text, matter=matter, file=path.parent / name, function=function, line=line)


def _name(maker: _Maker) -> str:
    """What the task's folder in the cache is called: its id, else as `default_id` says."""
    node = (maker.matter.map or {}).get("id")
    return slug(node.raw) if node and node.raw else default_id(maker.lop)


def default_id(path: Path) -> str:
    """The id of a LOP that states none: its file's name, or its folder's, when the file is a folder's `task.md`."""
    return slug(path.absolute().parent.name if path.name == TASK_FILE else path.stem)


def _beside(maker: _Maker) -> list[Path]:
    """What lies beside the LOP and belongs to the task; what begins with a point is left by tools (`.flatfield`)."""
    folder = maker.lop.parent
    entries = [path for path in sorted(folder.iterdir()) if path.name[0] != "." and path.name not in _CACHES]
    beside = [path for path in entries if path != maker.lop]
    size = 0
    for path in beside:
        size += sum(file.stat().st_size for file in ([path] if path.is_file() else digest.files_below(path)))
        if size > LIMIT_BYTES:
            problem = f"what lies beside {maker.lop.name} is more than {LIMIT_BYTES // 1024**2} MB"
            fix = "give the task a folder of its own"
            raise InvalidFiles([Mistake(path=str(maker.lop), line=maker.line, problem=problem, fix=fix)])
    return beside


def _shared(maker: _Maker) -> list[Path]:
    """The modules of the folder above that those beside the LOP import: tasks of one suite share them."""
    folder = maker.lop.parent
    found: dict[Path, None] = {}
    left = sorted(folder.glob("*.py"))
    while left:
        path = left.pop(0)
        for name in _imported(path):
            other = folder.parent / f"{name}.py"
            if not (folder / f"{name}.py").exists() and other.is_file() and other not in found:
                found[other] = None
                left.append(other)
    return list(found)


def _imported(path: Path) -> list[str]:
    try:
        tree = ast.parse(decode(path.read_bytes(), str(path)), filename=str(path))
    except SyntaxError as error:
        problem = f"this is not Python: {error.msg}"
        raise InvalidFiles(
            [Mistake(path=str(path), line=error.lineno or 1, problem=problem, fix="correct it")]
        ) from None
    nodes = list(ast.walk(tree))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    return names + [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module]


def _copy(paths: Sequence[Path], folder: Path) -> None:
    folder.mkdir()
    for path in paths:
        if path.is_dir():
            shutil.copytree(path, folder / path.name, symlinks=True, ignore=shutil.ignore_patterns(*_CACHES))
        else:
            shutil.copyfile(path, folder / path.name)


def _call(maker: _Maker, seed: int, folder: Path) -> dict[str, Any]:
    """What the function returns; it has then written its files into `folder`.

    Raises:
        InvalidFiles: it failed, returned something else or took too long; with the line it failed in.
        OSError: the process could not be started.
    """
    paths = [str(maker.lop.parent), str(maker.lop.parent.parent)]
    job = {"file": str(maker.file), "function": maker.function, "seed": seed, "folder": str(folder), "paths": paths}
    command = [sys.executable, "-P", "-B", str(_CHILD)]
    start = Start(environ=_ENVIRONMENT, cwd=folder, given=json.dumps(job).encode())
    ran = blocking(run_process(command, start, seconds=TIMEOUT_SECONDS))
    try:
        outcome = json.loads(ran.printed)
    except ValueError:
        late = f"took more than {TIMEOUT_SECONDS:g} seconds"
        ending = late if ran.exit_code is None else f"ended its process: {_last(ran.complained)}"
        outcome = {"problem": f"{maker.function} {ending}", "line": 1}
    if "problem" in outcome:
        fix = f"correct it: it makes the task with seed {seed}"
        mistake = Mistake(path=str(maker.file), line=outcome["line"], problem=outcome["problem"], fix=fix)
        raise InvalidFiles([mistake])
    values: dict[str, Any] = outcome["values"]
    return values


def _last(output: str) -> str:
    lines = output.strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def _write(maker: _Maker, values: dict[str, Any], head: str, folder: Path) -> None:
    found = Findings(str(maker.lop))
    check(maker.text, values, maker.line, found)
    found.settle()
    extra = {} if "id" in (maker.matter.map or {}) else {"id": default_id(maker.lop)}
    lop = filled(maker.text, maker.matter, values, head=head, extra=extra)
    (folder / maker.lop.name).write_bytes(lop.encode())


def _whole(folder: Path) -> bool:
    """Whether a folder is there, as it was made."""
    try:
        return _stamp(folder).read_text() == _digest(folder)
    except OSError:
        return False


def _stamp(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.sha256")


def _digest(folder: Path) -> str:
    return digest.of_task(b"", folder, [folder])


def _publish(made: Path, target: Path) -> None:
    """Put a finished folder into its place; another process may be doing the same, with the same bytes."""
    whole = _digest(made)
    if target.exists() and not _whole(target):
        shutil.rmtree(target, ignore_errors=True)
    try:
        made.rename(target)
    except OSError:
        if not target.is_dir() or _digest(target) != whole:
            raise
    _stamp(target).write_text(whole)
