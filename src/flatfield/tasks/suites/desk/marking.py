"""What the suite's `checks.py` files share: strict about what a prompt asks, easy about what it leaves open."""

import json
import re
from pathlib import Path

CODE = r"[A-Z]{2}-[0-9]{4}"
FILE = r"[\w-]+\.(?:csv|md|txt)"
NUMBER = r"-?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?"


def expected(checks):
    """What `making.write` left beside a task's checks, of which `checks` is the file."""
    return json.loads((Path(checks).parent / "expected.json").read_text("utf-8"))


def lines(files, path):
    """A file's lines; their ends may be those of Windows, and how many line ends close the last one is open."""
    return files.read_text(path).replace("\r\n", "\n").rstrip("\n").split("\n")


def spoilt(trial, *paths):
    """(0, reason) when a file that was to be left alone was not, else None."""
    touched = sorted(change.path for change in trial.changes if change.path in paths)
    return (0.0, f"changed: {', '.join(touched)}") if touched else None


def same(path, found, wanted):
    """(score, reason) of lines that must all be right."""
    for at, (left, right) in enumerate(zip(found, wanted), 1):
        if left != right:
            return 0.0, f"{path}, line {at}: {left!r}, wanted {right!r}"
    if len(found) != len(wanted):
        return 0.0, f"{path} has {len(found)} lines, wanted {len(wanted)}"
    return 1.0, f"{path} is right"


def named(answer, shape):
    """All that an answer names of a shape; case and what stands around it are open."""
    return {match.upper() for match in re.findall(rf"(?<![\w-]){shape}(?![\w-])", answer, re.IGNORECASE)}


def meant(answer, value):
    """Whether an answer that names a value says that it is the one: it does not deny it and does not ask."""
    value = re.escape(value)
    no = r"(?:\b(?:not|never|neither|nor|cannot|except|without|(?:other|rather)\s+than|instead\s+of)\b|n['’]t\b)"
    denied = rf"{no}[^.,;:!?\n]{{0,60}}{value}|{value}\W{{0,4}}(?:(?:is|was)\s+not|isn['’]t|wasn['’]t)\b"
    return not re.search(rf"(?i){denied}|{value}[^\w\n]{{0,4}}\?", answer)


def only(answer, shape, wanted):
    """(score, reason) of an answer that has to name one thing of a shape and no other."""
    found = named(answer, shape)
    if found != {wanted.upper()}:
        return 0.0, f"the answer names {', '.join(sorted(found)) or 'none'}, wanted {wanted}"
    return (1.0, f"the answer is {wanted}") if meant(answer, wanted) else (0.0, f"the answer does not say {wanted}")


def pairs(files, path):
    """The JSON object of a file as a dict; None where it is none, or names a key twice."""
    files.read_json(path)
    twice = []

    def once(found):
        twice.append(len(found) != len(dict(found)))
        return dict(found)

    value = json.loads(files.read_text(path), object_pairs_hook=once)
    return value if isinstance(value, dict) and not any(twice) else None
