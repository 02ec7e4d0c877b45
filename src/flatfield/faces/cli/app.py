"""The whole program, with all its commands."""

from flatfield.faces.cli.program import app_of

app = app_of()
