"""The stock, the audit log and the inbox are as after one import that nothing disturbed."""

import json
from pathlib import Path

from checking import changed, graded


def booked(trial, files):
    want = json.loads((Path(__file__).parent / "expected.json").read_text())
    log = files.read_text("var/audit.log").splitlines()
    touched = changed(trial)
    if not any(line.split()[:3:2] == ["import", want["log"][-1].split()[2]] for line in log):
        return 0.0, "the delivery was not imported"
    return graded(
        [
            (_stock(files) == want["stock"], "stock"),
            (log == want["log"], "audit log"),
            (not files.exists("var/lock") and not files.exists("var/journal.jsonl"), "lock and journal"),
            (not [path for path in touched if path.startswith("inbox/")], "inbox"),
            (not [path for path in touched if path.startswith(("tests/", *want["tables"]))], "tests and tables"),
        ]
    )


def _stock(files):
    try:
        return {item: grams for item, grams in files.read_json("var/stock.json").items() if grams}
    except (ValueError, AttributeError):
        return None
