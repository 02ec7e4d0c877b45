"""Two lines, each half of the score; more or fewer lines are none."""

from marking import expected, lines, spoilt


def the_ends(trial, files):
    if problem := spoilt(trial, "names.txt"):
        return problem
    wanted = expected(__file__)
    found = [line.strip() for line in lines(files, "ends.txt")]
    if len(found) != 2:
        return 0.0, f"ends.txt has {len(found)} lines, wanted 2"
    wrong = [name for name, line in zip(("first", "last"), found) if line != wanted[name]]
    return 1 - len(wrong) / 2, f"ends.txt: not the {' and not the '.join(wrong)} line" if wrong else "ends.txt is right"
