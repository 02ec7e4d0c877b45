FILE = "data/stores.csv"
WRONG = ["-1", "x", "1.5", "+{{edge}}", "1_0", " 1", "", "\u0663", "5\n"]


def test_lines_of_n_or_more(run, rows, listed):
    for lowest in (0, 1, {{edge}} - 1, {{edge}}, {{edge}} + 1, 1000):
        assert run(FILE, "--{{option}}", str(lowest))[1].splitlines()[:-1] == listed(
            [row for row in rows if row[2] >= lowest]
        ).splitlines()[:-1]


def test_the_last_line_sums_up_what_is_listed(run, rows, listed):
    for lowest in ({{edge}} - 1, {{edge}} + 1, 1000):
        right = listed([row for row in rows if row[2] >= lowest]).splitlines()[-1]
        assert run(FILE, "--{{option}}", str(lowest))[1].splitlines()[-1] == right


def test_the_short_form_and_other_options(run, rows, listed):
    there = [row for row in rows if row[1] == "{{town}}" and row[2] >= {{edge}} - 1]
    there.sort(key=lambda row: row[2], reverse=True)
    options = ["-t", "{{town}}", "-s", "{{quantity}}", "-r"]
    assert run("-{{short}}", str({{edge}} - 1), FILE, *options) == (0, listed(there), "")
    assert run(FILE, *options, "--{{option}}=0{{edge}}")[0] == 0


def test_the_exit_code_of_wrong_values(run):
    for text in WRONG:
        code, out, err = run(FILE, f"--{{option}}={text}")
        assert (code, out) == ({{code}}, "")
        assert err


def test_what_is_said_of_wrong_values(run):
    for text in WRONG[:3]:
        assert run(FILE, f"--{{option}}={text}")[2] == f"{{package}}: {text} is not a whole number\n"


def test_the_help(run):
    code, out, _ = run("--help")
    words = " ".join(out.split())
    assert code == 0
    assert "--{{option}}" in words
    assert "-{{short}}" in words
    assert "{{help}}" in words


def test_the_rest_is_as_it_was(run, rows, listed):
    assert run(FILE) == (0, listed(rows), "")
    assert run(FILE, "--sort", "good")[1] == listed(sorted(rows))
    assert run("missing.csv")[0] == 1
    assert run(FILE, "--sort", "colour")[0] == 2
    assert run(FILE, "--colour")[0] == 2
