"""The tests are there, and nothing else was touched."""

from checking import others

TESTS = "tests/test_diary.py"


def only_the_tests(trial, files):
    touched = others(trial, TESTS)
    if touched:
        return 0.0, f"touched as well: {', '.join(touched)}"
    return (1.0, "only the tests were written") if files.exists(TESTS) else (0.0, f"there is no {TESTS}")
