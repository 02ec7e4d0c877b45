"""Each rule of README.md counts alike, and is held against all records that it touches."""

import json
import re
from pathlib import Path

from checking import changed, graded

KEYS = ["order", "line", "customer", "date", "cents", "currency", "region"]


def cleaned(trial, files):
    want = json.loads((Path(__file__).parent / "expected.json").read_text())
    clean = [{key: record[key] for key in KEYS} for record in want["clean"]]
    found = files.read_json("clean.json")
    if not isinstance(found, list) or not all(isinstance(record, dict) for record in found):
        return 0.0, "clean.json is no array of objects"
    pairs = _pairs(found, clean)
    if 2 * len(pairs) < len(clean):
        return 0.0, f"only {len(pairs)} of {len(clean)} records are there by their order and line"
    kept = not any(path.startswith("data/") or path == "README.md" for path in changed(trial))
    keys = [(str(record.get("order")), str(record.get("line"))) for record in found]
    right_keys = {(record["order"], str(record["line"])) for record in clean}
    return graded(
        [
            (right_keys == set(keys) and len(keys) == len(right_keys), "5, 6 the records, each once"),
            (all(_typed(record) for record in found), "the schema's keys and types"),
            (_same(pairs, "customer"), "1 names"),
            (_same(pairs, "date"), "2 dates"),
            (_amounts(pairs), "3, 5 amounts"),
            (_same(pairs, "currency"), "3 currencies"),
            (_same(pairs, "region"), "4 missing values"),
            (_rejected(files) == want["rejected"], "6 rejected lines"),
            (keys == sorted(keys, key=_order(found)), "7 order"),
            (kept, "data/ and README.md left as they were"),
        ]
    )


def _pairs(found, clean):
    by_key = {(str(record.get("order")), str(record.get("line"))): record for record in found}
    return [(by_key[key], r) for r in clean if (key := (r["order"], str(r["line"]))) in by_key]


def _same(pairs, key):
    return all(record.get(key) == right[key] for record, right in pairs)


def _amounts(pairs):
    return all(type(record.get("cents")) is int and record["cents"] == right["cents"] for record, right in pairs)


def _order(found):
    """The rank of each key by what its own record says: order is held apart from whether dates are right."""
    ranks = {}
    for record in found:
        line = record.get("line")
        ranks[str(record.get("order")), str(line)] = (
            str(record.get("date")), str(record.get("order")), line if isinstance(line, int) else 0
        )
    return ranks.__getitem__


def _typed(record):
    return (
        set(record) == set(KEYS)
        and type(record["line"]) is int
        and isinstance(record["order"], str)
        and re.fullmatch(r"\d{4}-\d\d-\d\d", str(record["date"])) is not None
        and record["currency"] in ("EUR", "USD", "GBP")
    )


def _rejected(files):
    try:
        return files.read_json("rejected.json")
    except (FileNotFoundError, ValueError):
        return None
