"""The labelled set: trials whose letters are known, which a judge is measured on."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from flatfield.records import FileChange, Letter, Reply, Task, ToolCall, ToolResult, TrialRecord, Turn
from flatfield.scoring.judge.prompt import ITEM, LIST, SYSTEM_PROMPT
from flatfield.scoring.judge.reply import LETTERS

FOLDER = Path(__file__).parent / "labelled"
RUN = "labelled"
_SHUFFLED_BY = 11
LISTS_SEED = 17
"""What the order of a list's trials is shuffled by."""


class Case(Struct, frozen=True, kw_only=True):
    """One trial whose letter is known: `category` is what it tries a judge with, `why` why the letter is right."""

    task: Task
    trial: TrialRecord
    letter: Letter
    category: str
    why: str

    @property
    def id(self) -> str:
        """`TASK/LETTER`: every task has one trial of each letter."""
        return f"{self.task.id}/{self.letter}"


class LabelledSet(Struct, frozen=True, kw_only=True):
    """All cases, in an order whose every six in a row hold each letter once; `digest` covers the prompt, too."""

    cases: tuple[Case, ...]
    digest: str

    @property
    def lists(self) -> tuple[tuple[Case, ...], ...]:
        """The cases of each task that has several, as work of as many agents: what is asked about in one request."""
        by_task: dict[str, list[Case]] = {}
        for case in sorted(self.cases, key=lambda each: each.id):
            by_task.setdefault(case.task.id, []).append(case)
        return tuple(tuple(map(_among_others, group)) for group in by_task.values() if len(group) > 1)

    @property
    def lists_digest(self) -> str:
        """Of all that changes what a judge is asked about the lists."""
        return hashlib.sha256(f"{self.digest} {LIST} {LISTS_SEED}".encode()).hexdigest()[:16]


class _Call(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A tool call; in the files also `read PATH`, `write PATH` or `list`, which stand for what happened."""

    tool: str
    arguments: dict[str, Any]
    result: str
    ok: bool = True


class _Trial(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One trial as a file holds it; a file that is null was deleted."""

    letter: Letter
    category: str
    why: str
    answer: str
    files: dict[str, str | None]
    calls: list[_Call | str]


class _Task(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the trials of one file had to do."""

    id: str
    title: str
    prompt: str
    expected: str
    rubric: str
    files: dict[str, str]


class _File(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file of the set."""

    task: _Task
    trials: list[_Trial]


def labelled_set() -> LabelledSet:
    """Read the set that ships."""
    digest = hashlib.sha256((SYSTEM_PROMPT + ITEM).encode())
    cases: list[Case] = []
    for path in sorted(FOLDER.glob("*.yaml")):
        data = path.read_bytes()
        digest.update(data)
        found = msgspec.yaml.decode(data, type=_File)
        task = Task(**msgspec.structs.asdict(found.task))
        cases += (_case(task, trial, number) for number, trial in enumerate(found.trials, start=1))
    return LabelledSet(cases=_mixed(cases), digest=digest.hexdigest()[:16])


def _among_others(case: Case) -> Case:
    return msgspec.structs.replace(
        case, trial=msgspec.structs.replace(case.trial, agent=f"trial {case.letter}", repeat=1)
    )


def _mixed(cases: list[Case]) -> tuple[Case, ...]:
    """The cases shuffled, each six of them one of every letter, so that a part of the set is balanced too."""
    chance = random.Random(_SHUFFLED_BY)  # noqa: S311 - an order that can be repeated, not a secret
    by_letter = {letter: [case for case in cases if case.letter == letter] for letter in LETTERS}
    for group in by_letter.values():
        chance.shuffle(group)
    mixed: list[Case] = []
    for row in zip(*by_letter.values(), strict=True):
        mixed += chance.sample(row, len(row))
    return tuple(mixed)


def _case(task: Task, trial: _Trial, number: int) -> Case:
    record = TrialRecord(
        run=RUN,
        agent="work",
        task=task.id,
        repeat=number,
        task_digest="",
        agent_fingerprint="",
        stop="answered",
        answer=trial.answer.strip(),
        changes=tuple(_change(task, path, text) for path, text in sorted(trial.files.items())),
        turns=tuple(_turn(task, trial, call, place) for place, call in enumerate(trial.calls, start=1)),
    )
    return Case(task=task, trial=record, letter=trial.letter, category=trial.category, why=trial.why)


def _change(task: Task, path: str, text: str | None) -> FileChange:
    if text is None:
        return FileChange(path=path, kind="deleted")
    size_bytes = len(text.encode())
    if path in task.files:
        return FileChange(path=path, kind="modified", size_bytes=size_bytes, text=text)
    return FileChange(path=path, kind="added", size_bytes=size_bytes, text=text)


def _turn(task: Task, trial: _Trial, call: _Call | str, number: int) -> Turn:
    made = _spelt_out(task, trial, call) if isinstance(call, str) else call
    name = f"call_{number}"
    reply = Reply(text="", calls=(ToolCall(id=name, name=made.tool, arguments=json.dumps(made.arguments)),))
    return Turn(reply=reply, results=(ToolResult(call_id=name, name=made.tool, text=made.result, ok=made.ok),))


def _spelt_out(task: Task, trial: _Trial, call: str) -> _Call:
    from flatfield.agent.tools import list_directory, read_file, write_file

    verb, _, path = call.partition(" ")
    if verb == "list":
        return _Call(tool=list_directory.SPEC.name, arguments={}, result="\n".join(sorted(task.files)))
    if verb == "read":
        return _Call(tool=read_file.SPEC.name, arguments={"file_path": path}, result=task.files[path])
    text = trial.files[path] or ""
    return _Call(tool=write_file.SPEC.name, arguments={"file_path": path, "content": text}, result=f"wrote {path}")
