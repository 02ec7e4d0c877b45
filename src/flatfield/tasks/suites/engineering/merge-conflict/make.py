"""A boat hire's prices, with the conflicts of two branches and how they are resolved."""

import json

from shared import COMPANIES, PEOPLE, WORDS, draw, fill, fill_tree, only, write


def build(seed, folder):
    rng = draw(seed, "merge-conflict")
    boats = rng.sample(["canoe", "dinghy", "kayak", "punt", "raft", "skiff", "yawl"], 2)
    day, other = rng.randint(20, 60) * 100, rng.randint(61, 99) * 100
    v = {
        "package": rng.choice(WORDS) + "boats",
        "company": rng.choice(COMPANIES),
        "ours": f"deposit-{rng.randint(10, 99)}",
        "theirs": f"weekly-{rng.randint(10, 99)}",
        "boat": boats[0],
        "second": boats[1],
        "day": day,
        "other": other,
        "deposit": rng.randint(10, 90) * 500,
        "week": rng.choice([5, 6, 7, 8]),
        "percent": rng.choice([5, 10, 15, 20, 25]),
        "person": rng.choice(PEOPLE),
        "version": f"1.{rng.randint(2, 9)}",
    }
    v["both"] = day + v["deposit"]
    v["entry"] = f"- Deposits of {v['deposit']} cents can be taken ({v['person']}).\n"
    v["entry_2"] = f"- {v['percent']} percent off from {v['week']} days on.\n"
    fill_tree(folder, v)
    conflicts = {path: fill(text, v) for path, text in _files(v).items()}
    write(folder / "workspace", {path: _conflict(text, v) for path, text in conflicts.items()})
    write(folder / "solution", {path: _merged(text) for path, text in conflicts.items()})
    entries = [v["entry"].strip(), v["entry_2"].strip(), OLDER, "- The first version that was used."]
    tests = _merged(conflicts["tests/test_rates.py"])
    write(folder, {"names.json": json.dumps({"entries": entries, "tests": tests})})
    return only(v, "package", "ours", "theirs", "entry")


def _conflict(text, v):
    """`@ours`, `@theirs`, `@merged` and `@end` lines become what git leaves behind."""
    out, skipping = [], False
    for line in text.splitlines():
        if line == "@ours":
            out.append(f"<<<<<<< {v['ours']}")
        elif line == "@theirs":
            out.append("=======")
        elif line == "@merged":
            out.append(f">>>>>>> {v['theirs']}")
            skipping = True
        elif line == "@end":
            skipping = False
        elif not skipping:
            out.append(line)
    return "\n".join(out) + "\n"


def _merged(text):
    out, keeping = [], True
    for line in text.splitlines():
        if line in ("@ours", "@theirs"):
            keeping = False
        elif line in ("@merged", "@end"):
            keeping = True
        elif keeping:
            out.append(line)
    return "\n".join(out) + "\n"


def _files(v):
    return {f"{v['package']}/rates.py": RATES, f"{v['package']}/cli.py": CLI, "tests/test_rates.py": TESTS, "CHANGES.md": CHANGES}


OLDER = "- The fleet is listed in alphabetical order."
CHANGES = """# Changes

## {{version}}

@ours
{{entry}}@theirs
{{entry_2}}@merged
{{entry}}{{entry_2}}@end
- The fleet is listed in alphabetical order.

## 1.1

- The first version that was used.
"""
RATES = '''"""What a hire costs, in cents."""

from {{package}}.fleet import DAY_CENTS

@ours
DEPOSIT_CENTS = {{deposit}}
@theirs
WEEK = {{week}}
WEEK_PERCENT = {{percent}}
@merged
DEPOSIT_CENTS = {{deposit}}
WEEK = {{week}}
WEEK_PERCENT = {{percent}}
@end


@ours
def cost(boat, days, deposit=False):
    """The cost of a boat for some days, with the deposit where it is taken."""
@theirs
def cost(boat, days):
    """The cost of a boat for some days; whole weeks are cheaper."""
@merged
def cost(boat, days, deposit=False):
    """The cost of a boat for some days; whole weeks are cheaper, and the deposit comes on top."""
@end
    if days < 1:
        raise ValueError("a hire takes a day or more")
@ours
    total = DAY_CENTS[boat] * days
    return total + DEPOSIT_CENTS if deposit else total
@theirs
    total = DAY_CENTS[boat] * days
    if days >= WEEK:
        total = total * (100 - WEEK_PERCENT) // 100
    return total
@merged
    total = DAY_CENTS[boat] * days
    if days >= WEEK:
        total = total * (100 - WEEK_PERCENT) // 100
    return total + DEPOSIT_CENTS if deposit else total
@end
'''
CLI = '''"""The command line: `BOAT DAYS`."""

from {{package}}.rates import cost


@ours
def main(arguments):
    """What is printed for `BOAT DAYS [--deposit]`."""
    deposit = "--deposit" in arguments
    boat, days = [part for part in arguments if part != "--deposit"]
    return f"{boat}: {cost(boat, int(days), deposit=deposit)} cents"
@theirs
def main(arguments):
    """What is printed for `BOAT DAYS`, DAYS being a number of days or, as `2w`, of weeks of seven days."""
    boat, days = arguments
    number = int(days[:-1]) * 7 if days.endswith("w") else int(days)
    return f"{boat}: {cost(boat, number)} cents"
@merged
def main(arguments):
    """What is printed for `BOAT DAYS [--deposit]`, DAYS being a number of days or, as `2w`, of weeks of seven days."""
    deposit = "--deposit" in arguments
    boat, days = [part for part in arguments if part != "--deposit"]
    number = int(days[:-1]) * 7 if days.endswith("w") else int(days)
    return f"{boat}: {cost(boat, number, deposit=deposit)} cents"
@end
'''
TESTS = '''from {{package}}.cli import main
from {{package}}.rates import cost


def test_a_day():
    assert cost("{{boat}}", 1) == {{day}}


@ours
def test_deposits():
    assert cost("{{boat}}", 1, deposit=True) == {{day}} + {{deposit}}
    assert main(["{{boat}}", "1", "--deposit"]) == "{{boat}}: {{both}} cents"
@theirs
def test_weeks():
    assert cost("{{boat}}", {{week}}) == {{day}} * {{week}} * (100 - {{percent}}) // 100
    assert main(["{{boat}}", "2w"]) == main(["{{boat}}", "14"])
@merged
def test_deposits():
    assert cost("{{boat}}", 1, deposit=True) == {{day}} + {{deposit}}
    assert main(["{{boat}}", "1", "--deposit"]) == "{{boat}}: {{both}} cents"


def test_weeks():
    assert cost("{{boat}}", {{week}}) == {{day}} * {{week}} * (100 - {{percent}}) // 100
    assert main(["{{boat}}", "2w"]) == main(["{{boat}}", "14"])
@end
'''
