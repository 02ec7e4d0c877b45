"""The stock of one kind of yarn."""

from {{package}}.lengths import format_length, parse_length


class Stock:
    """So much yarn of one kind."""

    def __init__(self, kind, text):
        self.kind = kind
        self.length = parse_length(text)

    def take(self, text):
        length = parse_length(text)
        if length > self.length:
            raise ValueError(f"there is less {self.kind} than {text}")
        self.length -= length

    def __str__(self):
        return f"{self.kind}: {format_length(self.length)}"
