"""audit.json against all violations: precision and recall over all, how many rules are right as a whole, nothing else."""

import json
from pathlib import Path

from checking import changed

AUDIT = "audit.json"


def found(trial, files):
    named, right = _named(files), _right()
    hits = len(set(named) & set(right))
    precision, recall = hits / max(1, len(named)), hits / len(right)
    score = 2 * precision * recall / (precision + recall) if hits else 0.0
    return score, f"{hits} of {len(right)} violations found, {len(named) - hits} reported that are none, or twice"


def rules(trial, files):
    """What is reported of no rule at all counts like a rule that is wrong."""
    named, right = _named(files), _right()
    every = sorted({rule for rule, _, _ in right})
    whole = [rule for rule in every if _of(rule, named) == _of(rule, right)]
    stray = any(place[0] not in every for place in named)
    return len(whole) / (len(every) + stray), f"right as a whole: {', '.join(whole) or 'no rule'}"


def nothing_else(trial, files):
    touched = changed(trial)
    if AUDIT not in touched:
        return 0.0, f"there is no {AUDIT}"
    if list(files.read_json(AUDIT)) != ["violations"]:
        return 0.0, f"{AUDIT} has other keys than violations"
    others = [path for path in touched if path != AUDIT]
    return (0.0, f"{', '.join(others[:5])} changed as well") if others else (1.0, f"{AUDIT} alone was written")


def _of(rule, places):
    return sorted(place for place in places if place[0] == rule)


def _right():
    places = json.loads((Path(__file__).parent / "expected.json").read_text())
    return [(place["rule"], place["path"], place["line"]) for place in places]


def _named(files):
    """(rule, path, line) of each entry; one that is none of these is ("", "", 0), and reported wrongly like any other."""
    audit = files.read_json(AUDIT)
    listed = audit.get("violations") if isinstance(audit, dict) else None
    return [_place(entry) for entry in listed] if isinstance(listed, list) else []


def _place(entry):
    if not isinstance(entry, dict) or type(entry.get("line")) is not int:
        return "", "", 0
    return str(entry.get("rule")).strip(), str(entry.get("path")).strip().removeprefix("./"), entry["line"]
