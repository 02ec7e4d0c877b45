"""Nothing counts before the delivery is booked. Each test works on a shop of its own."""

import json
from pathlib import Path

import pytest

HERE = Path.cwd()


@pytest.fixture(autouse=True)
def it_is_booked():
    log = (HERE / "var" / "audit.log").read_text().splitlines()
    assert [line for line in log if line.split()[0] == "import" and line.split()[2] == "{{file}}"]


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A function that runs a command in an empty shop and returns (exit code, stock)."""
    for name, text in {
        "conf/settings.toml": '[tables]\nunits = "units.csv"\nsuppliers = "suppliers.csv"\n',
        "units.csv": "unit,grams\nkg,1000\ng,1\n",
        "suppliers.csv": "supplier,decimal\na,point\nb,comma\n",
        "inbox/a-1.csv": "item;quantity;unit\nx;1.250;kg\ny;7;g\n",
        "inbox/b-1.csv": "item;quantity;unit\nx;1.250;kg\ny;0,5;kg\n",
        "inbox/b-2.csv": "item;quantity;unit\nx;3;g\ny;many;kg\n",
        "var/stock.json": '{"x": 10}',
        "var/audit.log": "import 3 inbox/old.csv 00 1 rows 10 grams\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        from {{package}}.cli import main

        try:
            code = main(list(arguments))
        except SystemExit as error:
            code = error.code
        return code, json.loads(Path("var/stock.json").read_text())

    return run
