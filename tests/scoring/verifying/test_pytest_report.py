"""Which commands run pytest, and what its report says, whoever wrote it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatfield.scoring.verifying.pytest_run import counted, programs, read_report, runs_pytest, skipped_by_author


@pytest.mark.parametrize(
    "command",
    [
        "pytest",
        "python -m pytest -q",
        "python3.12 -W error -m pytest tests",
        "cd src && PYTHONPATH=. exec /usr/bin/python3 -m pytest",
        "timeout 10 pytest; true",
        "set -e\npytest 'a b'",
        "(cd x; py.test)",
        "ls | pytest -",
    ],
)
def test_commands_that_run_pytest(command: str) -> None:
    assert runs_pytest(command)


@pytest.mark.parametrize(
    "command",
    [
        "",
        "make test",
        "grep pytest setup.cfg",
        "echo 'a; pytest'",
        "pip show pytest",
        "python pytest",
        "pytest-not 'x",
        "A=1",
    ],
)
def test_commands_that_do_not(command: str) -> None:
    assert not runs_pytest(command)


@given(st.text(max_size=60))
def test_any_text_is_a_command_or_not(command: str) -> None:
    assert runs_pytest(command) in (True, False)


def _report(*cases: str) -> bytes:
    return f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>".encode()


def _case(name: str, inner: str = "", file: str = "t/test_a.py") -> str:
    return f'<testcase classname="t.test_a" name="{name}" file="{file}">{inner}</testcase>'


def test_only_cases_of_the_named_files_count() -> None:
    data = _report(_case("a"), _case("b", "<failure/>"), _case("c", "<error/>", file="other.py"))
    cases = counted(read_report(data), {"t/test_a.py": ()})
    assert (cases.passed, cases.failed, cases.total, cases.others_failed) == (1, ("b",), 2, True)
    everything = counted(read_report(data))
    assert (everything.failed, everything.others_failed) == (("b", "c"), False)


def test_a_case_listed_twice_is_one_case_and_passes_only_as_a_whole() -> None:
    cases = counted(read_report(_report(_case("a"), _case("a", "<error/>"), _case("b"), _case("b"))))
    assert (cases.passed, cases.failed) == (1, ("a",))


def test_expected_failures_are_left_out_and_skipped_cases_have_not_passed() -> None:
    data = _report(_case("x", '<skipped type="pytest.xfail"/>'), _case("s", '<skipped type="pytest.skip"/>'))
    cases = counted(read_report(data))
    assert (cases.passed, cases.failed) == (0, ("s",))


BOMB = '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE x [<!ENTITY a "b">]><testsuites>&a;</testsuites>'


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<a>",
        b"\xff\xfe\x00",
        b'<!DOCTYPE x [<!ENTITY a "b">]><testsuites>&a;</testsuites>',
        b"<a>&lol;</a>",
        BOMB.encode("utf-16"),
        BOMB.encode("utf-16-be"),
    ],
)
def test_what_is_no_report_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="the report"):
        read_report(data)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_report_or_refused(data: bytes) -> None:
    try:
        cases = counted(read_report(data))
    except ValueError:
        return
    assert cases.total >= 0


def test_an_expected_failure_that_breaks_afterwards_has_not_passed() -> None:
    cases = counted(read_report(_report(_case("x", '<skipped type="pytest.xfail"/><error/>'))))
    assert (cases.passed, cases.failed) == (0, ("x",))


def test_the_programs_of_a_command() -> None:
    assert programs("cd a && X=1 node b.js | timeout 5 jq . ; ./run") == ("cd", "node", "jq", "./run")
    assert programs("echo 'a") == ()


SKIPS = """
import pytest
from pytest import mark

@pytest.mark.skip
def test_a(): pass

@pytest.mark.skip(reason="later")
async def test_b(): pass

@pytest.mark.skipif(not hasattr(calc, "add"), reason="may be the agent's doing")
def test_c(): pytest.skip("now")

@mark.skip
class TestAll:
    def test_d(self): pass

class TestSome:
    @mark.skip
    def test_e(self): pass
    def test_f(self): pass

class TestOther:
    def test_e(self): pass
"""


def test_what_an_author_skips_is_read_from_the_file() -> None:
    assert skipped_by_author(SKIPS) == {"test_a", "test_b", "test_d"}
    assert skipped_by_author("import pytest\npytestmark = [pytest.mark.skip]\ndef test_x(): pass\n") == {"test_x"}
    assert skipped_by_author("def (") == frozenset()
    assert skipped_by_author("@unittest.skip('x')\ndef test_x(): pass\n") == {"test_x"}
    assert skipped_by_author("@pytest.mark.skipif(True, reason='x')\ndef test_x(): pass\n") == {"test_x"}
    assert skipped_by_author("@pytest.mark.skip(\n    reason='later',\n)\n@other\ndef test_x(): pass\n") == {"test_x"}


def test_cases_that_their_author_skips_are_nobodys_to_pass() -> None:
    outcomes = {("t.py", "t", "test_a[1]"): False, ("t.py", "t", "test_c"): False, ("t.py", "", "T::test_d"): False}
    cases = counted({**outcomes, ("t.py", "t", "test_x"): True}, {"t.py": {"test_a", "test_d"}})
    assert (cases.passed, cases.failed, cases.others_failed) == (1, ("test_c",), False)
