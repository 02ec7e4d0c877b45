"""A list of people and their towns."""

from making import PEOPLE, TOWNS, draw, text, write

LINES = 4


def build(seed, folder):
    rng = draw(seed, "desk-08-first-last")
    lines = [f"{person}, {town}" for person, town in zip(rng.sample(PEOPLE, LINES), rng.sample(TOWNS, LINES), strict=True)]
    write(folder, {"names.txt": text(lines)}, {"first": lines[0], "last": lines[-1]})
    return {"first": lines[0], "last": lines[-1], "last_but_one": lines[-2], "names": text(lines)}
