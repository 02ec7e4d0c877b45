"""The store: trials that survive whatever happens, in one SQLite file."""
