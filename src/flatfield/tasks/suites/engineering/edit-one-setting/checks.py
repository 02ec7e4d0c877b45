"""The one file is as it must be, byte for byte, and no other was touched."""

import json
from pathlib import Path

from checking import others


def one_line(trial, files):
    expected = json.loads((Path(__file__).parent / "expected.json").read_text())
    elsewhere = others(trial, expected["path"])
    if elsewhere:
        return 0.0, f"touched as well: {', '.join(elsewhere)}"
    text = files.read_bytes(expected["path"])
    if text == expected["text"].encode():
        return 1.0, "one line is changed"
    wrong = [line for line in text.decode(errors="replace").split("\n") if line not in expected["text"].split("\n")]
    return 0.0, f"{expected['path']} differs: {wrong[:3]!r}"
