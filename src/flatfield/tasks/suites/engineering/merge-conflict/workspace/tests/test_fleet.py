from {{package}}.fleet import fleet


def test_the_fleet():
    assert sorted(fleet()) == fleet()
