"""Files that each name the next one, and others that are not on the way."""

from making import WORDS, codes, draw, text, write

HOPS = 2
BESIDE = 3  # files that nothing leads to, with a code each


def build(seed, folder):
    rng = draw(seed, "desk-10-follow-pointers")
    names = [f"{word}.txt" for word in rng.sample(WORDS, HOPS + BESIDE)]
    chain, beside = ["start.txt", *names[:HOPS]], names[HOPS:]
    code, *others = codes(rng, 1 + BESIDE)
    files = {name: text([f"The code is not here. Read {after}."]) for name, after in zip(chain, chain[1:])}
    files |= {name: text([f"The code is {each}."]) for name, each in zip([chain[-1], *beside], [code, *others], strict=True)}
    write(folder, files, {"code": code})
    return {
        "steps": [*({"read_file": {"file_path": name}} for name in chain), {"answer": code}],
        "code": code,
        "next": chain[1],
        "other": others[0],
        "all": ", ".join(sorted([code, *others])),
    }
