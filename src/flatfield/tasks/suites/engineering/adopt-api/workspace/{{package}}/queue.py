"""The day's queue: what goes out next stands first."""

from {{lib}} import order


class Queue:
    """Jobs; the screens in the hall hold on to `jobs` and show it as it is at any time."""

    def __init__(self):
        self.jobs = []

    def add(self, job):
        """Put a job where it belongs: by its hour; one without an hour is for at once."""
        self.jobs.append(job)
        order(self.jobs, "hour")

    def next(self):
        """Take the first job; None when there is none."""
        return self.jobs.pop(0) if self.jobs else None
