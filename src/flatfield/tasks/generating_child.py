"""Calls `build(seed, folder)` of a task's author in a process of its own: a job on stdin, its outcome on stdout.

Run as a script with the standard library alone, so that it starts fast. Both are JSON: a job has `file`, `function`,
`seed`, `folder` and `paths`; the outcome `values`, or `problem` with the `line` of the file that it came from.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any


def perform(job: dict[str, Any]) -> dict[str, Any]:
    """Load the file and call the function; whatever goes wrong becomes a `problem`."""
    sys.path[:0] = job["paths"]
    file = job["file"]
    try:
        spec = importlib.util.spec_from_file_location("make_task", file)
        if spec is None or spec.loader is None:
            return {"problem": "it is not a Python file", "line": 1}
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        function = getattr(module, job["function"], None)
        if not callable(function):
            return {"problem": f"it defines no function {job['function']}(seed, folder)", "line": 1}
        values = function(job["seed"], Path(job["folder"]))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever the author's code raises is the finding
        traceback.print_exc()
        lines = [frame.lineno or 1 for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
        last = traceback.format_exception_only(error)[-1].strip()
        return {"problem": last, "line": lines[-1] if lines else 1}
    line = getattr(getattr(function, "__code__", None), "co_firstlineno", 1)
    return _outcome(values, job["function"], line)


def _outcome(values: object, function: str, line: int) -> dict[str, Any]:
    if not isinstance(values, dict) or not all(isinstance(name, str) and name.isidentifier() for name in values):
        return {"problem": f"{function} returned {values!r:.100}, not a dict from names to values", "line": line}
    for name, value in values.items():
        try:
            same = json.loads(json.dumps(value, allow_nan=False)) == value
        except (TypeError, ValueError):
            same = False
        if not same:
            problem = f"{function} returned {value!r:.100} as {name!r}, not a text, number, list or dict of these"
            return {"problem": problem, "line": line}
    return {"values": values}


def main() -> None:
    """Read a job from stdin and write its outcome to stdout; what the author's code prints goes to stderr."""
    results = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    outcome = perform(json.load(sys.stdin))
    sys.stdout.flush()
    with results:
        results.write(json.dumps(outcome).encode())


if __name__ == "__main__":
    main()
