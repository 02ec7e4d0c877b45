"""The carry and the receipt at the end of the chain."""

import json
from pathlib import Path

from checking import fields, number, plain


def arrived(trial, files):
    expected = json.loads((Path(__file__).parent / "expected.json").read_text())
    found = fields(trial.answer)
    carry, receipt = plain(found.get("carry", "")), plain(found.get("receipt", ""))
    if receipt != expected["receipt"].lower():
        cards = expected["receipts"]
        at = next((number for number, code in enumerate(cards) if code.lower() == receipt), None)
        where = "of no card on the way" if at is None else f"of card {at + 1} of {len(cards)}"
        return 0.0, f"the receipt {receipt or '(none)'} is {where}"
    if number(carry) != expected["carry"]:
        return 0.0, f"the carry is {expected['carry']}, not {carry or '(none)'}"
    return 1.0, "arrived with the right carry"
