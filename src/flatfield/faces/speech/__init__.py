"""Speech: one short sentence when an agent is done and when a run is graded, from this machine's own voice."""
