"""Remembers the code that an agent writes in a user's own folder, in the ledger of trust, before anybody can run it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from flatfield.agent.files.settling import settle
from flatfield.agent.files.stamping import Looks
from flatfield.errors import FlatfieldError
from flatfield.records import Event
from flatfield.runs.trial import Unseen
from flatfield.tasks.access import is_code

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from flatfield.agent.files.changed import Witness
    from flatfield.agent.files.confined import ConfinedFiles
    from flatfield.tasks.ledger import Ledger

OWN = ".flatfield"
"""What we write ourselves while an agent works in a project's own folder."""


class Remembering:
    """A witness that tells the ledger; where it cannot be written, that is said once, and the work goes on."""

    def __init__(self, root: Path, ledger: Ledger, observe: Callable[[Event], None]) -> None:
        self._root = root
        self._ledger = ledger
        self._observe = observe
        self._said = False

    def writes(self, path: str, data: bytes) -> None:
        """A file is about to be written; `path` is relative to the workspace."""
        if is_code(Path(path), data):
            self._try(lambda: self._ledger.wrote(self._whole((path,))))

    def begins(self) -> str:
        """A command, or a program, is about to write unseen; the mark to settle."""
        marks: list[str] = []
        self._try(lambda: marks.append(self._ledger.begins(str(self._root))))
        return "".join(marks)

    def settled(self, mark: str, paths: Collection[str]) -> None:
        """All that was written under a mark is known: these files."""
        self._try(lambda: self._ledger.settled(mark, self._whole(paths)))

    def _whole(self, paths: Iterable[str]) -> Iterator[str]:
        for path in paths:
            place = self._root / path
            yield str(place.parent.resolve() / place.name)

    def _try(self, step: Callable[[], None]) -> None:
        try:
            step()
        except FlatfieldError as error:
            if not self._said:
                text = f"the code that is written here is not remembered: {error}"
                self._observe(Event(kind="note", text=text))
            self._said = True


class ProgramAtWork(Unseen):
    """An agent that is a program, and writes with its own hands: what it changed shows in the folder's stat stamps."""

    def __init__(self, files: ConfinedFiles) -> None:
        self._files = files
        self._looks = Looks(files.root, (OWN,))
        self._witness: Witness | None = files.changed.witness if files.changed else None
        self._mark = ""
        self._since = 0

    def begins(self) -> None:
        """It will write now."""
        self._mark = self._witness.begins() if self._witness else ""
        self._since = self._files.changed.moment if self._files.changed else 0
        self._looks()

    def ended(self) -> None:
        """It writes no more."""
        self._looks()
        settle(self._files, self._looks, self._mark, self._since)
