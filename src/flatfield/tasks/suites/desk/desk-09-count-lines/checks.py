"""Two lines with a number each, each half of the score; words beside a number are left open."""

from marking import NUMBER, expected, lines, named, spoilt


def the_counts(trial, files):
    if problem := spoilt(trial, "parcels.txt"):
        return problem
    wanted = expected(__file__)
    found = [line for line in lines(files, "counts.txt") if line.strip()]
    if len(found) != 2:
        return 0.0, f"counts.txt has {len(found)} lines, wanted 2"
    wrong = [word for word, line in zip(("late", "lost"), found) if named(line, NUMBER) != {str(wanted[word])}]
    return 1 - len(wrong) / 2, f"counts.txt: wrong for {' and '.join(wrong)}" if wrong else "counts.txt is right"
