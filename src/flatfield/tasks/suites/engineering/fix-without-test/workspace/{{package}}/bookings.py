"""Bookings and what they cost."""

from {{package}}.fares import fare

EXTRA_CENTS = {{extra_cents}}
GROUP_FROM = {{group}}


class Booking:
    """People who cross on a day, and what they take along."""

    def __init__(self, passenger, day, people=1, extras=[]):
        self.passenger = passenger
        self.day = day
        self.people = people
        {{extras}}

    def add(self, extra):
        self.extras.append(extra)

    def paying(self):
        return self.people - 1 if self.people >= GROUP_FROM else self.people

    def total(self):
        return self.paying() * fare(self.day) + EXTRA_CENTS * len(self.extras)
