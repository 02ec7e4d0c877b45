"""One trial: the loop, its providers, tools, workspace and sandbox."""
