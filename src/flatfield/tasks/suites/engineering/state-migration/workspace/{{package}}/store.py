"""A folder of JSON files. Each single write or delete happens wholly or not at all, also when the machine goes down."""

import json
import os
from pathlib import Path


class Store:
    def __init__(self, folder):
        self._folder = Path(folder)

    def names(self):
        """What is there, in alphabetical order."""
        return sorted(path.stem for path in self._folder.glob("*.json"))

    def read(self, name):
        """What lies under a name, None if there is nothing."""
        try:
            return json.loads((self._folder / f"{name}.json").read_text())
        except FileNotFoundError:
            return None

    def write(self, name, value):
        """Put something under a name, in the place of what was there."""
        new = self._folder / f"{name}.new"
        new.write_text(json.dumps(value))
        os.replace(new, self._folder / f"{name}.json")

    def delete(self, name):
        """Take away what lies under a name; it need not be there."""
        (self._folder / f"{name}.json").unlink(missing_ok=True)
