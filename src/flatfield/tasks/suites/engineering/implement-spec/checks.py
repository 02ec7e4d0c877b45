"""Only the module was changed; tests of one's own may be added."""

from checking import changed


def only_the_module(trial, files):
    added = {change.path for change in trial.changes if change.kind == "added"}
    touched = [path for path in changed(trial) if not (path in added and path.startswith("tests/"))]
    wrong = [path for path in touched if path in added or not path.endswith("/lengths.py")]
    if wrong:
        return 0.0, f"changed as well: {', '.join(wrong)}"
    return (1.0, "only the module was changed") if touched else (0.0, "nothing was changed")
