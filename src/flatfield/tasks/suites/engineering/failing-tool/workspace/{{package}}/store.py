"""The files in var/."""

import json
import os
from pathlib import Path


class Store:
    """Stock, lock, journal and audit log of a folder."""

    def __init__(self, folder="var"):
        self._folder = Path(folder)

    def stock(self):
        """Grams by item."""
        return json.loads((self._folder / "stock.json").read_text())

    def lock(self):
        """What holds the lock; None when nothing does."""
        path = self._folder / "lock"
        return json.loads(path.read_text()) if path.exists() else None

    def journal(self):
        """`[(item, grams)]` that the import that holds the lock has booked."""
        path = self._folder / "journal.jsonl"
        return [tuple(json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []

    def begin(self, file):
        """Take the lock; returns the import's number."""
        audit = (self._folder / "audit.log").read_text().splitlines()
        serial = max(int(line.split()[1]) for line in audit) + 1
        held = {"import": serial, "file": file, "pid": os.getpid()}
        (self._folder / "lock").write_text(json.dumps(held))
        return serial

    def book(self, item, grams):
        """Add to the stock, and to the journal."""
        self.change(item, grams)
        with (self._folder / "journal.jsonl").open("a") as file:
            file.write(json.dumps([item, grams]) + "\n")

    def change(self, item, grams):
        """Add to the stock of an item."""
        stock = self.stock()
        stock[item] = stock.get(item, 0) + grams
        (self._folder / "stock.json").write_text(json.dumps(stock, indent=1, sort_keys=True) + "\n")

    def end(self, line):
        """Write the audit log, and give the lock back."""
        with (self._folder / "audit.log").open("a") as file:
            file.write(line + "\n")
        for name in ("journal.jsonl", "lock"):
            (self._folder / name).unlink(missing_ok=True)
