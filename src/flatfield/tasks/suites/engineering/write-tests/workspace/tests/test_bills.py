from {{package}}.bills import bill
from {{package}}.diary import Diary


def test_a_bill():
    diary = Diary({{opens}}, {{closes}})
    diary.book("b", {{opens}}, {{opens}} + 30)
    diary.book("a", {{opens}} + 30, {{opens}} + 40)
    assert bill(diary, 5) == {"a": 50, "b": 150}
