import json
from pathlib import Path


def test_a_decimal_comma(shop):
    assert shop("import", "inbox/b-1.csv", "--decimal", "comma") == (0, {"x": 1250010, "y": 500})
    assert Path("var/audit.log").read_text().splitlines()[1].startswith("import 4 inbox/b-1.csv ")


def test_a_decimal_point(shop):
    assert shop("import", "inbox/a-1.csv") == (0, {"x": 1260, "y": 7})
    assert shop("import", "--decimal", "point", "inbox/a-1.csv") == (0, {"x": 2510, "y": 14})


def test_nothing_is_guessed(shop):
    code, stock = shop("import", "inbox/b-1.csv")
    assert (code, stock) == (1, {"x": 10})
    assert shop("import", "inbox/b-1.csv", "--decimal", "dot")[0] not in (0, None)


def test_all_of_a_file_or_nothing(shop):
    assert shop("import", "inbox/b-2.csv", "--decimal", "comma") == (1, {"x": 10})
    assert not Path("var/lock").exists()


def test_a_lock_is_still_respected(shop):
    Path("var/lock").write_text(json.dumps({"import": 4, "file": "inbox/a-1.csv", "pid": 1}))
    Path("var/journal.jsonl").write_text('["x", 4]\n')
    assert shop("import", "inbox/a-1.csv") == (1, {"x": 10})
    assert shop("undo") == (0, {"x": 6})
    assert shop("undo")[0] == 1
    assert shop("import", "inbox/a-1.csv") == (0, {"x": 1256, "y": 7})
