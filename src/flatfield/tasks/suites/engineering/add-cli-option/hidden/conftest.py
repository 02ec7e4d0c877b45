"""Nothing counts until the option works: what must stay as it is passes before."""

import pytest
from {{package}}.cli import main

ROWS = {{rows}}


@pytest.fixture
def run(capsys):
    """Exit code, standard output and standard error of a command line."""

    def played(*arguments):
        capsys.readouterr()
        try:
            code = main(list(arguments))
        except SystemExit as error:
            code = error.code
        captured = capsys.readouterr()
        return code or 0, captured.out, captured.err

    return played


@pytest.fixture
def listed():
    """The output for some rows."""

    def text(rows):
        lines = [f"{good:<12} {town:<12} {number:>6}" for good, town, number in rows]
        return "\n".join([*lines, f"{len(rows)} lines, {{quantity}} {sum(row[2] for row in rows)}"]) + "\n"

    return text


@pytest.fixture
def rows():
    return ROWS


@pytest.fixture(autouse=True)
def the_option_works(run):
    code, out, _ = run("data/stores.csv", "--{{option}}", "{{edge}}")
    assert code == 0
    shown = {line.split()[0] for line in out.splitlines()[:-1]}
    assert {row[0] for row in ROWS if row[2] > {{edge}}} <= shown
    assert not {row[0] for row in ROWS if row[2] < {{edge}}} & shown
