"""Orders of many towns through four stages, one of which is wrong for one order."""

import json

from shared import COMPANIES, TOWNS, code, days, draw, fill_tree, only, write

GOOD = {
    "clean": 'text.replace(".", "").replace(",", ".")',
    "convert": "rates[(order[\"currency\"], order[\"day\"][:7])]",
    "dedupe": '(order["id"], order["line"])',
}
BAD = {
    "clean": 'text.replace(".", "", 1).replace(",", ".")',
    "convert": "rates[(order[\"currency\"], first_month)]",
    "dedupe": 'order["id"]',
}
CURRENCIES = ["EUR", "SEK", "CHF", "PLN"]


def build(seed, folder):
    rng = draw(seed, "trace-number")
    stage = rng.choice(sorted(GOOD))
    towns = rng.sample(TOWNS, 6)
    months = sorted({day.isoformat()[:7] for day in days(rng, "2031-01-10", 30, (2, 4))})[:3]
    rates = {(money, month): 10000 if money == "EUR" else rng.randint(800, 9800) for money in CURRENCIES for month in months}
    orders = [_order(rng, rng.choice(towns), months, at) for at in range(160)]
    special = orders[rng.randint(40, 120)]
    special |= _special(rng, stage, months)
    repeated = [dict(rng.choice(orders[:30])) for _ in range(6)]
    if stage == "dedupe":
        # The same id with another line number is another order; elsewhere each id has one line.
        twin = orders[orders.index(special) - 1]
        special |= {"id": twin["id"], "line": 2}
    rows = orders[:80] + repeated[:3] + orders[80:] + repeated[3:]
    right = _cents(special, rates)
    wrong = _wrong(stage, special, rates, months)
    total = sum(_cents(order, rates) for order in orders if order["town"] == special["town"])
    values = {name: BAD[name] if name == stage else GOOD[name] for name in GOOD}
    order = f"{special['id']}/{special['line']}"
    finding = {"stage": stage, "order": order, "wrong_cents": wrong, "right_cents": right}
    values |= {
        "company": rng.choice(COMPANIES),
        "town": special["town"],
        "reported": total - right + wrong,
        "correct": total,
        "file": f"{stage}.py",
        "stage": stage,
        "bad": BAD[stage],
        "good": GOOD[stage],
        "finding": finding,
        "finding_text": json.dumps(finding),
        "order": order,
        "another": f"{special['id']}/9",
        "source": "orders.csv",
        "row": _row(special),
        "row_patched": _row(special | ({"id": special["id"] + "X"} if stage == "dedupe" else _plain(special, right))),
    }
    lines = ["id;line;day;town;currency;amount", *map(_row, rows)]
    table = ["currency,month,ten_thousandths", *(f"{money},{month},{rate}" for (money, month), rate in rates.items())]
    write(folder / "workspace" / "data", {"orders.csv": "\n".join(lines) + "\n", "rates.csv": "\n".join(table) + "\n"})
    fill_tree(folder, values)
    names = ("company", "town", "reported", "correct", "file", "stage", "bad", "good", "finding", "finding_text")
    return only(values, *names, "order", "another", "source", "row", "row_patched")


def _order(rng, town, months, at):
    return {
        "id": f"{code(rng, 4)}{at:03d}",
        "line": 1,
        "day": f"{rng.choice(months[:1])}-{rng.randint(1, 28):02d}",
        "town": town,
        "currency": rng.choice(CURRENCIES),
        "cents": rng.randint(500, 90000000 if at % 9 == 0 else 900000),
    }


def _special(rng, stage, months):
    if stage == "clean":
        return {"cents": rng.randint(110000000, 980000000), "currency": "EUR"}
    if stage == "convert":
        return {"day": f"{months[1]}-{rng.randint(1, 28):02d}", "currency": rng.choice(CURRENCIES[1:])}
    return {}


def _cents(order, rates):
    return order["cents"] * rates[order["currency"], order["day"][:7]] // 10000


def _wrong(stage, order, rates, months):
    if stage == "convert":
        return order["cents"] * rates[order["currency"], months[0]] // 10000
    return 0


def _plain(order, right):
    return {"currency": "EUR", "cents": right} if order["currency"] != "EUR" else {"cents": order["cents"] % 100000}


def _row(order):
    whole, cents = divmod(order["cents"], 100)
    return f"{order['id']};{order['line']};{order['day']};{order['town']};{order['currency']};{whole:,}".replace(",", ".") + f",{cents:02d}"
