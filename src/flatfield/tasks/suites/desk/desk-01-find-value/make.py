"""Towns and the codes of their depots."""

from making import TOWNS, codes, draw, text, write

LINES = 6


def build(seed, folder):
    rng = draw(seed, "desk-01-find-value")
    towns, all_codes = rng.sample(TOWNS, LINES), codes(rng, LINES)
    at = rng.randint(2, LINES - 2)
    lines = [f"{town}: {code}" for town, code in zip(towns, all_codes, strict=True)]
    write(folder, {"codes.txt": text(lines)}, {"code": all_codes[at]})
    return {"town": towns[at], "code": all_codes[at], "other": all_codes[at - 1], "all": "\n".join(lines)}
