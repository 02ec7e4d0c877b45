"""What a model asks of this machine, memory while it works and disk while it is pulled, and whether that is there."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from flatfield.errors import NotReady
from flatfield.machine.llama import DEFAULT_CONTEXT_TOKENS
from flatfield.machine.models import known
from flatfield.machine.models.known import known_model

if TYPE_CHECKING:
    from pathlib import Path

    from flatfield.machine.memory import Memory

Fit = Literal["yes", "not now", "no"]

_UNKNOWN_BESIDE_BYTES = 300_000_000
SPARE_DISK_BYTES = 32_000_000
"""What else is written during a pull: pip's own files, the file system's."""


class MemoryNeed(Struct, frozen=True, kw_only=True):
    """What a model is estimated to take: its file, its context's memory, llama.cpp's buffers and processor's copies.

    `is_least`: nobody has measured this model; its context is not counted.
    """

    file_bytes: int
    context_bytes: int
    beside_bytes: int
    is_least: bool = False

    @property
    def total_bytes(self) -> int:
        """All of it."""
        return self.file_bytes + self.context_bytes + self.beside_bytes

    def __str__(self) -> str:
        if self.is_least:
            parts = f"{_mb(self.file_bytes)} for the file, {_mb(self.beside_bytes)} beside it, and its context"
            return f"at least {_gb(self.total_bytes)} of memory to run ({parts})"
        return (
            f"about {_gb(self.total_bytes)} of memory to run ({_mb(self.file_bytes)} for the file, "
            f"{_mb(self.context_bytes)} for {DEFAULT_CONTEXT_TOKENS:,} tokens of context, {_mb(self.beside_bytes)} "
            "beside them)"
        )


def memory_need(name: str, size_bytes: int) -> MemoryNeed:
    """The estimate for a model of that name whose file has that size, with the context that it is started with."""
    model = known_model(name)
    if model is None:
        return MemoryNeed(file_bytes=size_bytes, context_bytes=0, beside_bytes=_UNKNOWN_BESIDE_BYTES, is_least=True)
    context_bytes = model.context_token_bytes * DEFAULT_CONTEXT_TOKENS
    return MemoryNeed(file_bytes=model.size_bytes, context_bytes=context_bytes, beside_bytes=model.beside_bytes)


def fit(need: MemoryNeed, memory: Memory | None) -> Fit | None:
    """Whether it fits: `not now` where other programs take up too much; None where nobody counts the memory."""
    if memory is None:
        return None
    if need.total_bytes > memory.total_bytes:
        return "no"
    if memory.available_bytes is not None and need.total_bytes > memory.available_bytes:
        return "not now"
    return "yes"


def require_memory(name: str, size_bytes: int, memory: Memory | None, *, anyway: bool) -> str:
    """Refuse a model that this machine cannot hold, unless `anyway`; what there is to know all the same, or "".

    Raises:
        NotReady: the figures, a smaller model, and how to pull it anyway.
    """
    need = memory_need(name, size_bytes)
    fits = fit(need, memory)
    if memory is None or fits in {None, "yes"}:
        return ""
    if fits == "not now":
        free = _gb(memory.available_bytes or 0)
        return f"{name} needs {need}; {free} of {_gb(memory.total_bytes)} are free now: end other programs to use it"
    whose = "its container may use" if memory.is_limited else "this machine has"
    short = f"{name} needs {need}, and {whose} {_gb(memory.total_bytes)}"
    if anyway:
        return f"{short}; it is pulled all the same"
    raise NotReady(f"{short}; {_smaller(need, memory)}, or pull it all the same with --anyway")


def require_disk(name: str, folder: Path, size_bytes: int, here_bytes: int, peak_bytes: int) -> None:
    """Refuse a pull that the disk under `folder` has no room for.

    `peak_bytes`: how much more than now is taken at most, for a file of that size of which so much is here.

    Raises:
        NotReady: the figures and the fix.
        OSError: the folder cannot be looked at.
    """
    free_bytes = shutil.disk_usage(folder).free
    needed_bytes = peak_bytes + SPARE_DISK_BYTES
    if free_bytes >= needed_bytes:
        return
    here = f", {_mb(here_bytes)} of it are here" if here_bytes else ""
    raise NotReady(
        f"pulling {name} (a file of {_mb(size_bytes)}{here}) takes up to {_mb(needed_bytes)} more at {folder}, where "
        f"{_mb(free_bytes)} are free; make {_mb(needed_bytes - free_bytes)} free there, or set FLATFIELD_CACHE to a "
        "folder on another disk"
    )


def _smaller(need: MemoryNeed, memory: Memory) -> str:
    """The largest known model that fits, in a clause."""
    needs = {model.name: memory_need(model.name, model.size_bytes).total_bytes for model in known.KNOWN}
    fitting = [name for name, bytes_ in needs.items() if bytes_ <= min(need.total_bytes - 1, memory.total_bytes)]
    if not fitting:
        return "no known model needs so little: give it more memory"
    best = max(fitting, key=needs.__getitem__)
    return f"pull {best} instead, which needs {_gb(needs[best])}"


def _mb(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.0f} MB"


def _gb(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.1f} GB"
