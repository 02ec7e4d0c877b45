import pytest
from {{package}}.cli import main


def test_all_lines(capsys):
    assert main(["data/stores.csv"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("8 lines, {{quantity}} ")


def test_a_town(capsys):
    assert main(["data/stores.csv", "-t", "{{first_town}}", "-s", "{{quantity}}"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("3 lines, {{quantity}} ")


def test_a_missing_file(capsys):
    assert main(["missing.csv"]) == 1
    assert "cannot read missing.csv" in capsys.readouterr().err


def test_a_wrong_column(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["data/stores.csv", "--sort", "colour"])
    assert caught.value.code == 2
