"""When the bytes of replies came in, by the kernel's clock: what keeps the event loop busy makes no model slower."""

from __future__ import annotations

import platform
import socket
import struct
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from flatfield.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Sequence

    import aiohttp

    from flatfield.clock import Clock

TIMESTAMPS = 35
"""Linux' SO_TIMESTAMPNS, which Python does not name: with what is read comes when the last of it arrived."""
MACHINES = frozenset({"x86_64", "aarch64", "arm64", "riscv64", "s390x", "ppc64le"})
"""Where it has that number, and a timestamp is two longs."""
STAMP = struct.Struct("ll")
ASIDE_BYTES = socket.CMSG_SPACE(STAMP.size) if hasattr(socket, "CMSG_SPACE") else 0
MOST_SECONDS = 60.0
"""Nothing waits for so long in the kernel: the wall clock was set meanwhile."""

_arrived: dict[int, float] = {}
"""By file descriptor, when what was last read from it came in, by the clock of its socket."""


class TimedSocket(socket.socket):
    """A socket that notes when what is read from it came in.

    Without timestamps that is when it is read, which is still before the task that waits for it has its turn.
    """

    _clock: Clock
    _is_stamped = False

    def told(self, clock: Clock) -> TimedSocket:
        """The same, with the clock that everything else is timed by; only the machine's own goes with timestamps."""
        self._clock = clock
        if sys.platform == "linux" and platform.machine() in MACHINES and isinstance(clock, SystemClock):
            with suppress(OSError):
                self.setsockopt(socket.SOL_SOCKET, TIMESTAMPS, 1)
                self._is_stamped = True
        return self

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """Read, and note when that came in."""
        if not self._is_stamped:
            data = super().recv(size, flags)
            self._note(())
            return data
        data, aside, _, _ = self.recvmsg(size, ASIDE_BYTES, flags)
        self._note(aside)
        return data

    def recv_into(self, buffer: Any, size: int = 0, flags: int = 0) -> int:  # noqa: ANN401 - what can be written to
        """Read into a buffer, and note when that came in."""
        if not self._is_stamped or size:
            count = super().recv_into(buffer, size, flags)
            self._note(())
            return count
        count, aside, _, _ = self.recvmsg_into([buffer], ASIDE_BYTES, flags)
        self._note(aside)
        return count

    def _note(self, aside: Sequence[tuple[int, int, bytes]]) -> None:
        _arrived[self.fileno()] = self._clock.now() - next(map(_late_seconds, aside), 0.0)


def _late_seconds(message: tuple[int, int, bytes]) -> float:
    """How long ago something arrived."""
    level, kind, data = message
    if (level, kind) != (socket.SOL_SOCKET, TIMESTAMPS) or len(data) != STAMP.size:
        return 0.0
    whole, nanoseconds = STAMP.unpack(data)
    late_seconds = time.time() - whole - nanoseconds / 1e9
    return late_seconds if 0.0 < late_seconds < MOST_SECONDS else 0.0


def descriptor_of(response: aiohttp.ClientResponse) -> int:
    """The file descriptor that a reply is read from; -1 where its connection is given back already."""
    transport = response.connection.transport if response.connection else None
    found = transport.get_extra_info("socket") if transport else None
    return found.fileno() if found else -1


def arrived(descriptor: int, now: float) -> float:
    """When what was last read came in, as far as that is known: at the latest now."""
    return min(now, _arrived.get(descriptor, now))
