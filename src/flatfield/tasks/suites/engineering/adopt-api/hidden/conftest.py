"""Nothing counts until the package runs on the new version."""

import pytest


@pytest.fixture(autouse=True)
def it_runs():
    from {{package}} import catalogue, customers, imports, invoices, labels, planner, queue, usage  # noqa: F401

    assert usage.minutes([{"time": "2h1m"}]) == 121
