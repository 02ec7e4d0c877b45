"""The four values of the answer."""

import json
from pathlib import Path

from checking import fields, graded, plain


def settings(trial, files):
    expected = json.loads((Path(__file__).parent / "expected.json").read_text())
    found = fields(trial.answer)
    return graded([(_same(found.get(name, ""), value), name) for name, value in expected.items()])


def _same(found, expected):
    found = plain(found)
    try:
        return float(found.removesuffix("seconds").removesuffix("s")) == float(expected)
    except ValueError:
        return found == str(expected).lower()
