"""A tool hire written for version 2 of a library that has become version 3."""

import json

from shared import COMPANIES, PEOPLE, WORDS, code, draw, fill_tree, only, write


def build(seed, folder):
    rng = draw(seed, "adopt-api")
    package, library = rng.sample(WORDS, 2)
    ann, bob = rng.sample(PEOPLE, 2)
    minutes = rng.randint(1, 59)
    values = {
        "package": package + rng.choice(["hire", "tools", "rental"]),
        "lib": library + rng.choice(["kit", "base", "core"]),
        "company": rng.choice(COMPANIES),
        "version": f"{rng.randint(1, 6)}.{rng.randint(0, 9)}",
        "ann": ann,
        "bob": bob,
        "code": code(rng, 4),
        "other": code(rng, 5),
        "h": rng.randint(2, 9),
        "m": minutes,
        "m2": f"{minutes:02d}",
        "rate": rng.randint(4, 40) * 50,
        "sheet": rng.choice([8, 12, 14, 21, 24]),
    }
    fill_tree(folder, values)
    write(folder, {"names.json": json.dumps({"library": values["lib"]})})
    return only(values, "package", "lib")
