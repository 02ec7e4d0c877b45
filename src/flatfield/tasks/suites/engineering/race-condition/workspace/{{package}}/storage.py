"""Where shows are kept."""

import copy


class Memory:
    """A storage in memory; the real one answers after milliseconds, and not always in order."""

    def __init__(self, documents):
        self._documents = copy.deepcopy(documents)

    async def read(self, key):
        """A show's document, `{"seats": number, "holders": {seat: customer}}`; KeyError when there is none."""
        return copy.deepcopy(self._documents[key])

    async def write(self, key, document):
        """Replace a show's document."""
        self._documents[key] = copy.deepcopy(document)
