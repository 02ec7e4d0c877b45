from datetime import date

import pytest
from {{package}} import catalogue, customers, imports, invoices, labels, planner, usage
from {{package}}.queue import Queue

BOOKINGS = [
    {"code": "{{code}}", "time": "{{h}}h{{m}}m", "first": date(2031, 5, 1), "last": date(2031, 5, 3)},
    {"code": "{{other}}", "time": "90m", "first": date(2031, 5, 2), "last": date(2031, 5, 2)},
]
CUSTOMERS = [{"id": 1, "name": "{{ann}}", "percent": 5}, {"id": 2, "name": "{{bob}}", "percent": 0}]


def test_usage():
    assert usage.minutes(BOOKINGS) == {{h}} * 60 + {{m}} + 90
    assert usage.longest(BOOKINGS) == "{{h}}:{{m2}}"


def test_invoices():
    assert invoices.amount("2h", {{rate}}) == 2 * {{rate}}


def test_customers():
    assert customers.customer(CUSTOMERS, 2)["name"] == "{{bob}}"
    assert customers.is_known(CUSTOMERS, "{{ann}}")


def test_the_queue():
    queue = Queue()
    for hour in (11, 9, 10):
        queue.add({"code": "{{code}}", "hour": hour})
    assert queue.next()["hour"] == 9


def test_the_catalogue():
    rows = [{"code": "{{code}}", "tags": "garden,heavy"}, {"code": "{{other}}", "tags": "garden"}]
    assert set(catalogue.catalogue(rows)) == {"{{code}}", "{{other}}"}
    assert catalogue.tagged(rows, "heavy") == ["{{code}}"]


def test_labels():
    sheets, left = labels.sheets(range({{sheet}} * 2))
    assert [len(sheet) for sheet in sheets] == [{{sheet}}, {{sheet}}]
    assert left == []


def test_the_planner():
    assert planner.taken(BOOKINGS, "{{other}}") == [date(2031, 5, 2)]
    assert not planner.is_free(BOOKINGS, "{{code}}", "2031-05-03", "2031-05-04")
    assert planner.is_free(BOOKINGS, "{{code}}", "2031-05-04", "2031-05-05")


@pytest.mark.parametrize("text, minutes", [("{{h}}h{{m}}m", {{h}} * 60 + {{m}}), ("90m", 90)])
def test_imports(text, minutes):
    assert imports.read([{"time": text, "tags": "a,b"}]) == [{"time": minutes, "tags": ["a", "b"]}]
