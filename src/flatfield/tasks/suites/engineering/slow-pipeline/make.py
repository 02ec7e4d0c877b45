"""A night's payments and invoices, and which invoice is paid in part."""

from shared import COMPANIES, PEOPLE, WORDS, draw, fill_tree, only


def build(seed, folder):
    rng = draw(seed, "slow-pipeline")
    ann, bob = rng.sample(PEOPLE, 2)
    which = rng.choice(["smallest", "largest"])
    cents = rng.randint(20, 900) * 100 + rng.choice([0, 50, 95, 99])
    before = rng.randint(8, 30) * 100
    values = {
        "package": rng.choice(WORDS) + rng.choice(["pay", "books", "dues"]),
        "company": rng.choice(COMPANIES),
        "ann": ann,
        "bob": bob,
        "number": rng.choice(["R-", "INV", "F/31/", "2031-"]),
        "cents": cents,
        "more": cents + rng.randint(500, 90000),
        "which": which,
        "sign": "" if which == "smallest" else "-",
        "largest_first": which == "largest",
        "before": f"{before:,}",
        "after": f"{before * rng.randint(80, 120):,}",
        "largest": f"{before * rng.randint(20, 40):,}",
    }
    fill_tree(folder, values)
    return only(values, "package", "company", "before", "after", "largest")
