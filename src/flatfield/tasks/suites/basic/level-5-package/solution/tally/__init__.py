"""Adds up what was spent, account by account."""

from tally.entry import Entry
from tally.parsing import parse
from tally.summary import render, totals

__all__ = ["Entry", "parse", "render", "totals"]
