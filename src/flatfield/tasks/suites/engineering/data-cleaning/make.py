"""Sales of three offices that write dates, amounts, names and nothing at all in their own ways."""

import json
from datetime import date, timedelta

from shared import COMPANIES, GOODS, PEOPLE, TOWNS, code, draw, write

COUNT = 70
CURRENCIES = {"€": "EUR", "$": "USD", "£": "GBP"}
MISSING = ["", "-", "n/a", "N/A", "NULL", "null", " - "]


def build(seed, folder):
    rng = draw(seed, "data-cleaning")
    export = f"{rng.choice(GOODS)}-sales"
    people = [f"{first} {last}" for first, last in zip(rng.sample(PEOPLE, 20), rng.sample(COMPANIES, 20), strict=True)]
    regions = rng.sample(TOWNS, 5)
    start = date(rng.randint(2029, 2032), rng.randint(1, 6), 1)
    keys = [(f"{code(rng, 2)}{number}", rng.randint(1, 3)) for number in rng.sample(range(100, 999), COUNT)]
    records = [_record(rng, key, people, regions, start) for key in keys]
    rows = [_row(rng, record, at) for at, record in enumerate(records)]
    older = [_older(rng, record) for record in rng.sample(records, 9)]
    # Three of them stand before their newer copy, the others anywhere: neither the first nor the last is always right.
    copies = [_row(rng, record, at) for at, record in enumerate(older)]
    everything = copies[:3] + rows + copies[3:]
    head, tail = everything[:3], everything[3:]
    rng.shuffle(tail)
    everything = head + tail
    for at in range(5):
        everything.insert(rng.randint(5, len(everything)), _rejected(rng, people, regions, start, at))
    text = "\n".join(["order;line;customer;date;amount;region;updated", *(";".join(row["cells"]) for row in everything)])
    write(folder / "workspace", {f"data/{export}.csv": text + "\n", "README.md": README.format(export=export)})
    rejected = [at + 2 for at, row in enumerate(everything) if row["record"] is None]
    clean = _sorted(records)
    write(folder, {"expected.json": json.dumps({"clean": clean, "rejected": rejected, "export": f"data/{export}.csv"})})
    return {
        "company": rng.choice(COMPANIES),
        "export": export,
        "clean": json.dumps([_public(record) for record in clean], indent=1),
        "rejected": json.dumps(rejected),
        "rejected_wrong": json.dumps([number - 1 for number in rejected]),
        "first_line": ";".join(everything[0]["cells"]),
        **_wrong(records, older, everything),
    }


def _wrong(records, older, everything):
    clean = _sorted(records)
    stale = {(record["order"], record["line"]): record for record in older}
    first = next(at for at, r in enumerate(clean) if r["region"] is None)
    order = [row["record"] for row in everything if row["record"]]

    def text(change):
        return json.dumps([_public(change(dict(record), at)) for at, record in enumerate(clean)])

    return {
        "with_duplicates": json.dumps([_public(record) for record in _sorted([*records, *older])]),
        "first_of_duplicates": text(lambda r, _: stale.get((r["order"], r["line"]), r) | {"date": r["date"]}),
        "wrong_dates": text(lambda r, _: r | {"date": r["date"][:5] + r["date"][8:] + r["date"][4:7]}),
        "wrong_points": text(lambda r, _: r | {"cents": r["cents"] // 1000} if r["currency"] == "EUR" else r),
        "wrong_signs": text(lambda r, _: r | {"cents": abs(r["cents"])}),
        "wrong_currency": text(lambda r, _: r | {"currency": "USD" if r["currency"] == "GBP" else r["currency"]}),
        "wrong_missing": text(lambda r, at: r | {"region": "n/a"} if at == first else r),
        "wrong_names": text(lambda r, at: r | {"customer": r["customer"].replace(" ", "  ")} if at == first else r),
        "unsorted": json.dumps([_public(r) for r in clean[1:2] + clean[:1] + clean[2:]]),
        "another_field": text(lambda r, at: r | {"note": ""} if at == first else r),
    }


def _public(record):
    return {name: value for name, value in record.items() if name != "updated"}


def _sorted(records):
    return sorted(records, key=lambda r: (r["date"], r["order"], r["line"]))


def _record(rng, key, people, regions, start):
    return {
        "order": key[0],
        "line": key[1],
        "customer": rng.choice(people),
        "date": (start + timedelta(days=rng.randint(0, 180))).isoformat(),
        "cents": _cents(rng),
        "currency": rng.choice(sorted(CURRENCIES.values())),
        "region": rng.choice([*regions, None]),
        "updated": f"2033-{rng.randint(4, 12):02d}-{rng.randint(1, 28):02d} {rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}",
    }


def _cents(rng):
    """Small and large amounts, some of them below zero, some of them whole euros."""
    cents = rng.randint(500, 60000) * rng.choice([1, 1, 37])
    return (cents // 100 * 100 if rng.random() < 0.25 else cents) * rng.choice([1, 1, 1, -1])


def _older(rng, record):
    """The same line of an order as it stood earlier, in all its fields."""
    return record | {
        "cents": record["cents"] + rng.randint(100, 9000),
        "updated": f"2033-0{rng.randint(1, 3)}-{rng.randint(1, 28):02d} {rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}",
    }


def _row(rng, record, at):
    year, month, day = record["date"].split("-")
    named = date.fromisoformat(record["date"]).strftime("%b")
    dates = [record["date"], f"{day}.{month}.{year}", f"{month}/{day}/{year}", f"{int(day)} {named} {year}"]
    order = record["order"].lower() if at % 5 == 1 else record["order"]
    customer = record["customer"]
    customer = {2: f"  {customer}", 5: customer.replace(" ", "  "), 8: f"{customer} "}.get(at % 9, customer)
    region = record["region"] or rng.choice(MISSING)
    cells = [order if at % 7 else f" {order} ", str(record["line"]), customer, dates[at % 4], _amount(record, at), region, record["updated"]]
    return {"record": record, "cells": cells}


def _amount(record, at):
    sign = next(sign for sign, name in CURRENCIES.items() if name == record["currency"])
    whole, cents = divmod(abs(record["cents"]), 100)
    text = f"{whole:,}" if cents == 0 else f"{whole:,}.{cents:02d}"
    if sign == "€":
        text = text.translate(str.maketrans(",.", ".,"))
    text = f"{sign}{text}" if at % 2 else f"{text} {sign}"
    return f"({text})" if record["cents"] < 0 else text


def _rejected(rng, people, regions, start, at):
    row = _row(rng, _record(rng, (code(rng, 5), 1), people, regions, start), at)
    column = [4, 3, 0, 4, 3][at]
    row["cells"][column] = ["n/a", "-", "", "", "NULL"][at]
    return {"record": None, "cells": row["cells"]}


README = """# Cleaning the sales of the offices

`data/{export}.csv` has columns separated by `;`. A record of `clean.json` has exactly these keys:

| key | what it is |
|---|---|
| `order` | text: the order's number in capitals |
| `line` | whole number |
| `customer` | text |
| `date` | text, YYYY-MM-DD |
| `cents` | whole number: the amount in hundredths of its currency |
| `currency` | `EUR`, `USD` or `GBP` |
| `region` | text, or null where it is missing |

1. White space at the ends of a value does not count. Inside a customer's name, several spaces become one.
2. Dates are written as `2031-04-09`, `09.04.2031` (day first), `04/09/2031` (month first) or `9 Apr 2031`. All four mean the
   same day.
3. Amounts have a currency sign before or after them: `€` EUR, `$` USD, `£` GBP. With `€`, the point separates thousands and the
   comma the cents; with `$` and `£`, the other way round. Cents may be left out: `€1.200` is 1200 euros. Brackets around an
   amount make it negative.
4. A value is missing when it is empty, `-`, `n/a` or `null`, in any case.
5. Records with the same `order` (compared in capitals) and `line` are the same. The one with the latest `updated` counts.
6. A record without an order, a date or an amount is rejected. `rejected.json` names its line in the file; the header is line 1.
   It is in ascending order.
7. `clean.json` is sorted by `date`, then `order`, then `line`.
"""
