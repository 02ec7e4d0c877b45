"""The four values of the answer."""

import json
from decimal import Decimal
from pathlib import Path

from checking import fields, graded, number, plain


def settings(trial, files):
    expected = json.loads((Path(__file__).parent / "expected.json").read_text())
    found = fields(trial.answer)
    return graded([(_same(name, plain(found.get(name, "")), value), name) for name, value in expected.items()])


def _same(name, found, expected):
    if isinstance(expected, str):
        return found == expected.lower()
    if name == "timeout_seconds":
        found = found.removesuffix("seconds").removesuffix("s")
    return number(found) == Decimal(str(expected))
