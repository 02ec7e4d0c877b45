"""Many trials: plan, scheduler, lanes, budget, store."""
