"""A tenth is lost with each instruction that was not followed; the two that forbid something count once the work has begun."""

import json
from pathlib import Path

from checking import changed, graded

OUT = ["out/summary.md", "out/oldest.json", "out/towns.txt", "out/active.csv"]


def twelve(trial, files):
    want = json.loads((Path(__file__).parent / "expected.json").read_text())
    summary = _text(files, "out/summary.md")
    lines, wanted = summary.split("\n"), want["summary"].split("\n")
    touched = changed(trial)
    begun = any(path in touched for path in OUT)
    body = lines[4:-2] if len(lines) > 6 else []
    return _tenths(
        [
            (lines[0] == wanted[0], "1 heading"),
            (lines[1:3] == wanted[1:3], "2 count"),
            (lines[3:4] == [""] and body == wanted[4:-2], "3 list"),
            (len(lines) > 2 and lines[-2:] == wanted[-2:], "4 last line"),
            (_text(files, "out/oldest.json").removesuffix("\n") == want["oldest"], "5 oldest.json"),
            (_text(files, "out/towns.txt").removesuffix("\n") == want["towns"], "6 towns.txt"),
            (_text(files, "out/active.csv").removesuffix("\n") == want["active"], "7 active.csv"),
            (_kept(files, "notes/todo.txt") == want["todo"], "8 todo.txt"),
            (_kept(files, "notes/log.txt").removesuffix("\n") == want["log"].removesuffix("\n"), "9 log.txt"),
            (begun and set(touched) <= {*OUT, "notes/todo.txt", "notes/log.txt", "data/members.csv"}, "10 no other"),
            (begun and "data/members.csv" not in touched, "11 data as it was"),
            (trial.answer.strip() == want["answer"], "12 answer"),
        ]
    )


def _tenths(parts):
    score, reason = graded(parts)
    return max(0.0, 1 - 0.1 * round((1 - score) * len(parts))), reason


def _kept(files, path):
    """The text of a file that was there before, with its line ends as they are: they are to be left alone too."""
    return files.read_text(path) if files.exists(path) else ""


def _text(files, path):
    return files.read_text(path).replace("\r\n", "\n") if files.exists(path) else ""
