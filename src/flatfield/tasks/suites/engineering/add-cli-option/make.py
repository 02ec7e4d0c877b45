"""A tool that lists what lies in a warehouse, and the option that it lacks."""

import json

from shared import COMPANIES, GOODS, TOWNS, WORDS, draw, fill_tree, only, write

QUANTITIES = ["weight", "pieces", "volume", "pallets"]


def build(seed, folder):
    rng = draw(seed, "add-cli-option")
    quantity = rng.choice(QUANTITIES)
    prefix = rng.choice(["min", "least", "from"])
    towns = rng.sample(TOWNS, 3)
    numbers = rng.sample(range(12, 90), 7)
    # One line of nothing shows whether the default hides it.
    rows = [(good, towns[at % 3], number) for at, (good, number) in enumerate(zip(rng.sample(GOODS, 8), [0, *numbers], strict=True))]
    rng.shuffle(rows)
    edge = sorted(numbers)[3]
    values = {
        "package": rng.choice(WORDS) + "stores",
        "company": rng.choice(COMPANIES),
        "quantity": quantity,
        "option": f"{prefix}-{quantity}",
        "name": f"{prefix}_{quantity}",
        "short": prefix[0],
        "code": rng.randint(3, 9),
        "help": f"list only lines with a {quantity} of N or more",
        "last_row": "| `--reverse`, `-r` | the other way round |",
        "new_row": f"| `--{prefix}-{quantity} N`, `-{prefix[0]} N` | only lines with a {quantity} of N or more |",
        "town": next(town for _, town, number in rows if number == edge),
        "edge": edge,
        "rows": repr(rows),
        "first_town": towns[0],
    }
    lines = [f"good;town;{quantity}", *(";".join(map(str, row)) for row in rows)]
    write(folder / "workspace" / "data", {"stores.csv": "\n".join(lines) + "\n"})
    write(folder, {"names.json": json.dumps({"option": f"--{values['option']}"})})
    fill_tree(folder, values)
    names = ("package", "option", "short", "quantity", "code", "help", "last_row", "new_row")
    return only(values, *names)
