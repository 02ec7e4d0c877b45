from {{package}}.reorder import to_reorder

STOCK = {"{{first}}": {{low}} - 1, "{{second}}": {{low}}, "{{third}}": 0}


def test_the_scarcest_comes_first():
    assert to_reorder(STOCK) == ["{{third}}", "{{first}}"]


def test_nothing_is_scarce():
    assert to_reorder({"{{first}}": 1000}) == []
