"""Pages of the same form, one for each depot."""

from making import GOODS, PEOPLE, TOWNS, WORDS, draw, text, write

FILES = 3


def build(seed, folder):
    rng = draw(seed, "desk-11-find-and-fix")
    right, *towns = rng.sample(TOWNS, FILES + 1)
    paths = sorted(f"pages/{word}.txt" for word in rng.sample(WORDS, FILES))
    goods, people = rng.sample(GOODS, FILES), rng.sample(PEOPLE, FILES)
    pages = {
        path: [f"Goods: {goods[at]}", f"Town: {towns[at]}", f"Keeper: {people[at]}"] for at, path in enumerate(paths)
    }
    # Not the first one, so that one look is not enough.
    at = rng.randint(1, FILES - 1)
    mended = [line.replace(towns[at], right) for line in pages[paths[at]]]
    files = {path: text(lines) for path, lines in pages.items()}
    write(folder, files, {"path": paths[at], "page": mended})
    return {
        "pages": f"{', '.join(paths[:-1])} and {paths[-1]}",
        "path": paths[at],
        "wrong": towns[at],
        "right": right,
        "other": paths[0],
        "other_town": towns[0],
        "shortened": text(mended[:-1]),
    }
