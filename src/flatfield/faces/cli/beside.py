"""What is said beside the result: when nobody is left to read it, that costs no result."""

from __future__ import annotations

import io
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO, cast

if TYPE_CHECKING:
    from collections.abc import Iterable


def forgiving(stream: TextIO | None) -> TextIO:
    """The stream, but what cannot be written to it is dropped: its terminal or its reader is gone, or it is closed."""
    if stream is None:
        stream = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - lives as long as the process
    return cast("TextIO", _Forgiving(stream))


class _Forgiving:
    """All that a text stream is, but writing never fails."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write it, or drop it."""
        with suppress(OSError, ValueError):
            return self._stream.write(text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write them, or drop them."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flush as far as that goes."""
        with suppress(OSError, ValueError):
            self._stream.flush()

    def fileno(self) -> int:
        """The descriptor.

        Raises:
            io.UnsupportedOperation: there is none any more.
        """
        try:
            return self._stream.fileno()
        except ValueError as error:
            raise io.UnsupportedOperation(str(error)) from None

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the stream has
        return getattr(self._stream, name)
