"""The diary of one thing that is hired out, its promises, and how a rewrite could break each of them."""

from shared import COMPANIES, WORDS, copy, draw, fill_tree, only, write

THINGS = ["court", "crane", "ferry", "hall", "kiln", "press", "studio", "van"]

# What a wrong implementation has in place of what the right one has.
MUTANTS = {
    "touching": ("start < other_end and other_start < end", "start <= other_end and other_start < end"),
    "surrounding": (
        "start < other_end and other_start < end",
        "other_start <= start < other_end or other_start < end <= other_end",
    ),
    "empty": ("if end <= start:", "if end < start:"),
    "hours": ("end > self.closes", "end > self.closes + 1"),
    "twice": ("del self._bookings[number]", "self._bookings.pop(number, None)"),
    "numbers": ("        number = self._next\n", "        number = len(self._bookings) + 1\n"),
    "refused": ("        self._check(start, end)\n", "        self._next += 1\n        self._check(start, end)\n        self._next -= 1\n"),
    "last_gap": ("        if at < self.closes:\n            gaps.append((at, self.closes))\n", ""),
    "window": ("max(0, min(end, until) - max(start, since))", "end - start if start < until and since < end else 0"),
}


def build(seed, folder):
    rng = draw(seed, "write-tests")
    opens = rng.randint(6, 10) * 60
    closes = opens + rng.randint(8, 11) * 60
    starts = [opens + 60 + step for step in rng.sample(range(0, 60, 5), 3)]
    values = {
        "package": rng.choice(WORDS) + "hire",
        "company": rng.choice(COMPANIES),
        "thing": rng.choice(THINGS),
        "opens": opens,
        "closes": closes,
        "start": starts[0],
        "length": rng.randint(5, 11) * 5,
        "first": "def test_overlaps():",
        "around": "        (START - 5, END + 5),\n",
    }
    right = (folder / "workspace" / "{{package}}" / "diary.py").read_text()
    wrong = {name: right.replace(old, new) for name, (old, new) in MUTANTS.items()}
    write(folder / "hidden" / "mutants", {f"{name}.txt": text for name, text in wrong.items()})
    write(folder / "hidden" / "right", {"given.txt": right})
    fill_tree(folder, values)
    return only(values, "package", "first", "around")
