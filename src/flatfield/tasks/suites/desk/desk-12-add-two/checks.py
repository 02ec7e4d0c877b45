"""The sum stands in the file and in the answer."""

from marking import NUMBER, expected, meant, named


def the_file(trial, files):
    total = str(expected(__file__)["total"])
    found = files.read_text("total.txt").strip()
    return (1.0, f"total.txt holds {total}") if found == total else (0.0, f"total.txt holds {found[:60]!r}, wanted {total}")


def the_answer(trial, files):
    wanted = expected(__file__)
    total = str(wanted["total"])
    # A sum that is written out names its parts; a single digit counts something else ("the 2 depots").
    parts = {str(part) for part in wanted["parts"]}
    found = {number for number in named(trial.answer, NUMBER) if len(number) > 1} - parts
    if found != {total}:
        return 0.0, f"the answer names {', '.join(sorted(found)) or 'no sum'}, wanted {total}"
    return (1.0, f"the answer is {total}") if meant(trial.answer, total) else (0.0, f"the answer does not say {total}")
