"""Vouchers that are filed by the balances that come of posting them, and that refer to one another."""

import json

from shared import COMPANIES, code, draw, write

LENGTH = 38
ACCOUNTS = ["bank", "cash", "equipment", "loan", "stock", "wages"]
DRAWERS = 30
IN_A_DRAWER = 8
# What each voucher of the chain is; the others are transfers. A void one is named by an earlier voucher.
KINDS = {
    "copy": [3, 8, 14, 18, 23, 27, 31, 35],
    "share": [2, 6, 11, 16, 21, 26, 30, 34],
    "reverse": [9, 15, 20, 25, 29, 33],
    "void": [4, 12, 22],
    "nothing": [13, 28],
}
VOIDED = {10: 4, 19: 12}  # the voucher: the one that makes it void; the void of 22 names one that never comes


def build(seed, folder):
    rng = draw(seed, "long-ledger")
    while True:
        books = Books(rng)
        try:
            books.keep()
        except Stuck:
            continue
        break
    files = {_path(place): "\n".join([f"voucher {_name(place)}", *lines, ""]) for place, lines in books.filed.items()}
    files |= {"RULES.md": RULES, "opening.txt": books.opening}
    write(folder / "workspace", files)
    balances = {name: _money(cents, "") for name, cents in sorted(books.balances.items())}
    expected = {"balances": balances, "posted": books.posted, "seal": books.seal, "length": LENGTH}
    write(folder, {"expected.json": json.dumps(expected)})
    closing = _closing(books.balances, books.posted, books.seal)
    reads = [{"read_file": {"file_path": path}} for path in ["RULES.md", "opening.txt", *map(_path, books.read)]]
    off = books.balances | {"loan": books.balances["loan"] + 1}
    return {
        "steps": [*reads, {"write_file": {"file_path": "closing.json", "content": closing}}, {"answer": "Closed."}],
        "company": rng.choice(COMPANIES),
        "closing": closing,
        "a_cent_off": _closing(off, books.posted, books.seal),
        "void_posted": _closing(books.moved(books.balances, books.skipped), books.posted, books.seal),
        "miscounted": _closing(books.balances, LENGTH, books.seal),
        "early": _closing(books.before, books.posted - 1, books.seal),
        "left_out": _closing({k: v for k, v in books.balances.items() if k != "wages"}, books.posted, books.seal),
        "twice": closing.replace('{"balances": {', '{"balances": {"bank": 1.00, '),
        "other_digits": closing.replace(f'"posted": {books.posted}', f'"posted": "{_other_digits(books.posted)}"'),
        "invented": _closing(books.balances, books.posted, code(rng)),
    }


class Stuck(Exception):
    """The numbers drawn lead to a place that is taken, or to a balance below nothing."""


class Books:
    """Draws one voucher after the other and posts it, as a reader will."""

    def __init__(self, rng):
        self.rng = rng
        self.balances = {name: rng.randint(300000, 990000) for name in ACCOUNTS}
        self.filed, self.read, self.chain = {}, [], []
        self.reversed = []
        self.moves = {}  # (from, to, cents) by the number of the voucher
        self.posted, self.skipped, self.before = 0, None, None
        self.seal = code(rng)

    def keep(self):
        drawer, account = self._following()
        self.opening = "".join(f"{name}: {_money(cents)}\n" for name, cents in sorted(self.balances.items()))
        self.opening += f"\nfirst: drawer {drawer}, control {account}\n"
        for number in range(LENGTH):
            place = (drawer, self.balances[account] % 100)
            if place in self.filed:
                raise Stuck
            self.chain.append(place)
            self.read.append(place)
            self.before = dict(self.balances)
            line, move = self._voucher(number)
            self._post(number, move)
            drawer, account = self._following()
            end = f"seal: {self.seal}\nThe books are closed." if number == LENGTH - 1 else f"next: drawer {drawer}, control {account}"
            self.filed[place] = [line, end]
        for number, by in VOIDED.items():
            self.filed[self.chain[by]][0] = f"void: {_name(self.chain[number])}"
        self._fill()

    def moved(self, balances, move):
        source, target, cents = move
        return balances | {source: balances[source] - cents, target: balances[target] + cents}

    def _post(self, number, move):
        if number in VOIDED:
            self.skipped = move
        elif move:
            self.balances = self.moved(self.balances, move)
            self.moves[number] = move
            self.posted += 1
        if min(self.balances.values()) < 20000:
            raise Stuck

    def _voucher(self, number):
        """(line, what it moves) of a voucher of the chain."""
        kind = next((kind for kind, numbers in KINDS.items() if number in numbers), "transfer")
        if kind == "copy":
            return self._copy(self.rng.choice([1, 1, 2, 3]))
        if kind == "share":
            return self._share()
        if kind == "reverse":
            taken = KINDS["reverse"] + self.reversed
            earlier = self.rng.choice([n for n in self.moves if n < number - 3 and n not in taken][-9:])
            self.reversed.append(earlier)
            source, target, cents = self.moves[earlier]
            return f"reverse: {_name(self.chain[earlier])}", (target, source, cents)
        if kind == "void":
            place = self._free()
            self.filed[place] = [self._transfer()[0], self._next()]  # taken, so that the chain never comes there
            return f"void: {_name(place)}", None
        if kind == "nothing":
            return "note: seen, nothing to be posted", None
        return self._transfer()

    def _transfer(self):
        source, target = self.rng.sample(ACCOUNTS, 2)
        cents = self.rng.randint(1500, max(2000, self.balances[source] // 3))
        return f"transfer: {_money(cents)} from {source} to {target}", (source, target, cents)

    def _share(self):
        source, target = self.rng.sample(ACCOUNTS, 2)
        percent = self.rng.choice([2, 3, 4, 5, 6, 8, 10, 12, 15])
        return f"share: {percent}% of {source} to {target}", (source, target, self.balances[source] * percent // 100)

    def _copy(self, depth):
        """A voucher that says what another one says, which may do so too."""
        place = self._free()
        self.read.append(place)
        if depth > 1:
            self.filed[place] = []
            line, move = self._copy(depth - 1)
        else:
            line, move = self.rng.choice([self._transfer, self._share])()
        self.filed[place] = [line, self._next()]
        return f"same: {_name(place)}", move

    def _following(self):
        return self.rng.randint(1, DRAWERS), self.rng.choice(ACCOUNTS)

    def _next(self):
        drawer, account = self._following()
        return f"next: drawer {drawer}, control {account}"

    def _free(self):
        while True:
            place = (self.rng.randint(1, DRAWERS), self.rng.randint(0, 99))
            if place not in self.filed:
                return place

    def _fill(self):
        """Vouchers of other years between those that count."""
        for drawer in range(1, DRAWERS + 1):
            while sum(place[0] == drawer for place in self.filed) < IN_A_DRAWER:
                place = (drawer, self.rng.randint(0, 99))
                if place not in self.filed:
                    line = self.rng.choice([self._transfer, self._share])()[0]
                    self.filed[place] = [line, self._next()]


def _path(place):
    return f"drawers/{place[0]:02d}/{place[1]:02d}.txt"


def _name(place):
    return f"{place[0]:02d}-{place[1]:02d}"


def _money(cents, comma=","):
    return f"{cents // 100:{comma}}.{cents % 100:02d}"


def _other_digits(number):
    return str(number).translate({ord("0") + digit: 0x660 + digit for digit in range(10)})


def _closing(balances, posted, seal):
    numbers = {name: cents / 100 for name, cents in sorted(balances.items())}
    return json.dumps({"balances": numbers, "posted": posted, "seal": seal})


RULES = """# How the vouchers are filed and posted

A voucher lies in a drawer under a control number of two digits: voucher 07-41 is drawers/07/41.txt. Each names the drawer of the
next one and an account: `next: drawer 7, control cash`. The control number is made of the last two digits of that account's
balance (its cents) as it is *after* this voucher has been dealt with; with a balance of 2,310.41 the next voucher is 07-41. The
drawers hold other vouchers too. Whoever makes a mistake ends up at one of those, or at none.

The last line of opening.txt leads to the first voucher in the same way.

| a voucher says | what is done |
|---|---|
| `transfer: 120.50 from cash to bank` | cash falls by 120.50, bank rises by as much |
| `share: 4% of bank to loan` | as a transfer of so much of what bank holds now, rounded down to the cent |
| `same: 07-41` | what voucher 07-41 says, now. That one is not dealt with otherwise, and where it leads does not matter. It may say `same` itself |
| `reverse: 07-41` | what voucher 07-41 moved when it was posted goes back, the same amount |
| `void: 07-41` | nothing now; if voucher 07-41 comes later, it is not posted. Its `next` is followed all the same |
| `note: …` | nothing |

A voucher is *posted* when money was moved for it: not if it is void, and not for `void` and `note`. One that says `same` counts once.
The voucher with which the books are closed is dealt with like any other, and has a seal.
"""
