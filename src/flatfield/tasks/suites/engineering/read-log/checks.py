"""The five findings, a fifth of the score each."""

import json
from pathlib import Path

from checking import fields, graded, plain


def findings(trial, files):
    expected = json.loads((Path(__file__).parent / "expected.json").read_text())
    found = fields(trial.answer)
    return graded([(plain(found.get(name, "")) == str(value).lower(), name) for name, value in expected.items()])
