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


class Arrivals:
    """When what was last read from each open socket of a session came in, by the clock that all else is timed by."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last: dict[int, float] = {}

    def socket(self, family: int, kind: int, protocol: int = 0) -> TimedSocket:
        """A new socket that tells us; only the machine's own clock goes with the kernel's timestamps."""
        made = TimedSocket(family, kind, protocol)
        made.arrivals = self
        if sys.platform == "linux" and platform.machine() in MACHINES and isinstance(self._clock, SystemClock):
            with suppress(OSError):
                made.setsockopt(socket.SOL_SOCKET, TIMESTAMPS, 1)
                made.is_stamped = True
        return made

    def note(self, descriptor: int, late_seconds: float) -> None:
        """What was read from a socket just now came in so many seconds ago."""
        self._last[descriptor] = self._clock.now() - late_seconds

    def forget(self, descriptor: int) -> None:
        """The socket is closed: its descriptor may be another one's next."""
        self._last.pop(descriptor, None)

    def last(self, descriptor: int) -> float:
        """When what was last read came in, as far as that is known: at the latest now."""
        now = self._clock.now()
        return min(now, self._last.get(descriptor, now))


class TimedSocket(socket.socket):
    """A socket that tells `arrivals` when what is read from it came in.

    Without timestamps that is when it is read, which is still before the task that waits for it has its turn.
    """

    arrivals: Arrivals
    is_stamped = False

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """Read, and note when that came in."""
        if not self.is_stamped:
            data = super().recv(size, flags)
            self._note(())
            return data
        data, aside, _, _ = self.recvmsg(size, ASIDE_BYTES, flags)
        self._note(aside)
        return data

    def recv_into(self, buffer: Any, size: int = 0, flags: int = 0) -> int:  # noqa: ANN401 - what can be written to
        """Read into a buffer, and note when that came in."""
        if not self.is_stamped or size:
            count = super().recv_into(buffer, size, flags)
            self._note(())
            return count
        count, aside, _, _ = self.recvmsg_into([buffer], ASIDE_BYTES, flags)
        self._note(aside)
        return count

    def close(self) -> None:
        """Close it, and have it forgotten."""
        self.arrivals.forget(self.fileno())
        super().close()

    def _note(self, aside: Sequence[tuple[int, int, bytes]]) -> None:
        self.arrivals.note(self.fileno(), next(map(_late_seconds, aside), 0.0))


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
