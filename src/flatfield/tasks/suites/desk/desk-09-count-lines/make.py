"""Parcels that have arrived, are late or are lost."""

from making import PEOPLE, TOWNS, draw, text, write

FEWEST, MOST = 2, 4  # of those that are late
OTHERS = ["arrived", "arrived", "lost"]


def build(seed, folder):
    rng = draw(seed, "desk-09-count-lines")
    late = rng.randint(FEWEST, MOST)
    states = ["late"] * late + OTHERS
    who = zip(rng.sample(PEOPLE, len(states)), rng.sample(TOWNS, len(states)), states, strict=True)
    lines = [f"{person}, {town}: {state}" for person, town, state in who]
    write(folder, {"parcels.txt": text(lines)}, {"late": late})
    return {
        "late": late,
        "too_many": late + 1,
        "all": len(lines),
        "lines": text(line for line in lines if line.endswith("late")),
    }
