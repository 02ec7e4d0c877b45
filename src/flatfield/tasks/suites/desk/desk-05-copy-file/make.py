"""A packing list in two parts, with indented lines."""

from making import GOODS, PEOPLE, TOWNS, draw, text, write

ITEMS = 2  # of each part


def build(seed, folder):
    rng = draw(seed, "desk-05-copy-file")
    towns, goods = rng.sample(TOWNS, 2), rng.sample(GOODS, 2 * ITEMS)
    lines = []
    for at, town in enumerate(towns):
        lines.append(f"{town}:")
        lines += [f"  - {rng.randint(12, 98)} {name}" for name in goods[at * ITEMS : (at + 1) * ITEMS]]
    lines.append(f"Packed by {rng.choice(PEOPLE)}")
    write(folder, {"list.txt": text(lines)}, {"list": lines})
    return {"list": text(lines), "flat": text(line.strip() for line in lines), "short": text(lines[:-1])}
