from {{package}}.stock import Stock


def test_taking_yarn():
    stock = Stock("wool", "2{{unit_a}} 2{{unit_d}}")
    stock.take("1{{unit_a}}")
    assert str(stock) == "wool: 1{{unit_a}} 2{{unit_d}}"
