"""Settings, and two of their keys."""

import json

from making import GOODS, PEOPLE, TOWNS, WORDS, draw, write

OTHERS = 2  # keys beside the two


def build(seed, folder):
    rng = draw(seed, "desk-07-rename-key")
    old, new, twin = rng.sample(WORDS, 3)
    value = rng.randint(120, 980)
    others = {"town": rng.choice(TOWNS), "owner": rng.choice(PEOPLE), "goods": rng.choice(GOODS)}
    entries = [(old, value), (twin, rng.randint(12, 98)), *list(others.items())[:OTHERS]]
    rng.shuffle(entries)
    renamed = {new if key == old else key: each for key, each in entries}
    write(folder, {"settings.json": json.dumps(dict(entries), indent=2) + "\n"}, {"settings": renamed})
    return {"old": old, "new": new, "twin": twin, "value": value}
