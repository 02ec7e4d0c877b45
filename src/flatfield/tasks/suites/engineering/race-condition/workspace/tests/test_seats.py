import asyncio

import pytest
from {{package}}.seats import NotBooked, Seats, SoldOut
from {{package}}.storage import Memory


def shop():
    return Seats(Memory({"{{show}}".lower(): {"seats": {{small}}, "holders": {}}, "{{second}}".lower(): {"seats": 1, "holders": {}}}))


async def evening():
    seats = shop()
    assert await seats.book("{{show}}", "{{ann}}") == 1
    assert await seats.book("{{second}}", "{{bob}}") == 1
    assert await seats.free("{{show}}") == {{small}} - 1
    with pytest.raises(SoldOut):
        await seats.move("{{show}}", 1, "{{second}}", "{{ann}}")
    with pytest.raises(NotBooked):
        await seats.cancel("{{show}}", 1, "{{bob}}")
    await seats.cancel("{{second}}", 1, "{{bob}}")
    assert await seats.move("{{show}}", 1, "{{second}}", "{{ann}}") == 1
    assert await seats.holders("{{second}}") == {"1": "{{ann}}"}


def test_an_evening():
    asyncio.run(evening())
