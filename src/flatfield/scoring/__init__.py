"""Records become meaning: checks, verdicts, prices, statistics, grades, a decision."""
