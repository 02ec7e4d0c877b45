"""A log of deliveries, and the next one."""

from making import GOODS, TOWNS, draw, text, write

LINES = 5


def build(seed, folder):
    rng = draw(seed, "desk-06-append-line")
    towns, goods = rng.sample(TOWNS, LINES + 1), rng.sample(GOODS, LINES + 1)
    hours = sorted(rng.sample(range(7, 19), LINES + 1))
    *old, line = [
        f"{hour:02d}:{rng.randint(10, 59)} {rng.randint(12, 98)} {name} to {town}"
        for hour, name, town in zip(hours, goods, towns, strict=True)
    ]
    write(folder, {"log.txt": text(old)}, {"log": [*old, line]})
    return {
        "line": line,
        "log": text([*old, line]),
        "on_top": text([line, *old]),
        "shortened": text([*old[1:], line]),
    }
