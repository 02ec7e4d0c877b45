"""Only the module was changed, tests apart."""

from checking import changed


def only_the_module(trial, files):
    touched = [path for path in changed(trial) if not path.startswith("tests/")]
    wrong = [path for path in touched if not path.endswith("/lengths.py") or path.count("/") != 1]
    if wrong:
        return 0.0, f"changed as well: {', '.join(wrong)}"
    return (1.0, "only the module was changed") if touched else (0.0, "nothing was changed")
