"""The processes that we start: each bears a mark that names us, and ends with us."""
