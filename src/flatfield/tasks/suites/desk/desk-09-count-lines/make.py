"""Parcels that have arrived, are late or are lost."""

from making import PEOPLE, TOWNS, draw, text, write

FEWEST, MOST = 2, 6  # late, and lost
ARRIVED = 3


def build(seed, folder):
    rng = draw(seed, "desk-09-count-lines")
    late, lost = rng.sample(range(FEWEST, MOST + 1), 2)
    states = ["late"] * late + ["lost"] * lost + ["arrived"] * ARRIVED
    rng.shuffle(states)
    who = zip(rng.sample(PEOPLE, len(states)), rng.sample(TOWNS, len(states)), states, strict=True)
    lines = [f"{person}, {town}: {state}" for person, town, state in who]
    write(folder, {"parcels.txt": text(lines)}, {"late": late, "lost": lost})
    return {
        "late": late,
        "lost": lost,
        "too_many": late + 1,
        "lines": text(line for line in lines if line.endswith("late")),
    }
