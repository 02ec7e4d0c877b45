import pytest
from {{package}} import read
from {{package}}.clean import unique
from {{package}}.models import Booking, Invoice, Payment, Row
from {{package}}.run import run
from {{package}}.settle import settle

INVOICES = """\
number,customer,due,cents
{{number}}1,{{ann}},2031-03-10,{{cents}}
{{number}}2,{{ann}},2031-02-10,{{cents}}
{{number}}3,{{bob}},2031-04-01,{{more}}
"""


@pytest.fixture
def invoices():
    return read.invoices(INVOICES)


def test_a_reference_comes_first(invoices):
    result = settle(invoices, [Payment("2031-05-01", "{{ann}}", {{cents}}, "{{number}}1")])
    assert result.bookings == [Booking("2031-05-01", "{{number}}1", {{cents}})]


def test_the_earliest_of_the_same_amount(invoices):
    result = settle(invoices, [Payment("2031-05-01", "{{ann}}", {{cents}})])
    assert result.bookings == [Booking("2031-05-01", "{{number}}2", {{cents}})]


def test_a_part(invoices):
    result = settle(invoices, [Payment("2031-05-01", "{{bob}}", 1)])
    assert result.open[-1] == Invoice("{{number}}3", "{{bob}}", "2031-04-01", {{more}} - 1)


def test_a_credit(invoices):
    assert settle(invoices, [Payment("2031-05-01", "{{bob}}", {{more}} + 5)]).credits == {"{{bob}}": {{more}} + 5}


def test_repetitions():
    one, other = Payment("2031-05-01", "{{ann}}", 5), Payment("2031-05-02", "{{ann}}", 5)
    assert unique([one, other, Payment("2031-05-01", "{{ann}}", 5)]) == [one, other]


def test_a_whole_run(invoices):
    text = "day,customer,cents,reference\n2031-05-01,{{ann}},{{cents}},\n2031-05-01,{{ann}},{{cents}},\n2031-05-03,{{bob}},1,X\n"
    _, rows = run(invoices, read.payments(text))
    assert Row("{{ann}}", {{cents}}, {{cents}}, 0) in rows
    assert Row("{{bob}}", 1, {{more}} - 1, 0) in rows
