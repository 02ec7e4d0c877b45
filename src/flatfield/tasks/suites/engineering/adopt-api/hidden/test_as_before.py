from datetime import date

FIRST = date(2031, 5, 1)


def minutes_of_a_month():
    from {{package}}.usage import minutes as counted

    for times, minutes in [([], 0), ([""], 0), (["  ", "1m"], 1), (["30h", " 26h5m "], 3365)]:
        found = counted([{"time": time} for time in times])
        assert (found, type(found)) == (minutes, int)


def longest_times():
    from {{package}}.usage import longest

    for times, text in [([], "0:00"), ([""], "0:00"), (["59m", ""], "0:59"), (["30h5m", "2h"], "30:05"), (["120h"], "120:00")]:
        assert longest([{"time": time} for time in times]) == text


def amounts():
    from {{package}}.invoices import amount

    for time, rate, cents in [("30m", 401, 201), ("30m", 403, 202), ("30m", 402, 201), ("49h", 100, 4900), ("", 500, 0), ("20m", 100, 33), ("40m", 100, 67)]:
        found = amount(time, rate)
        assert (found, type(found)) == (cents, int)


def refunds():
    from {{package}}.invoices import refund

    for rate, percent, cents in [(50, 5, -3), (150, 5, -8), (250, 5, -13), (100, 5, -5), (100, 0, 0)]:
        assert refund("1h", rate, percent) == cents


def test_nobody():
    from {{package}}.customers import WALK_IN, customer, is_known

    rows = [{"id": 7, "name": "A", "n": 1}, {"id": 7, "name": "A", "n": 2}]
    assert customer(rows, 7) is rows[0]
    assert customer(rows, 8) is WALK_IN
    assert customer([], 8) is WALK_IN
    assert is_known(rows, "A") is True
    assert is_known(rows, "B") is False


def screens_see_the_queue():
    from {{package}}.queue import Queue

    queue = Queue()
    screen = queue.jobs
    for hour in (3, 1, 2):
        queue.add({"hour": hour})
    assert [job["hour"] for job in screen] == [1, 2, 3]
    assert queue.next() == {"hour": 1}
    assert [job["hour"] for job in screen] == [2, 3]


def at_once_comes_first():
    from {{package}}.queue import Queue

    queue = Queue()
    for number, hour in enumerate([5, None, 5, None, 4]):
        queue.add({"hour": hour, "number": number})
    assert [job["number"] for job in queue.jobs] == [1, 3, 4, 0, 2]


def corrected_rows():
    from {{package}}.catalogue import catalogue

    rows = [{"code": "a", "n": 1}, {"code": "b", "n": 2}, {"code": "a", "n": 3}]
    assert list(catalogue(rows).items()) == [("a", rows[2]), ("b", rows[1])]


def tags():
    from {{package}}.catalogue import tagged

    for tag, codes in [("garden", ["a"]), (" GARDEN ", ["a"]), ("Garden,heavy", ["a"]), ("", ["a", "b"]), (" , ", ["a", "b"]), ("gard", [])]:
        assert tagged([{"code": "a", "tags": "Heavy , garden,,"}, {"code": "b", "tags": ""}], tag) == codes


def test_whole_sheets():
    from {{package}}.labels import sheets

    for count in [0, 1, {{sheet}} - 1, {{sheet}}, {{sheet}} + 1, {{sheet}} * 3 - 1]:
        labels = list(range(count))
        full, left = sheets(labels)
        assert all(len(sheet) == {{sheet}} for sheet in full)
        assert len(left) < {{sheet}}
        assert [label for sheet in full for label in sheet] + left == labels


def test_days():
    from {{package}}.planner import is_free, taken

    for last, count in [(FIRST, 1), (date(2031, 5, 4), 4), (date(2031, 4, 30), 0), (date(2031, 4, 1), 0)]:
        bookings = [{"code": "x", "first": FIRST, "last": last}]
        found = taken(bookings, "x")
        assert found == [date(2031, 5, day + 1) for day in range(count)]
        assert taken(bookings, "y") == []
        assert is_free(bookings, "x", "2031-05-01", "2031-05-01") is (count == 0)
        assert is_free(bookings, "x", "2031-04-20", "2031-04-30") is True
        assert is_free(bookings, "x", "2031-04-20", "2031-05-01") is (count == 0)
        assert is_free(bookings, "x", "2031-05-09", "2031-05-01") is True


def test_what_other_branches_send():
    from {{package}}.imports import read

    rows = [{"time": "", "tags": "", "code": " a "}, {"time": "25h", "tags": " Big, ,OLD ", "note": " as it is "}]
    assert read(rows) == [
        {"time": 0, "tags": [], "code": "a"},
        {"time": 1500, "tags": ["big", "old"], "note": " as it is "},
    ]


def test_usage():
    minutes_of_a_month()
    longest_times()


def test_invoices():
    amounts()
    refunds()


def test_the_queue():
    screens_see_the_queue()
    at_once_comes_first()


def test_the_catalogue():
    corrected_rows()
    tags()
