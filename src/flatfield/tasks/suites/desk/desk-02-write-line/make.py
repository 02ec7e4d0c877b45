"""A line that is to be written as it is."""

from making import GOODS, PEOPLE, TOWNS, draw, write


def build(seed, folder):
    rng = draw(seed, "desk-02-write-line")
    town, person, goods, amount = rng.choice(TOWNS), rng.choice(PEOPLE), rng.choice(GOODS), rng.randint(12, 98)
    line = f"{amount} {goods} for {person} in {town}"
    path = f"{town.lower()}.txt"
    write(folder, {}, {"path": path, "line": line})
    return {"path": path, "line": line, "wrong": line.replace(str(amount), str(amount + 1))}
