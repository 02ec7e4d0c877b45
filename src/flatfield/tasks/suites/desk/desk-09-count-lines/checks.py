"""One line with one number; words beside the number are left open."""

from marking import NUMBER, expected, lines, named, spoilt


def the_count(trial, files):
    if problem := spoilt(trial, "parcels.txt"):
        return problem
    wanted = str(expected(__file__)["late"])
    found = [line for line in lines(files, "count.txt") if line.strip()]
    if len(found) != 1:
        return 0.0, f"count.txt has {len(found)} lines, wanted 1"
    return (1.0, f"count.txt holds {wanted}") if named(found[0], NUMBER) == {wanted} else (0.0, f"count.txt: wanted {wanted}")
