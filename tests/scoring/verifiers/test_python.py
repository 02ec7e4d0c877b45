from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

from flatfield.records import Task
from flatfield.scoring.verifiers import python

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flatfield.records import Check
    from flatfield.scoring.protocols import VerifyContext

    MakeContext = Callable[..., VerifyContext]

pytestmark = pytest.mark.whole


@pytest.fixture
def lop(tmp_path: Path) -> Path:
    folder = tmp_path / "tasks"
    folder.mkdir()
    return folder / "t.md"


async def check(make_context: MakeContext, lop: Path, code: str, *, seconds: float = 30.0) -> Check:
    (lop.parent / "checks.py").write_text(textwrap.dedent(code))
    context = make_context(answer="42", task=Task(id="t", title="T", prompt="p", path=str(lop)))
    (context.root / "out.json").write_text('{"a": 1}')
    (context.root / "latin.txt").write_bytes(b"caf\xe9")
    (context.root / "leak.txt").unlink(missing_ok=True)
    (context.root / "leak.txt").symlink_to(lop.parent / "checks.py")
    (context.root / "json.py").write_text("raise SystemExit('what a model wrote was executed')")
    options = python.parse("checks.py::verify")
    assert python.check_options(options, lop.parent) is None
    return await python.PythonVerifier(options, timeout_seconds=seconds).verify(context)


async def test_a_function_reads_the_trial_and_the_files(make_context: MakeContext, lop: Path) -> None:
    (lop.parent / "helper.py").write_text("WANTED = {'a': 1}")
    code = """
        import json
        from helper import WANTED

        def verify(trial, files):
            print("looking at", trial.agent)
            assert trial.answer == "42" and trial.tool_calls == 0
            assert files.exists("out.json") and not files.exists("none") and not files.exists("leak.txt")
            assert files.names() == ("json.py", "latin.txt", "out.json")
            assert files.read_text("latin.txt") == "caf\\ufffd" and files.read_bytes("latin.txt") == b"caf\\xe9"
            assert files.read_json("out.json") == json.loads(files.read_text("out.json")) == WANTED
            for name in ("none", "leak.txt", "../t.md", "."):
                try:
                    files.read_text(name)
                except FileNotFoundError:
                    continue
                return 0.0, f"{name} was read"
            return 0.75, "three of four"
    """
    found = await check(make_context, lop, code)
    assert (found.score, found.reason) == (0.75, "three of four"), found.output
    assert found.output == "looking at a\n"
    assert not list(lop.parent.glob("__pycache__"))


async def test_an_async_function_is_awaited_and_none_means_not_measured(make_context: MakeContext, lop: Path) -> None:
    code = """
        import asyncio

        async def verify(trial, files):
            await asyncio.sleep(0)
            return None, "no opinion"
    """
    found = await check(make_context, lop, code)
    assert (found.score, found.reason) == (None, "no opinion")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("return 1 / 0", "checks.py::verify crashed: ZeroDivisionError: division by zero"),
        ("files.read_text('out.json'); return nothing", "checks.py::verify crashed: NameError"),
        ("raise SystemExit('enough')", "checks.py::verify crashed: SystemExit: enough"),
        ("import os; print('bye', flush=True); os._exit(7)", "ended its process (exit code 7) before it returned"),
        ("return 1.0", "checks.py::verify returned 1.0; it must return (score, reason)"),
        ("return 1.0, 2", "returned (1.0, 2); it must return (score, reason)"),
        ("return 'x', 'y'", "returned ('x', 'y')"),
        ("pass", "returned None"),
    ],
)
@pytest.mark.some(4)
async def test_a_crash_or_a_bad_return_is_not_measured(
    make_context: MakeContext, lop: Path, body: str, reason: str
) -> None:
    found = await check(make_context, lop, f"def verify(trial, files):\n    {body}\n")
    assert (found.score, found.trouble) == (None, "code")
    assert reason in found.reason


@pytest.mark.parametrize(
    "body",
    [
        "return files.read_json('out.json')['b'], 'x'",
        "return files.read_json('out.json')[0], 'x'",
        "return files.read_json('out.json').append(1), 'x'",
        "return float(files.read_text('out.json')), 'x'",
        "import json; return json.loads(trial.answer)['a'], 'x'",
        "assert trial.answer == 'y'; return 1, 'x'",
    ],
)
@pytest.mark.some(3)
async def test_a_crash_over_what_the_agent_left_is_told_apart(make_context: MakeContext, lop: Path, body: str) -> None:
    found = await check(make_context, lop, f"def verify(trial, files):\n    {body}\n")
    assert (found.score, found.trouble) == (None, "data")


@pytest.mark.parametrize(
    ("returned", "reason"),
    [
        ("float('nan'), 'x'", "returned the score nan (x)"),
        ("1.5, 'x'", "returned the score 1.5 (x)"),
        ("-0.1, 'x'", "returned the score -0.1 (x)"),
        ("raising(), 'x'", "returned a tuple that cannot be read (no number)"),
    ],
)
@pytest.mark.some(2)
async def test_a_score_that_is_none_is_trouble_of_the_checks_own(
    make_context: MakeContext, lop: Path, returned: str, reason: str
) -> None:
    code = f"""
        class raising:
            def __float__(self):
                raise ValueError("no number")

        def verify(trial, files):
            return {returned}
    """
    found = await check(make_context, lop, code)
    assert (found.score, found.trouble) == (None, "code")
    assert reason in found.reason


@pytest.mark.parametrize(
    ("returned", "score", "reason"),
    [
        ("1.0000000000000002, 'x'", 1.0, "x"),
        ("-1e-17, 'x'", 0.0, "x"),
        ("1, words('x')", 1.0, "x"),
        ("1, '\\ud83d'", 1.0, "?"),
        ("1, 'x' * 20_000", 1.0, "x" * 9_999 + "…"),
    ],
)
@pytest.mark.some(3)
async def test_odd_numbers_and_texts_are_read(
    make_context: MakeContext, lop: Path, returned: str, score: float, reason: str
) -> None:
    code = f"""
        class words(str):
            pass

        def verify(trial, files):
            return {returned}
    """
    found = await check(make_context, lop, code)
    assert (found.score, found.reason) == (score, reason)


@pytest.mark.parametrize(
    "score", ["decimal.Decimal('0.5')", "fractions.Fraction(1, 2)", "numpy_like()", "True and 0.5"]
)
@pytest.mark.some(2)
async def test_any_number_is_a_score(make_context: MakeContext, lop: Path, score: str) -> None:
    code = f"""
        import decimal, fractions

        class numpy_like:
            def __float__(self):
                return 0.5

        def verify(trial, files):
            return {score}, "half"
    """
    found = await check(make_context, lop, code)
    assert (found.score, found.reason) == (0.5, "half")


async def test_a_crash_keeps_all_output(make_context: MakeContext, lop: Path) -> None:
    code = """
        def verify(trial, files):
            print("step one")
            raise RuntimeError("broken\\nin two lines")
    """
    found = await check(make_context, lop, code)
    assert found.score is None
    assert "step one" in found.output
    assert "Traceback" in found.output
    assert "checks.py" in found.output


async def test_a_file_that_the_agent_did_not_leave_scores_0(make_context: MakeContext, lop: Path) -> None:
    found = await check(make_context, lop, "def verify(trial, files):\n    return 1, files.read_text('missing.txt')\n")
    assert (found.score, found.reason) == (0.0, "there is no file missing.txt")
    found = await check(make_context, lop, "def verify(trial, files):\n    return 1, files.read_json('latin.txt')\n")
    assert found.score == 0.0
    assert "latin.txt is not JSON" in found.reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": 1, "a": 2}', 'the key "a" stands in one object more than once'),
        ('[{"a": [{"b": 1, "b": 1}]}]', 'the key "b" stands in one object more than once'),
        ('{"a": NaN}', "NaN is not JSON"),
        ('{"a": -Infinity}', "-Infinity is not JSON"),
        ('{"a": 1e999}', 'the number "1e999" is out of range'),
    ],
)
@pytest.mark.some(3)
async def test_json_that_readers_read_differently_is_the_agents_failure(
    make_context: MakeContext, lop: Path, tmp_path: Path, text: str, reason: str
) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "in.json").write_text(text)
    found = await check(make_context, lop, "def verify(trial, files):\n    return 1, files.read_json('in.json')\n")
    assert (found.score, found.reason) == (0.0, f"in.json is not JSON ({reason})")


async def test_a_file_of_the_author_that_is_missing_is_a_crash(make_context: MakeContext, lop: Path) -> None:
    found = await check(make_context, lop, "def verify(trial, files):\n    return 1, open('missing.txt').read()\n")
    assert found.score is None
    assert "FileNotFoundError" in found.reason


async def test_a_function_that_hangs_is_ended_and_shows_where(make_context: MakeContext, lop: Path) -> None:
    code = "import time\ndef verify(trial, files):\n    print('start', flush=True)\n    time.sleep(600)\n"
    found = await check(make_context, lop, code, seconds=0.5)
    assert found.score is None
    assert found.reason == "checks.py::verify took more than 0.5 seconds"
    assert "start" in found.output
    assert "in verify" in found.output


async def test_a_task_without_a_file_is_not_measured(make_context: MakeContext) -> None:
    found = await python.create(python.parse("checks.py::verify")).verify(make_context())
    assert found.score is None


@pytest.mark.parametrize(
    "value",
    [
        *({"file": "x.py"}, ["checks.py::verify"], 3, "checks.py", "checks::verify", "checks.py::", "checks.py::a b"),
        *("/abs/checks.py::verify", "../checks.py::verify"),
    ],
)
def test_what_is_no_file_and_function_is_a_mistake(value: object) -> None:
    with pytest.raises(ValueError, match=r"checks\.py::verify"):
        python.parse(value)


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (None, "cannot be read"),
        ("def verify(:", "not valid Python"),
        ("def check(trial, files): ...", "defines no verify(trial, files); it defines check"),
    ],
)
def test_the_file_is_checked_without_running_it(lop: Path, code: str | None, says: str) -> None:
    if code is not None:
        (lop.parent / "checks.py").write_text(code)
    problem = python.check_options(python.parse("checks.py::verify"), lop.parent)
    assert problem is not None
    assert says in problem
    (lop.parent / "checks.py").write_text("raise RuntimeError('was run')\nasync def verify(trial, files): ...\n")
    assert python.check_options(python.parse("checks.py::verify"), lop.parent) is None
