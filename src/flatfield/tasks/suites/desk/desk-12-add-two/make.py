"""What two depots have in stock."""

from making import GOODS, TOWNS, draw, text, write

LEAST, MOST = 3, 10


def build(seed, folder):
    rng = draw(seed, "desk-12-add-two")
    towns, goods = rng.sample(TOWNS, 2), rng.choice(GOODS)
    one, other = _carrying(rng)
    paths = [f"{town.lower()}.txt" for town in towns]
    files = {
        path: text([f"Depot: {town}", f"{goods}: {number}"])
        for path, town, number in zip(paths, towns, (one, other), strict=True)
    }
    write(folder, files, {"total": one + other, "parts": [one, other]})
    return {
        "first": paths[0],
        "second": paths[1],
        "goods": goods,
        "one": one,
        "other": other,
        "total": one + other,
        "not_carried": one + other - 10,
        "near": one + other + 1,
    }


def _carrying(rng):
    """Two different numbers of one digit whose sum has two."""
    while True:
        one, other = rng.sample(range(LEAST, MOST), 2)
        if one + other > 9:
            return one, other
