"""The answer names the files and no others; one that is not named costs its share, one that is wrong everything."""

from marking import FILE, expected, meant, named


def the_files(trial, files):
    wanted = {name.upper() for name in expected(__file__)["names"]}
    found = named(trial.answer, FILE)
    wrong = sorted(found - wanted) + [name for name in sorted(found & wanted) if not meant(trial.answer, name)]
    if wrong or not found:
        return 0.0, f"wrongly named: {', '.join(wrong)}" if wrong else "the answer names no file"
    missing = sorted(wanted - found)
    return 1 - len(missing) / len(wanted), f"not named: {', '.join(missing)}" if missing else "all are named"
