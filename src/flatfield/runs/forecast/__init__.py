"""Predicting a run before it is paid for: from past runs, prices and the sizes of tasks."""
