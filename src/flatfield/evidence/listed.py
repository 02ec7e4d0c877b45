"""The figures that there are: flatfield's own table of what others published, and what a user took over."""

from __future__ import annotations

import csv
import io
import re
from importlib.resources import files
from typing import TYPE_CHECKING, get_args

import msgspec

from flatfield import json_text
from flatfield.errors import FlatfieldError
from flatfield.records import Evidence, KindOfWork
from flatfield.tasks.cache import replace_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

KINDS: tuple[KindOfWork, ...] = get_args(KindOfWork)
OWN = "evidence"
"""The folder of a user's own figures, beside the store."""


def shipped() -> tuple[Evidence, ...]:
    """What flatfield brings along."""
    return from_csv(files("flatfield.evidence").joinpath("data", "published.csv").read_text("utf-8"))


def own(data: Path) -> tuple[Evidence, ...]:
    """What the user of a project took over.

    Raises:
        FlatfieldError: one of the files cannot be read any more.
    """
    found: list[Evidence] = []
    for path in sorted((data / OWN).glob("*.json")):
        found += _kept(path)
    return tuple(found)


def _kept(path: Path) -> tuple[Evidence, ...]:
    try:
        found: tuple[Evidence, ...] = json_text.decoded(path.read_bytes(), tuple[Evidence, ...])
    except (OSError, ValueError) as error:
        raise FlatfieldError(f"{path} cannot be read ({error}): delete it, and import its figures again") from None
    return found


def keep(data: Path, name: str, found: Sequence[Evidence]) -> Path:
    """Keep a user's own figures: in the place of what an earlier import of this format brought of their benchmarks.

    Raises:
        FlatfieldError: the earlier ones cannot be read, or these not be written.
    """
    path = data / OWN / f"{name}.json"
    taken = {row.benchmark for row in found}
    others = [row for row in _kept(path) if row.benchmark not in taken] if path.exists() else []
    try:
        replace_whole(path, msgspec.json.format(msgspec.json.encode([*others, *found])) + b"\n")
    except OSError as error:
        raise FlatfieldError(
            f"{path} cannot be written: {error.strerror}; make room, or mend its permissions"
        ) from None
    return path


def evidence(data: Path) -> tuple[Evidence, ...]:
    """All figures of others that are known: shipped ones, and the user's own in the place of those of the same kind.

    Of one kind are figures of the same agent, set and run in the same way on the same benchmark.
    """
    found = {(one.agent, one.setting, one.scaffold, one.benchmark): one for one in (*shipped(), *own(data))}
    return tuple(found.values())


def as_csv(rows: Iterable[Evidence]) -> str:
    """The rows as the table that is shipped."""
    text = io.StringIO()
    names = Evidence.__struct_fields__
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        values = (getattr(row, name) for name in names)
        writer.writerow(
            "" if value is None else f"{value:.6g}" if isinstance(value, float) else value for value in values
        )
    return text.getvalue()


def from_csv(text: str) -> tuple[Evidence, ...]:
    """The rows of such a table; an empty cell is what a row without it has."""
    rows = ({name: cell for name, cell in row.items() if cell} for row in csv.DictReader(io.StringIO(text)))
    return msgspec.convert(list(rows), tuple[Evidence, ...], strict=False)


# Models by many names, and what stands first of one.


ASIDE = re.compile(r"\([^)]*\)")
_ENDS = re.compile(
    r"[\s_.:-]+(?:20\d\d-?\d\d-?\d\d|(?:exp|preview)(?:-?\d\d-\d\d)?|latest|instruct|it|q\d\w*|\d{4})$", re.IGNORECASE
)
"""What a model's name may end with beside the model: the day of a version, how it was tuned, packed or offered."""


def model_key(name: str) -> str:
    """What is equal for the names that publishers, vendors and servers have for one model.

    `Claude Opus 4.5`, `anthropic/claude-opus-4-5` and `claude-opus-4-5-20251101`; `GPT-OSS 20B` and `gpt-oss:20b`.
    """
    text = ASIDE.sub("", name.rpartition("/")[2]).strip().lower()
    while (shorter := _ENDS.sub("", text)) != text:
        text = shorter
    return re.sub(r"[^a-z0-9+]", "", re.sub(r"\.0(?=\D|$)", "", text))


def of_model(rows: Iterable[Evidence], model: str) -> tuple[Evidence, ...]:
    """What was published of a model: by kind of work, then on many tasks first, then the newest."""
    key = model_key(model)
    found = sorted((row for row in rows if key and model_key(row.model) == key), key=lambda row: row.date, reverse=True)
    return tuple(sorted(found, key=lambda row: (KINDS.index(row.kind), -row.tasks)))
