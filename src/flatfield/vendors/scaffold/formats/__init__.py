"""Known external agents, and forms in which one's own may report: one file each."""
