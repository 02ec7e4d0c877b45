import pytest


@pytest.mark.parametrize("girth, cents", [(1, 0), ({{limit}} - 1, 0), ({{limit}}, 0), ({{limit}} + 1, {{fee}}), (2 * {{limit}}, {{fee}}), (8 * {{limit}}, {{fee}})])
def test_the_counter(counter, girth, cents):
    assert counter.surcharge(girth) == cents


@pytest.mark.parametrize("girth, cents", [({{limit}} - 1, 0), ({{limit}}, {{fee}}), ({{limit}} + 1, {{fee}})])
def test_the_kiosk_as_before(kiosk, girth, cents):
    assert kiosk.surcharge(girth) == cents


def test_a_quote(counter):
    assert counter.quote("{{neighbour}}", 2, {{limit}} + 1) == 2 * {{neighbour_rate}} + {{fee}}
