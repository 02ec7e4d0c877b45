import pytest
from {{package}}.audit import audit
from {{package}}.cli import main
from {{package}}.export import export
from {{package}}.heaviest import heaviest
from {{package}}.labels import labels
from {{package}}.legacy import unstamp
from {{package}}.readers import read
from {{package}}.totals import totals

TEXT = """\
{{kind_a}} {{town_a}} {{weight_a}}
{{kind_b}} {{town_b}} {{weight_b}}  # fragile
# nothing on Sunday
{{kind_a}} {{town_b}} {{weight_c}}
{{kind_c}} {{town_c}} {{weight_d}}
"""


def test_totals():
    assert totals(TEXT) == {"{{town_a}}": {{weight_a}}, "{{town_b}}": {{weight_b}} + {{weight_c}}, "{{town_c}}": {{weight_d}}}


def test_heaviest():
    assert heaviest(TEXT, "{{kind_b}}") == ("{{town_b}}", {{weight_b}})
    assert heaviest(TEXT, "nothing") is None


def test_audit():
    assert audit(TEXT, ["{{kind_a}}", "{{kind_b}}"]) == 1


def test_export():
    assert export(TEXT, "{{kind_c}}") == "town,kilograms\n{{town_c}},{{weight_d}}"


def test_labels():
    assert labels(2, 41) == ["P-000041", "P-000042"]
    assert unstamp("P-000042") == 42


def test_readers():
    assert read("plain", TEXT, "{{kind_b}}") == [("{{town_b}}", {{weight_b}})]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "records"
    path.write_text(TEXT)
    return str(path)


def test_commands(file):
    assert main(["{{command}}", file, "{{kind_a}}"]) == "{{town_a}} {{weight_a}}\n{{town_b}} {{weight_c}}"
    assert main(["totals", file]).splitlines()[0] == f"{min(totals(TEXT))} {totals(TEXT)[min(totals(TEXT))]}"
    assert main(["nonsense", file]) == "there is no command nonsense"
