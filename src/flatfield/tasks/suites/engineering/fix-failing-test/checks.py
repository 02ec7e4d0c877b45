"""The tests are as they were, and the package was changed."""

from checking import changed


def tests_kept(trial, files):
    touched = changed(trial)
    tests = [path for path in touched if path.startswith("tests/")]
    if tests:
        return 0.0, f"changed in tests/: {', '.join(tests)}"
    return (1.0, "tests/ is as it was") if touched else (0.0, "nothing was changed")
