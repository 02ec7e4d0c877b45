"""audit.json against all violations: precision and recall over all, and how many rules are right as a whole."""

import json
from pathlib import Path


def found(trial, files):
    named, right = _named(files), _right()
    hits = len(named & right)
    precision, recall = hits / max(1, len(named)), hits / len(right)
    score = 2 * precision * recall / (precision + recall) if hits else 0.0
    return score, f"{hits} of {len(right)} violations found, {len(named) - hits} reported that are none"


def rules(trial, files):
    named, right = _named(files), _right()
    every = sorted({rule for rule, _, _ in right})
    whole = [rule for rule in every if _of(rule, named) == _of(rule, right)]
    return len(whole) / len(every), f"right as a whole: {', '.join(whole) or 'no rule'}"


def _of(rule, places):
    return {place for place in places if place[0] == rule}


def _right():
    places = json.loads((Path(__file__).parent / "expected.json").read_text())
    return {(place["rule"], place["path"], place["line"]) for place in places}


def _named(files):
    audit = files.read_json("audit.json")
    listed = audit.get("violations") if isinstance(audit, dict) else None
    if not isinstance(listed, list):
        return set()
    return {
        (str(place.get("rule")).strip(), str(place.get("path")).strip().removeprefix("./"), place.get("line"))
        for place in listed
        if isinstance(place, dict) and isinstance(place.get("line"), int)
    }
