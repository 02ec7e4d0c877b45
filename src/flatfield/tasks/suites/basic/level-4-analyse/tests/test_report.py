import report

METHODS = {"Item": ["__init__", "value", "is_low"], "Shelf": ["__init__", "add", "find", "total"]}


def test_classes_and_their_methods_in_order():
    assert {name: list(methods) for name, methods in report.CLASSES.items()} == METHODS


def test_functions_in_order():
    assert list(report.FUNCTIONS) == ["load", "by_letter", "to_order", "cheapest"]


def test_undocumented_names():
    expected = ["Item.value", "Shelf", "Shelf.add", "Shelf.find", "by_letter", "to_order"]
    assert sorted(report.UNDOCUMENTED) == expected


def test_summary():
    assert report.summary() == "2 classes, 7 methods, 4 functions"
