import pytest
import stock_plus as plus


@pytest.fixture
def shelf():
    shelf = plus.Shelf()
    for name, price, count in [("Bolt", 0.5, 4), ("nut", 0.25, 40), ("bell", 12.0, 5), ("nut", 1.0, 1)]:
        shelf.add(plus.Item(name, price, count))
    return shelf


def test_items_work_as_before(shelf):
    bolt = shelf.items[0]
    assert (bolt.name, bolt.price, bolt.count) == ("Bolt", 0.5, 4)
    assert bolt.value() == 2.0
    assert bolt.is_low() is True
    assert shelf.items[2].is_low() is False


def test_shelves_work_as_before(shelf):
    assert shelf.find("nut") is shelf.items[1]
    assert shelf.find("NUT") is None
    assert shelf.total() == 73.0


def test_functions_work_as_before(shelf):
    assert plus.by_letter(shelf) == {"b": ["Bolt", "bell"], "n": ["nut", "nut"]}
    assert plus.to_order(shelf) == ["Bolt", "nut"]
    assert plus.cheapest(shelf) is shelf.items[1]
    assert plus.cheapest(plus.Shelf()) is None
    assert plus.LOW == 5


def test_loading_works_as_before(tmp_path):
    path = tmp_path / "stock.csv"
    path.write_text('name,price,count\n"Øl, dark",3.5,2\n', encoding="utf-8")
    item = plus.load(path).items[0]
    assert (item.name, item.price, item.count) == ("Øl, dark", 3.5, 2)


def test_length(shelf):
    assert len(shelf) == 4
    assert len(plus.Shelf()) == 0


def test_remove_takes_the_first_of_that_name_and_returns_it(shelf):
    first = shelf.items[1]
    assert shelf.remove("nut") is first
    assert [item.name for item in shelf.items] == ["Bolt", "bell", "nut"]
    assert shelf.items[2].price == 1.0


def test_remove_raises_key_error(shelf):
    with pytest.raises(KeyError):
        shelf.remove("Nut")
    assert len(shelf.items) == 4


def test_worth_more_than_is_strict_and_keeps_the_order(shelf):
    assert list(plus.worth_more_than(shelf, 1.0)) == ["Bolt", "nut", "bell"]
    assert list(plus.worth_more_than(shelf, 10.0)) == ["bell"]
    assert list(plus.worth_more_than(shelf, 60.0)) == []


@pytest.mark.parametrize(("price", "count"), [(-0.01, 1), (1.0, -1)])
def test_negative_prices_and_counts_are_refused(price, count):
    with pytest.raises(ValueError):
        plus.Item("rust", price, count)


def test_zero_is_not_negative():
    assert plus.Item("gift", 0, 0).value() == 0
