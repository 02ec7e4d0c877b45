"""Running verifiers over a finished trial, and what they share."""
