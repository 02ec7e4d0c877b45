"""A box office with one fault in its locks and one in what it remembers, and the log of an evening with both."""

from datetime import datetime, timedelta

from shared import COMPANIES, PEOPLE, WORDS, draw, fill_tree, only, write

GIVE = {
    "at once": "self._locks.pop(name, None)\n        lock.release()",
    "when it seems free": "lock.release()\n        if not lock.locked():\n            self._locks.pop(name, None)",
}
WRITE = """try:
            await self._storage.write(show, document)
            log.step(f"written {show}")
        finally:
            self._cache.forget(show)"""
WRITE_EARLY = """self._cache.forget(show)
        await self._storage.write(show, document)
        log.step(f"written {show}")"""
SYMPTOMS = {
    "stale": "the screen at the entrance goes on showing an old number of free seats, until the next seat of that show is sold. It shows only at busy times",
    "early": "the number of free seats on the screen at the entrance stays one too high after a sale, until the next one. It happens perhaps once in a thousand sales",
    "shared": "the program at the door, which takes each guest who has come in off its list of `holders`, makes seats free: `free` goes up while guests come in",
}


def build(seed, folder):
    rng = draw(seed, "race-condition")
    fault = rng.choice(sorted(SYMPTOMS))
    shows = rng.sample(WORDS, 5)
    customers = rng.sample(PEOPLE, 2)
    seat = rng.randint(12, 38)
    values = {
        "package": rng.choice(["box", "stage", "foyer", "ticket"]) + rng.choice(["office", "desk", "house"]),
        "company": rng.choice(COMPANIES),
        "year": rng.randint(2027, 2030),
        "give": GIVE[rng.choice(sorted(GIVE))],
        "cache": (folder / "cache" / f"{fault}.py").read_text(),
        "write": WRITE_EARLY if fault == "early" else WRITE,
        "symptom": SYMPTOMS[fault],
        "show": shows[0].capitalize(),
        "second": shows[1].capitalize(),
        "ann": customers[0],
        "bob": customers[1],
        "small": rng.randint(2, 5),
    }
    values["cache"] = values["cache"].replace("{{package}}", values["package"])
    write(folder / "workspace", {"logs/saturday.log": _log(rng, shows, seat, fault)})
    fill_tree(folder, values)
    return only(values, "package", "company", "symptom", "show", "second", "ann", "bob")


def _log(rng, shows, seat, fault):
    """Calls one after the other, and between them the two evenings' misfortunes."""
    calls, number = [], rng.randint(200, 900)
    for at in range(90):
        number += 1
        show = rng.choice(shows)
        if at == 37:
            calls.append(_collision(number, shows[0], seat))
            number += 2
        elif at == 64:
            calls.append(_remembered(number, shows[1], rng.randint(40, 60), fault))
            number += 2
        elif at % 3 == 0:
            calls.append([f"c{number} free {show}", f"c{number} cache has {show}"])
        else:
            calls.append(_booking(number, show, rng.randint(2, 60)))
    now, lines = datetime(2031, 5, 3, 19, rng.randint(0, 50)), []
    for line in [line for call in calls for line in call]:
        now += timedelta(milliseconds=rng.randint(1, 40))
        lines.append(f"{now:%H:%M:%S}.{now.microsecond // 1000:03d} {line}\n")
    return "".join(lines)


def _booking(number, show, seat):
    steps = [f"book {show}", f"holds {show}", f"written {show}", f"cache forgets {show}", f"gives {show}", f"booked seat {seat}"]
    return [f"c{number} {step}" for step in steps]


def _collision(number, show, seat):
    """Three at once: the third gets in with the second."""
    one, two, three = (_booking(number + at, show, seat + (at > 0)) for at in range(3))
    return [one[0], one[1], two[0], one[2], one[3], one[4], three[0], three[1], two[1], one[5], *two[2:4], *three[2:4], two[4], two[5], *three[4:]]


def _remembered(number, show, seat, fault):
    booking = _booking(number, show, seat)
    read = [f"c{number + 1} {step}" for step in (f"free {show}", f"cache reads {show}", f"cache keeps {show}")]
    later = [f"c{number + 2} free {show}", f"c{number + 2} cache has {show}"]
    if fault == "stale":
        return [*booking[:2], *read[:2], *booking[2:5], read[2], booking[5], *later]
    if fault == "early":
        early = [booking[0], booking[1], booking[3], *read, booking[2], *booking[4:]]
        return [*early, *later]
    return [*booking, f"c{number + 1} holders {show}", f"c{number + 1} cache has {show}", *later]
