"""The calls that the shop makes."""

from {{package}} import log
from {{package}}.cache import Cache
from {{package}}.locks import KeyedLocks


class SoldOut(Exception):
    """The show has no free seat."""


class NotBooked(Exception):
    """The seat is not this customer's."""


class Seats:
    def __init__(self, storage):
        self._storage = storage
        self.locks = KeyedLocks()
        self._cache = Cache(storage.read)

    async def book(self, show, customer):
        """Book the first free seat; returns its number. Raises SoldOut."""
        show = show.lower()
        log.begin(f"book {show}")
        async with self.locks.hold(show):
            document = await self._storage.read(show)
            seat = _place(document, customer)
            await self._write(show, document)
        log.step(f"booked seat {seat}")
        return seat

    async def cancel(self, show, seat, customer):
        """Give a seat back. Raises NotBooked."""
        show = show.lower()
        log.begin(f"cancel {show}")
        async with self.locks.hold(show):
            document = await self._storage.read(show)
            _leave(document, seat, customer)
            await self._write(show, document)

    async def move(self, source, seat, target, customer):
        """Give a seat of one show back and book one of another. Raises NotBooked or SoldOut, and then nothing has changed."""
        source, target = source.lower(), target.lower()
        log.begin(f"move {source} {target}")
        async with self.locks.hold(source, target):
            first = await self._storage.read(source)
            _leave(first, seat, customer)
            second = first if source == target else await self._storage.read(target)
            new = _place(second, customer)
            await self._write(target, second)
            if source != target:
                await self._write(source, first)
        return new

    async def free(self, show):
        """How many seats are free."""
        log.begin(f"free {show.lower()}")
        document = await self._cache.get(show.lower())
        return document["seats"] - len(document["holders"])

    async def holders(self, show):
        """Customers by seat."""
        log.begin(f"holders {show.lower()}")
        return (await self._cache.get(show.lower()))["holders"]

    async def _write(self, show, document):
        try:
            await self._storage.write(show, document)
            log.step(f"written {show}")
        finally:
            self._cache.forget(show)


def _place(document, customer):
    for seat in range(1, document["seats"] + 1):
        if str(seat) not in document["holders"]:
            document["holders"][str(seat)] = customer
            return seat
    raise SoldOut


def _leave(document, seat, customer):
    if document["holders"].get(str(seat)) != customer:
        raise NotBooked
    del document["holders"][str(seat)]
