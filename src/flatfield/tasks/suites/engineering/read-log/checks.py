"""The five findings, a fifth of the score each."""

import json
from pathlib import Path

from checking import fields, graded, number, plain


def findings(trial, files):
    expected = json.loads((Path(__file__).parent / "expected.json").read_text())
    found = fields(trial.answer)
    return graded([(_same(plain(found.get(name, "")), value), name) for name, value in expected.items()])


def _same(found, expected):
    return number(found) == expected if isinstance(expected, int) else found == expected.lower()
