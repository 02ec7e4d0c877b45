from datetime import timedelta

from {{lib}} import cents, duration


def test_what_changed_in_3():
    assert duration("{{h}}h{{m}}m") == timedelta(hours={{h}}, minutes={{m}})
    assert [cents(2.5), cents(2.5, half="up"), cents(-2.5, half="up")] == [2, 3, -3]
