"""The tools of the nano agent, one file each, found by their name."""
