"""A folder with files of several kinds."""

from making import WORDS, draw, text, write

FILES = 5
WANTED = 2
KINDS = [".csv", ".md", ".txt"]


def build(seed, folder):
    rng = draw(seed, "desk-03-list-folder")
    where, *words = rng.sample(WORDS, FILES + 1)
    kind = rng.choice(KINDS)
    others = [each for each in KINDS if each != kind]
    names = [f"{word}{kind if at < WANTED else others[at % 2]}" for at, word in enumerate(words)]
    right = names[:WANTED]
    write(folder, {f"{where}/{name}": text([name]) for name in names}, {"names": right})
    return {
        "folder": where,
        "kind": kind,
        "right": ", ".join(sorted(right)),
        "one": right[0],
        "other": names[-1],
        "all": ", ".join(sorted(names)),
    }
