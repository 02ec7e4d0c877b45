"""Every error that flatfield raises on purpose; one sentence each: what, where and the fix.

FlatfieldError              shown to the user as its one sentence; exit code 2
├── InvalidFiles            mistakes in what the user wrote, all at once, each with file and line
├── NotFound                a file, run, trial, agent, task or example that is not there
├── NotReady                a key, server, model, sandbox or library is missing: nothing was spent
│   ├── NotListed           its server does not name the model among those that it serves
│   └── NotTrusted          what lies in a folder wants to run code or to be sent a key, and nobody has allowed it
├── ToolError               a tool call that could not be done: the text goes to the model, the trial goes on
│   ├── OutsideWorkspace    a path leads out of the workspace
│   └── ProtectedPath       others execute or obey what is there, or secrets lie there
├── StoreError              the store cannot be read or written (disk full, no permission, damaged)
└── ProviderError           the vendor's API failed for good: the trial is "not measured"
    └── ContextTooLong      the prompt does not fit the model: the trial ends with `context_limit`

Interrupted is no error but a cancellation, which must go on as one: with it goes what a request had used.
"""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flatfield.records import Leftover, Mistake


class Remedy(StrEnum):
    """What helps, where each face has a name of its own for it; the value is the shell's."""

    LIST_AGENTS = "flatfield agents"
    LIST_TASKS = "flatfield tasks list"
    EVALUATE = "flatfield eval"
    REPORT = "flatfield report"


class FlatfieldError(Exception):
    """Base of all errors a user can cause or meet; `str(error)` is one clear sentence.

    It is put together of its arguments: texts, and steps, which `worded` tells in another face's words.
    """

    def __str__(self) -> str:
        return self.worded({})

    def worded(self, words: Mapping[Remedy, str]) -> str:
        """The sentence with a face's own words for the steps that it has."""
        return "".join(words.get(part, part) if isinstance(part, Remedy) else str(part) for part in self.args)


class InvalidFiles(FlatfieldError):
    """Mistakes in LOPs, HOPs, agent files or flatfield.toml; `mistakes` holds all of them."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(str(mistake) for mistake in self.mistakes))


class NotFound(FlatfieldError):
    """Something named by the user does not exist; the message lists what does."""


class NotReady(FlatfieldError):
    """An agent cannot run here and now; the message names the fix."""


class NotListed(NotReady):
    """A server does not name an agent's model among those that it serves; it may serve it all the same."""


class NotTrusted(NotReady):
    """A folder's contents want to run code or to be sent a key, and the user has not trusted the folder."""


class ToolError(FlatfieldError):
    """A tool call could not be done; the message tells the model what to do next."""


class OutsideWorkspace(ToolError):
    """A path leads out of the workspace that it must stay in."""


class ProtectedPath(ToolError):
    """In a user's own folder: others execute or obey what is at the path, or secrets lie there."""


class StoreError(FlatfieldError):
    """The store cannot be read or written."""


class ProviderError(FlatfieldError):
    """A request failed for good; `status` is the HTTP status, None when there was none; `left` is what it took."""

    def __init__(self, message: str, *, status: int | None = None, left: Leftover | None = None) -> None:
        super().__init__(message)
        from flatfield.records import Leftover  # what only prints help need not load it

        self.status = status
        self.left = left or Leftover()

    def retold(self, message: str, kind: type[ProviderError] | None = None) -> ProviderError:
        """The same failure in other words, or of another kind."""
        return (kind or type(self))(message, status=self.status, left=self.left)

    def having(self, left: Leftover) -> ProviderError:
        """The same failure of a request that took this."""
        return type(self)(str(self), status=self.status, left=left)


class ContextTooLong(ProviderError):
    """The conversation no longer fits the model's context."""


class Interrupted(asyncio.CancelledError):
    """A request was cancelled while it was under way; `left` is what it took until then."""

    def __init__(self, left: Leftover) -> None:
        self.left = left
        super().__init__()
