"""Makes a task's parts of a commit: the prompt, the hidden tests and how they are run, and the rest as the solution."""

from __future__ import annotations

import configparser
import json
import posixpath
import re
import shlex
import tomllib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from flatfield import plugins
from flatfield.tasks.git_objects import FILE, LINK, PROGRAM, SUBMODULE, Blob, changed_paths
from flatfield.tasks.lop import UNEDITED
from flatfield.tasks.markdown import SECTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

Tree = dict[str, Blob]
"""All that a commit holds, by path."""

# Takes out of a commit's message what is not about the work.


_REFERENCE = (
    r"(?:[\w./-]*#\d+|(?:gh|bpo|issue|pr)[- ]?\d+|https?://\S+/(?:issues?|pull|pulls|merge_requests|browse)/\S+)"
)
_REFERENCES = rf"{_REFERENCE}(?:(?:,| and| &|, and)? *{_REFERENCE})*"
_ACTS = (
    r"(?:fix(?:e[sd])?|close[sd]?|resolve[sd]?|ref(?:s|erences)?|see(?: also)?|re|issues?|pr|related to|part of|"
    r"addresses)"
)
_TRAILERS = (
    r"cc|change-id|link|pr-url|git-svn-id|differential revision|reviewed|bug|issue|ticket|pull request resolved|"
    r"piperorigin-revid|cherry-picked-from|backport-of|changelog|release-note"
)
_LINES_OUT = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"[\w-]+-by\s*:.*",
        rf"(?:{_TRAILERS})\s*:.*",
        r"merge (?:pull request|branch|remote-tracking branch|commit|tag)\b.*",
        r"merged in \S+ \(pull request .*",
        r"\(?cherry[- ]picked from (?:commit )?[0-9a-f]{7,}.*",
        r"this reverts commit [0-9a-f]{7,}.*",
        rf"[-*]?\s*\(?{_ACTS}?:?\s*{_REFERENCES}\)?[.,;]?",
    )
)
_WITHIN = tuple(
    (re.compile(pattern, re.IGNORECASE), then)
    for pattern, then in (
        (rf"^{_ACTS}? *{_REFERENCES} *(?:--|-|–|:) *", ""),
        (r"^(?-i:\[[A-Z][A-Z0-9]+-\d+\]|(?!UTF|SHA|ISO|RFC|CVE|PEP|AES)[A-Z][A-Z0-9]+-\d+:) *(?=\S)", ""),
        (rf"\s*[(\[](?:{_ACTS}:? *)?{_REFERENCES}[)\]]", ""),
        (rf"(?:[,;]| -+| –)? *\b{_ACTS}:? *{_REFERENCES}(?=[.,;]?\s*$)", ""),
        (r"\s*\[(?:skip ci|ci skip|no ci)\]", ""),
        (r"\s*(?<![\w&])#\d+\b", ""),
    )
)
_SECTION = re.compile(rf"^##\s*(?=(?:{'|'.join(map(re.escape, SECTIONS))})\s*$)", re.IGNORECASE)
_OPENS = re.compile(r'[A-Z][A-Z0-9_]*: "')
MOST_TITLE = 100


def prompt_of(message: str) -> str:
    """A commit's message as a prompt: without trailers, issue numbers and merge lines; "" where nothing else is in it.

    What a LOP would take for its own is rewritten: a line that looks like one of its headings or values.
    """
    lines = [_worked(line.rstrip()) for line in message.replace("\r\n", "\n").replace("\0", "").split("\n")]
    text = "\n".join(line for line in lines if line is not None)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def _worked(line: str) -> str | None:
    """The line without what is not about the work; None where nothing is left of one."""
    bare = line.strip()
    if bare and any(out.fullmatch(bare) for out in _LINES_OUT):
        return None
    kept = line
    for pattern, then in _WITHIN:
        kept = pattern.sub(then, kept)
    if bare and not kept.strip(" -*.,;:()"):
        return None
    kept = _SECTION.sub("", kept)
    return kept.replace('"', "'", 1) if _OPENS.match(kept) else kept


def title_of(prompt: str, sha: str) -> str:
    """The first line, which becomes the task's title."""
    first = next((line.strip() for line in prompt.split("\n") if line.strip()), "")
    first = first.lstrip("# ") if len(first) <= MOST_TITLE else f"{first[: MOST_TITLE - 1]}…"
    return first or f"What commit {sha[:7]} did"


# Tells a commit's tests from the rest, and what tests need besides.


_TEST_FOLDER = re.compile(r"(?:.*[_-])?tests?(?:[_-].*)?|__tests__|specs?|testdata", re.IGNORECASE)
_PYTHON_TEST = re.compile(r"(?:test_.*|.*_tests?|tests?)\.py")
_PYTHON_TEST_THERE = re.compile(r"(?!conftest\.py)(?:test.*|.*tests?)\.py", re.IGNORECASE)
_SCRIPT_TEST = re.compile(r"(?:.*[._-])?(?:tests?|spec)\.[cm]?[jt]sx?")
_SCRIPT = re.compile(r".*\.[cm]?[jt]sx?")
_START = "__init__.py"
_FIXTURES = "conftest.py"


class Ecosystem(Struct, frozen=True, kw_only=True):
    """One way that tests are written: which files are run (`named` anywhere, `there` in a folder for tests)."""

    named: re.Pattern[str]
    there: re.Pattern[str]

    def runs(self, path: str) -> bool:
        """Whether a path names a file that is run as a test."""
        name = posixpath.basename(path)
        return bool(self.named.fullmatch(name) or (in_test_folder(path) and self.there.fullmatch(name)))


PYTHON = Ecosystem(named=_PYTHON_TEST, there=_PYTHON_TEST_THERE)
SCRIPTS = Ecosystem(named=_SCRIPT_TEST, there=_SCRIPT)
GO = Ecosystem(named=re.compile(r".*_test\.go"), there=re.compile(r".*_test\.go"))
RUST = Ecosystem(named=re.compile(r"(?!)"), there=re.compile(r".*\.rs"))
ECOSYSTEMS = (PYTHON, SCRIPTS, GO, RUST)


def in_test_folder(path: str) -> bool:
    """Whether a folder on a path is one for tests, as its name says."""
    return any(_TEST_FOLDER.fullmatch(part) for part in PurePosixPath(path).parts[:-1])


def is_of_tests(path: str) -> bool:
    """Whether a file belongs to the tests: it is run as one, lies in a folder for them, or holds their fixtures."""
    name = posixpath.basename(path)
    return name == _FIXTURES or in_test_folder(path) or any(kind.runs(path) for kind in ECOSYSTEMS)


class CommitParts(Struct, frozen=True, kw_only=True):
    """A commit's changes: `hidden`, the tests with what they need, `runs`, which of them are run, and the rest.

    `writes`, `links` and `removed` are the rest: files as they are afterwards, links, and paths that are gone.
    `marks`: paths that become programs, or no longer are. `ecosystem` None: no test that could be run was changed.
    """

    hidden: tuple[Blob, ...] = ()
    runs: tuple[str, ...] = ()
    ecosystem: Ecosystem | None = None
    writes: tuple[Blob, ...] = ()
    links: tuple[Blob, ...] = ()
    removed: tuple[str, ...] = ()
    marks: tuple[Blob, ...] = ()
    submodules: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()

    @property
    def is_work(self) -> bool:
        """Whether anything is left to be done besides the tests."""
        return bool(self.writes or self.links or self.removed or self.marks)


def split(before: Tree, after: Tree) -> CommitParts:
    """Tell a commit's tests from the rest, by the trees of its parent and of itself."""
    changed = changed_paths(before, after)
    tests = tuple(path for path in changed if is_of_tests(path))
    rest = [path for path in changed if path not in set(tests)]
    ecosystem, runs = _run(tests, after)
    now = [after[path] for path in rest if path in after]
    files = [blob for blob in now if blob.mode in {FILE, PROGRAM}]
    return CommitParts(
        hidden=_hidden(tests, runs, ecosystem, after),
        runs=runs,
        ecosystem=ecosystem,
        writes=tuple(blob for blob in files if _sha(before, blob.path) != blob.sha or _is_link(before, blob.path)),
        links=tuple(blob for blob in now if blob.mode == LINK),
        removed=tuple(path for path in rest if path not in after or _is_link(before, path) or path in _links(now)),
        marks=tuple(blob for blob in files if (blob.mode == PROGRAM) != _is_program(before, blob.path)),
        submodules=tuple(path for path in changed if SUBMODULE in {_mode(before, path), _mode(after, path)}),
        tests=tests,
    )


def _sha(tree: Tree, path: str) -> str:
    return tree[path].sha if path in tree else ""


def _mode(tree: Tree, path: str) -> str:
    return tree[path].mode if path in tree else ""


def _is_link(tree: Tree, path: str) -> bool:
    return _mode(tree, path) == LINK


def _is_program(tree: Tree, path: str) -> bool:
    return _mode(tree, path) == PROGRAM


def _links(blobs: Iterable[Blob]) -> set[str]:
    return {blob.path for blob in blobs if blob.mode == LINK}


def _run(tests: Sequence[str], after: Tree) -> tuple[Ecosystem | None, tuple[str, ...]]:
    """The test files that are run: the changed ones; where only what they read was changed, those round about it."""
    there = [path for path in tests if _mode(after, path) in {FILE, PROGRAM}]
    for kind in ECOSYSTEMS:
        if runs := tuple(path for path in there if kind.runs(path)):
            return kind, runs
    tops = {_top(path) for path in there if in_test_folder(path)}
    for kind in ECOSYSTEMS:
        if runs := tuple(path for path in sorted(after) if kind.runs(path) and _top(path) in tops):
            return kind, runs
    return None, ()


def _top(path: str) -> str:
    """The outermost folder for tests that a path lies in; "" where it lies in none."""
    parts = PurePosixPath(path).parts[:-1]
    at = next((at for at, part in enumerate(parts) if _TEST_FOLDER.fullmatch(part)), None)
    return "" if at is None else "/".join(parts[: at + 1])


def _hidden(tests: Sequence[str], runs: Sequence[str], ecosystem: Ecosystem | None, after: Tree) -> tuple[Blob, ...]:
    """What is put in place before the tests are run: all that the commit changed of them, and what they need beside.

    pytest obeys only fixtures that are brought along, and what helps tests is not to be an agent's.
    """
    needed = {path for path in (*tests, *runs) if _mode(after, path) in {FILE, PROGRAM}}
    if ecosystem is PYTHON:
        folders = {str(above) for path in runs for above in PurePosixPath(path).parents}
        tops = {_top(path) for path in runs} - {""}
        for path, blob in after.items():
            folder, name = str(PurePosixPath(path).parent), posixpath.basename(path)
            helps = name.endswith(".py") and not PYTHON.runs(path) and _top(path) in tops
            if blob.mode in {FILE, PROGRAM} and (helps or (name == _FIXTURES and folder in folders)):
                needed.add(path)
    return tuple(after[path] for path in sorted(needed))


# Says how a repository runs its tests.


_RUNNERS = ("ava", "tape", "mocha", "jest", "vitest", "jasmine", "uvu", "tap")
"""Programs for tests of JavaScript that are given files; the first that a package's script for tests names is taken."""
_SOURCES = ("src", "lib", "python")
_PROJECTS = frozenset({"pyproject.toml", "setup.py", "setup.cfg"})
_WANTED_OPTION = re.compile(r"--import-mode[= ]\S+|-p[ =]?(?!no:|[ =]no:)[\w.]+")


class CheckCommand(Struct, frozen=True, kw_only=True):
    """How tests are run: `command`, and whether it is pytest that is run, whose cases have names."""

    command: str
    is_pytest: bool = False


def way_of(
    split: CommitParts, before: Tree, read: Callable[[str], str | None], plugged: Sequence[str] = ()
) -> CheckCommand | None:
    """How the repository runs the tests of a commit; `read` gives a file's text as it was before it; None: untold.

    `plugged`: modules of pytest's plugins that are there.
    """
    files = shlex.join(split.runs)
    if split.ecosystem is PYTHON:
        return CheckCommand(command=_pytest(split.runs, before, read, plugged), is_pytest=True)
    if split.ecosystem is GO:
        folders = sorted({f"./{posixpath.dirname(path)}".rstrip("/") for path in split.runs})
        return CheckCommand(command=f"go test {shlex.join(folders)}")
    if split.ecosystem is RUST:
        names = " ".join(f"--test {shlex.quote(PurePosixPath(path).stem)}" for path in split.runs)
        return CheckCommand(command=f"cargo test --offline {names}")
    script = _script(read("package.json"))
    if "node --test" in script or any("node:test" in (read(path) or "") for path in split.runs):
        return CheckCommand(command=f"node --test {files}")
    runner = next((word for word in re.findall(r"[\w-]+", script) if word in _RUNNERS), None)
    if runner is None:
        return None
    once = f"{runner} run" if runner == "vitest" else runner
    return CheckCommand(command=f'PATH="$PWD/node_modules/.bin:$PATH" {once} {files}')


def _script(package: str | None) -> str:
    try:
        scripts = json.loads(package or "{}").get("scripts") or {}
        return " ".join(str(text) for name, text in scripts.items() if name.startswith("test"))
    except (ValueError, AttributeError):
        return ""


def _pytest(runs: Sequence[str], before: Tree, read: Callable[[str], str | None], plugged: Sequence[str]) -> str:
    """The command for pytest: with the folders of the sources, and what of its options tests cannot do without."""
    homes = list(dict.fromkeys(_home(path, before) for path in runs))
    folders = list(dict.fromkeys(folder for home in homes for folder in _sources(home, before)))
    wanted = [option for home in homes for option in _options(home, read)]
    loaded = [f"-p {shlex.quote(module)}" for module in plugged]
    paths = f"PYTHONPATH=$PYTHONPATH:{':'.join(map(shlex.quote, folders))} " if folders else ""
    return " ".join([f"{paths}python -m pytest -q", *dict.fromkeys((*wanted, *loaded)), shlex.join(runs)])


def _home(path: str, tree: Tree) -> str:
    """The folder of the project that a test belongs to: the nearest that says how it is built; "" at the top."""
    for above in PurePosixPath(path).parents:
        folder = "" if str(above) == "." else f"{above}/"
        if any(f"{folder}{name}" in tree for name in _PROJECTS):
            return folder
    return ""


def _sources(home: str, tree: Tree) -> Iterator[str]:
    """The folders that packages of a project are imported from; its own, which is the current one, is not said."""
    for name in _SOURCES:
        folder = f"{home}{name}"
        inside = {path.removeprefix(f"{folder}/") for path in tree if path.startswith(f"{folder}/")}
        if _START not in inside and any(re.fullmatch(rf"[^/]+/{_START}|[^/]+\.py", path) for path in inside):
            yield folder
    if home:
        yield home.rstrip("/")


def _options(home: str, read: Callable[[str], str | None]) -> Iterator[str]:
    """Of pytest's options in a project's files: plugins, and how modules are imported."""
    for text in _written_options(home, read):
        yield from (match[0] for match in _WANTED_OPTION.finditer(text))


def _written_options(home: str, read: Callable[[str], str | None]) -> Iterator[str]:
    table = _toml(read(f"{home}pyproject.toml"))
    options = table.get("tool", {}).get("pytest", {}).get("ini_options", {}).get("addopts", "")
    yield " ".join(map(str, options)) if isinstance(options, list) else str(options)
    for name, section in (("pytest.ini", "pytest"), ("tox.ini", "pytest"), ("setup.cfg", "tool:pytest")):
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        try:
            parser.read_string(read(f"{home}{name}") or "")
        except configparser.Error:
            continue
        yield " ".join(parser.get(section, "addopts", fallback="").split())


def _toml(text: str | None) -> dict[str, Any]:
    try:
        return tomllib.loads(text or "")
    except tomllib.TOMLDecodeError:
        return {}


class Distribution(Struct, frozen=True, kw_only=True):
    """What a Python project says it is: its name ("" where it says none), its version, and its entry points."""

    name: str = ""
    version: str = "0"
    points: dict[str, dict[str, str]] = {}


def distribution(read: Callable[[str], str | None]) -> Distribution:
    """What the project at a tree's top says it is."""
    project = _toml(read("pyproject.toml")).get("project", {})
    if isinstance(project, dict) and isinstance(project.get("name"), str):
        points = project.get("entry-points")
        written = {
            str(group): {str(name): str(value) for name, value in entries.items()}
            for group, entries in (points.items() if isinstance(points, dict) else ())
            if isinstance(entries, dict)
        }
        return Distribution(name=project["name"], version=str(project.get("version", "0")), points=written)
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(read("setup.cfg") or "")
    except configparser.Error:
        return Distribution()
    version = parser.get("metadata", "version", fallback="0")
    return Distribution(
        name=parser.get("metadata", "name", fallback=""), version=version if ":" not in version else "0"
    )


_VERSION_FILE = re.compile(r"""(?:version[-_]file|write_to|_version_file)\s*=\s*["']?([\w./-]+\.py)""")


def generated_version(read: Callable[[str], str | None], tree: Tree) -> tuple[str, str] | None:
    """The file that a project's build writes its version into, and such a text; None where there is none to be made."""
    texts = (read(name) or "" for name in ("pyproject.toml", "setup.cfg", "setup.py"))
    path = next((match[1] for text in texts if (match := _VERSION_FILE.search(text))), "")
    if not path or path in tree or ".." in path.split("/") or path.startswith("/"):
        return None
    if not any(other.startswith(f"{posixpath.dirname(path)}/") for other in tree):
        return None
    return path, '__version__ = version = "0"\n__version_tuple__ = version_tuple = (0,)\n'


def own_modules(tree: Tree) -> frozenset[str]:
    """The names that the tree's own packages and modules are imported by: no environment may bring them."""
    pattern = re.compile(rf"(?:(?:{'|'.join(_SOURCES)})/)?([A-Za-z_]\w*)(?:/.*\.py|\.py)")
    return frozenset(match[1] for path in tree if (match := pattern.fullmatch(path)))


# Writes the LOP.


LIMITS = "{turns: 40, seconds: 900, output_tokens: 32000}"
"""A repair in a real project takes more than a small task does."""
MOST_COMMAND = 50_000
_NO_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff]")


class Written(Struct, frozen=True, kw_only=True):
    """What a LOP made of a commit says. `counts`, `guards`: whether files beside it name cases; `packages` likewise."""

    id: str
    sha: str
    prompt: str
    command: str
    timeout_seconds: int
    counts: bool = False
    guards: bool = False
    packages: bool = False


def lop_text(written: Written, split: CommitParts, targets: Mapping[str, str]) -> str:
    """The LOP, ready to be edited; `targets`: where the links of the solution lead."""
    tools = ", ".join((*plugins.default_tools(), plugins.command_runner()))
    lines = [
        "---",
        f"id: {_quoted(written.id)}",
        f"title: {_quoted(title_of(written.prompt, written.sha))}",
        "tags: [code-repair]",
        "workspace: workspace",
        *(["packages: packages"] if written.packages else []),
        f"tools: [{tools}]",
        f"limits: {LIMITS}",
        "verify:",
        "  - command:",
        f"      run: {_quoted(written.command)}",
        "      hidden: hidden",
        "      into: .",
        *(["      counts: counts.txt"] if written.counts else []),
        *(["      guards: guards.txt"] if written.guards else []),
        f"      timeout_seconds: {written.timeout_seconds}",
        "    skill: code",
        "solution:",
        *_solution(split, targets),
        "---",
        "",
        f"# {title_of(written.prompt, written.sha)}",
        "",
        "## Instructions",
        "",
        f"{UNEDITED}: the prompt below is the message of commit {written.sha[:12]}. Say in it what is wanted and all",
        "that the tests ask for, and take out what gives the answer away. Then delete these lines.",
        "",
        "## Variables",
        "",
        f'PROMPT: "{written.prompt}"',
        "",
    ]
    return "\n".join(lines)


def _solution(split: CommitParts, targets: Mapping[str, str]) -> Iterator[str]:
    """The steps that make the parent's tree the commit's, tests aside: what goes, what is written, links and modes."""
    yield from _commands(
        *_many("rm -f --", split.removed),
        *_many("rmdir -p --ignore-fail-on-non-empty --", _above(split.removed), after=" 2>/dev/null; true"),
    )
    if split.writes:
        yield "  - copy: solution"
    yield from _commands(
        *_many("mkdir -p --", _above(targets)),
        *(f"ln -sfn -- {shlex.quote(target)} {shlex.quote(path)}" for path, target in targets.items()),
        *_many("chmod +x --", [blob.path for blob in split.marks if blob.mode == PROGRAM]),
        *_many("chmod -x --", [blob.path for blob in split.marks if blob.mode != PROGRAM]),
    )


def _commands(*commands: str) -> Iterator[str]:
    tool = plugins.command_runner()
    argument = plugins.tool_traits(tool).command_argument
    return (f"  - {tool}: {{{argument}: {_quoted(command)}}}" for command in commands)


def _many(command: str, paths: Iterable[str], after: str = "") -> Iterator[str]:
    """The command for all paths, in as many parts as a shell takes."""
    words: list[str] = []
    for path in paths:
        words.append(shlex.quote(path))
        if sum(map(len, words)) > MOST_COMMAND:
            yield f"{command} {' '.join(words)}{after}"
            words = []
    if words:
        yield f"{command} {' '.join(words)}{after}"


def _above(paths: Iterable[str]) -> list[str]:
    return sorted({folder for path in paths if (folder := posixpath.dirname(path))})


def _quoted(text: str) -> str:
    """A text as YAML takes it in double quotes, whatever is in it."""
    return _NO_YAML.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(text, ensure_ascii=False))
