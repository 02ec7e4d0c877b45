"""Reads a LOP, in either form, into a Task; finds all its mistakes at once."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct, field

from flatfield import plugins
from flatfield.errors import NotFound
from flatfield.records import Limits, Sabotage, SolutionStep, Targets, Task, VerifierSpec
from flatfield.tasks import digest, frontmatter, generating, markdown, solution, source, verify
from flatfield.tasks.access import is_broad, nobody, project_of
from flatfield.tasks.cache import cache_folder
from flatfield.tasks.source import Lines, lettered

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flatfield.tasks.access import Access
    from flatfield.tasks.markdown import Prompt
    from flatfield.tasks.source import Findings, Node


# Points out lines of a prompt that talk about the harness instead of the task.


_WORDINGS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\bjson response structure\b",
        r"\b(respond|reply|answer)\b.{0,30}\b(entire|complete|full|whole|exact)\b.{0,20}\b(json|response|structure)\b",
        r"\bmcp__\w",
        r"\b(nano[- ]agent|sub[- ]?agent)s?\b.{0,40}\b(tool|server|response|mcp|prompt)\b",
        r"\bmcp server\b",
        r"\bprompt_nano_agent\b",
        r"\bexecution_time_seconds\b",
        r"\b(not|never|don't)\b.{0,15}\b(change|alter|modify)\b.{0,15}\b(this|the) prompt\b",
        r"\bflatfield\b",
    )
)


UNEDITED = "EDIT THIS"
"""How the instructions of a LOP begin that was made from something else and is still to be edited by its author."""


def check_prompt(task: Task) -> tuple[str, ...]:
    """One note for each line of the prompt that speaks of the harness, and one for quotes that are likely not meant.

    So is one for a prompt whose instructions say that it is still to be edited.

    The prompt is sent unchanged all the same.
    """
    lines = Lines.of(task.prompt)
    harness = (
        f"line {index + 1} of the prompt of {task.id} talks about the harness, not the task: "
        f"{_short(lines.line(index))!r}; it is sent unchanged, but you may want to take it out"
        for index in range(len(lines))
        if any(wording.search(lines.line(index)) for wording in _WORDINGS)
    )
    return (*_unedited(task), *_quotes(task), *harness)


def _unedited(task: Task) -> Iterator[str]:
    if task.instructions.lstrip().startswith(UNEDITED):
        yield (
            f"the prompt of {task.id} is still to be edited, as its `## Instructions` say ({UNEDITED}): say what is "
            "wanted, take out what gives the answer away, and delete these lines"
        )


def _quotes(task: Task) -> Iterator[str]:
    """A value stands between one quote and one quote: of three, as programs write them, two are part of it."""
    ends = [
        where for where, has in (("begins", task.prompt.startswith('""')), ("ends", task.prompt.endswith('""'))) if has
    ]
    if ends:
        yield (
            f"the prompt of {task.id} {' and '.join(ends)} with two quotes, which are sent to the model: a value"
            ' stands between one `"` and one `"`, also over several lines; take the others out'
        )


def _short(line: str) -> str:
    line = line.strip()
    return line if len(line) <= 100 else f"{line[:97]}…"


_ID = re.compile(r"[^\W_][\w.-]*")


EXAMPLE = 'verify: [{answer: {contains: "TEXT"}}]'
"""The line of front matter that makes a LOP gradable."""
_FRONT_MATTER = f"give the LOP front matter: `---`, `{EXAMPLE}` and `---` at its top"


def read_task(path: Path, seed: int = 0, *, cache: Path | None = None, access: Access | None = None) -> Task:
    """Read one LOP; one that is generated, as the variant that `seed` makes, kept in `cache` (None: the user's).

    `access` decides whether the function that makes it may run; None: nobody has trusted anything.

    Raises:
        NotFound: there is no such file.
        InvalidFiles: it has mistakes; all of them, with their lines.
        NotTrusted: the function that makes it may not be run.
        FlatfieldError: the cache cannot be written.
    """
    access = access or nobody()
    data = source.read_bytes(path)
    text = source.decode(data, str(path))
    if generating.generates(text):
        made = generating.variant(path, text, seed, cache or cache_folder(os.environ), access)
        origin = str(path.absolute())
        data = source.read_bytes(made)
        task = _read(made, data, source.decode(data, str(made)))
        return msgspec.structs.replace(task, generated_from=origin, seed=seed)
    return _read(path, data, text, access.home and access.home.resolve())


def _read(path: Path, data: bytes, text: str, home: Path | None = None) -> Task:
    found = source.Findings(str(path))
    _refuse_bare_prompt(text, found)
    foreign = foreign_keys(text, path)
    matter = frontmatter.read(text, found, drop=lambda key: key in frontmatter.CLAUDE_KEYS or key in foreign)
    plain = not matter.map and not found.mistakes
    prompt = markdown.parse(text, frontmatter.split(text).body_start, found)
    given = _front_matter(matter, path, found, home)
    agents = markdown.agent_lines(prompt.sections["Agents"], found) if "Agents" in prompt.sections else ()
    _check_prompt_is_there(prompt, found)
    _check_sections(prompt, agents, plain=plain, found=found)
    found.settle()
    try:
        whole = digest.of_task(data, path.parent, given.named)
    except OSError as error:
        raise NotFound(f"{error.filename}, which {path} names, cannot be read: {error.strerror}") from None
    value = prompt.variables["PROMPT"].value
    return Task(
        id=given.id or generating.default_id(path),
        title=given.title or prompt.title or path.stem,
        prompt=value or "",
        path=str(path.absolute()),
        digest=whole,
        plain=plain,
        instructions=prompt.text("Instructions"),
        agents=agents,
        expected=prompt.text("Expected Output"),
        rubric=prompt.text("Grading rubric"),
        level=given.level,
        tags=given.tags,
        workspace=given.workspace,
        files=given.files,
        packages=given.packages,
        tools=given.tools,
        limits=given.limits,
        targets=given.targets,
        repeats=given.repeats,
        verifiers=given.verifiers,
        solution=given.solution,
        sabotages=given.sabotages,
    )


def foreign_keys(text: str, path: Path) -> tuple[str, ...]:
    """Keys of a LOP's front matter that are somebody else's, and are passed over."""
    return frontmatter.foreign_keys(text, path, (*_READERS, generating.KEY))


def looks_like_task(text: str) -> bool:
    """Whether a Markdown file found in a folder means to be a LOP."""
    found = source.Findings("")
    part = frontmatter.split(text)
    prompt = markdown.parse(text, part.body_start, found)
    own = [key for key in _READERS if key not in {"title", "tags", "tools", "id"}]
    return "Variables" in prompt.sections or any(frontmatter.has_key(part.matter, key) for key in own)


def _refuse_bare_prompt(text: str, found: Findings) -> None:
    """A text with nothing of a LOP in it is a prompt: what it lacks is said in one sentence, not section by section."""
    part = frontmatter.split(text)
    prompt = markdown.parse(text, part.body_start, source.Findings(""))
    if part.matter is not None or not part.closed or prompt.sections or prompt.others:
        return
    if not text.strip():
        found.add(1, "the file is empty", f'write `{EXAMPLE}` as its front matter, `## Variables` and `PROMPT: "…"`')
        found.settle()
    fix = f'put `---`, `{EXAMPLE}` and `---` before it, and write the prompt as `## Variables` and `PROMPT: "…"`'
    found.add(1, "this is a prompt and no LOP: nothing in it says how an agent's work is checked", fix)
    found.settle()


def _check_prompt_is_there(prompt: Prompt, found: Findings) -> None:
    example = '`PROMPT: "…"` below `## Variables`'
    if "Variables" not in prompt.sections:
        found.add(1, "there is no `## Variables` section, so no PROMPT", f"write {example}")
    elif "PROMPT" not in prompt.variables:
        section = prompt.sections["Variables"]
        near = re.search(r"(?im)^[ \t]*(?:[-*][ \t]+)?[`*_]*prompt\b", section.text)
        line = section.line + source.Lines.of(section.text).number(near.start()) if near else section.line
        problem = "this is not a PROMPT in double quotes" if near else "`## Variables` has no PROMPT"
        found.add(line, problem, f"write {example}, at the start of a line")
    elif prompt.variables["PROMPT"].value is not None and not str(prompt.variables["PROMPT"].value).strip():
        found.add(prompt.variables["PROMPT"].line, "PROMPT is empty", "write what the agent is to do")


def _check_sections(prompt: Prompt, agents: tuple[str, ...], *, plain: bool, found: Findings) -> None:
    """What a LOP without front matter must have."""
    markdown.suggest_sections(prompt, found)
    if not plain:
        return
    if not prompt.title:
        found.add(1, "there is no title", f"start the file with `# Title`, or {_FRONT_MATTER}")
    suggested = {mistake.fix for mistake in found.mistakes}
    # Without a PROMPT it is hardly a plain LOP that lacks sections: what to do about those would only hide what counts.
    for name in markdown.SECTIONS if "PROMPT" in prompt.variables else ():
        if name in prompt.sections or name == "Variables" or f"did you mean `## {name}`?" in suggested:
            continue
        found.add(1, f"there is no `## {name}` section", f"write `## {name}`, or {_FRONT_MATTER}")
    if "Agents" in prompt.sections and not agents:
        line = prompt.sections["Agents"].line
        found.add(line, "`## Agents` names no agent", "write lines `@agent-NAME PROMPT`, each on its own")


class _Matter(Struct, frozen=True, kw_only=True):
    """What a front matter says of its task, and what it names on disk; `title` "" and `id` "" where it says none."""

    named: tuple[Path, ...]
    verifiers: tuple[VerifierSpec, ...]
    solution: tuple[SolutionStep, ...]
    sabotages: tuple[Sabotage, ...]
    id: str = ""
    title: str = ""
    level: int | None = None
    tags: tuple[str, ...] = ()
    workspace: str | None = None
    packages: str | None = None
    files: dict[str, str] = field(default_factory=dict)
    tools: tuple[str, ...] | None = None
    limits: Limits = field(default_factory=Limits)
    targets: Targets = field(default_factory=Targets)
    repeats: int | None = None


def _front_matter(matter: Node, path: Path, found: Findings, home: Path | None) -> _Matter:
    folder = path.parent
    readers = {**_READERS, "workspace": _workspace(path, home), "packages": _packages(path)}
    given = source.read_map(matter, readers, found, what="the front matter")
    verifiers = verify.read(given.pop("verify", None), folder, found)
    allowed = given["tools"] if "tools" in given else plugins.default_tools()
    steps = solution.read_solution(given.pop("solution", None), folder, allowed, found)
    base = solution.Base(solution=steps, verifiers=verifiers, allowed=allowed, folder=folder)
    spoiled = solution.read_sabotages(given.pop("sabotages", None), base, found)
    named = (*verify.named_paths(verifiers, folder), *steps.folders, *spoiled.folders)
    beside = tuple(Path(given[key]) for key in ("workspace", "packages") if key in given)
    return _Matter(named=(*named, *beside), verifiers=verifiers, solution=steps.steps, sabotages=spoiled.items, **given)


def _id(node: Node, name: str, found: Findings) -> str | None:
    value = source.text()(node, name, found)
    if value is None:
        return None
    value = unicodedata.normalize("NFC", value)
    if _ID.fullmatch(lettered(value)):
        return str(value)
    found.add(
        node.line,
        f"{name} {value!r} has characters other than letters, digits, `.`, `_`, `-`",
        f"write {source.slug(value)}",
    )
    return None


def _workspace(path: Path, home: Path | None) -> source.NodeReader:
    def read(node: Node, name: str, found: Findings) -> str | None:
        value = source.text()(node, name, found)
        if value is None:
            return None
        folder = (path.parent / value).resolve()
        if Path(value).is_absolute() or not folder.is_dir():
            problem = "is absolute" if Path(value).is_absolute() else "is not there"
            found.add(node.line, f"the workspace folder {value!r} {problem}", f"name a folder beside {path.name}")
        elif is_broad(project_of(path.resolve(), home)):
            found.add(
                node.line, "a LOP that lies right in the home folder names no workspace", "give it a folder of its own"
            )
        elif not folder.is_relative_to(project_of(path.resolve(), home)):
            fix = f"name a folder beside {path.name}, or elsewhere in its project"
            found.add(node.line, f"the workspace {value!r} leads out of the LOP's project", fix)
        elif path.resolve().is_relative_to(folder):
            found.add(node.line, f"the workspace {value!r} holds the LOP, and so the answers", "name a folder below it")
        else:
            return str(folder)
        return None

    return read


def _packages(path: Path) -> source.NodeReader:
    """A folder of unpacked packages and wheels beside the LOP; it may hold nothing else, so not the LOP either."""

    def read(node: Node, name: str, found: Findings) -> str | None:
        value = source.text()(node, name, found)
        if value is None:
            return None
        folder, top = (path.parent / value).resolve(), path.parent.resolve()
        if Path(value).is_absolute() or not folder.is_relative_to(top) or folder == top:
            found.add(node.line, f"the packages {value!r} leave the LOP's folder", f"name a folder beside {path.name}")
        elif not folder.is_dir():
            fix = f"make it: pip install --target {value} NAME, or pip download --dest {value} NAME"
            found.add(node.line, f"the packages folder {value!r} is not there", fix)
        else:
            return str(folder)
        return None

    return read


@source.takes(**source.schema_of(source.text_map))
def _files(node: Node, name: str, found: Findings) -> dict[str, str] | None:
    """Inline files: relative path → text."""
    files: dict[str, str] | None = source.text_map(node, name, found)
    for key in files or {}:
        parts = PurePosixPath(key).parts
        line = node.keys[key]
        if not parts or key.startswith("/") or ".." in parts or "\\" in key or "\0" in key or key.endswith("/"):
            found.add(line, f"{key!r} is not a path inside the workspace", "write a relative path such as data/in.txt")
        elif any(other.startswith(f"{key}/") for other in files or {}):
            found.add(line, f"{key!r} is a file and a folder at once", "rename one of them")
    return files


def _kept(node: Node, name: str, found: Findings) -> Node:  # noqa: ARG001 - has a reader's form; read later, with more
    return node


_READERS: dict[str, source.NodeReader] = {
    "id": _id,
    "title": source.text(),
    "level": source.integer(0),
    "tags": source.texts(single=True),
    "workspace": _kept,
    "packages": _kept,
    "files": _files,
    "tools": source.tools,
    "limits": source.nested(source.LIMITS, Limits),
    "targets": source.nested({"seconds": source.number(above=0), "cost_usd": source.number(above=0)}, Targets),
    "repeats": source.integer(1),
    "verify": _kept,
    "solution": _kept,
    "sabotages": _kept,
}


def readers() -> Mapping[str, source.NodeReader]:
    """What a LOP's front matter may hold."""
    return _READERS
