"""Lengths in four units that no other mill has."""

from shared import COMPANIES, WORDS, draw, fill_tree, only

NAMES = "bolt cord dram ell fold gore hank knot loop pick quill reel skein twist warp yoke".split()


def build(seed, folder):
    rng = draw(seed, "implement-spec")
    names = rng.sample(NAMES, 4)
    while len({name[0] for name in names}) < 4:
        names = rng.sample(NAMES, 4)
    steps = [rng.randint(4, 19) for _ in range(3)]
    sizes = [steps[0] * steps[1] * steps[2], steps[1] * steps[2], steps[2], 1]
    values = {"package": rng.choice(WORDS) + "mill", "company": rng.choice(COMPANIES)}
    for letter, name, size in zip("abcd", names, sizes, strict=True):
        values |= {f"name_{letter}": name, f"unit_{letter}": name[0], f"size_{letter}": size}
    for letter, step in zip("abc", steps, strict=True):
        values[f"step_{letter}"] = step
        values[f"full_{letter}"] = step - 1
    values["example"] = 2 * sizes[0] + 3
    fill_tree(folder, values)
    return only(values, "package", "unit_d")
