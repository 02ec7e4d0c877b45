"""The five tasks that Claude Code's sub-agents are given: wrong work is noticed, other right work is not refused."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

import flatfield.faces.claude_code
from flatfield.agent.workspace import changes, open_workspace, snapshot
from flatfield.records import TrialRecord
from flatfield.scoring.protocols import VerifyContext
from flatfield.scoring.verifying.reading import Files, NotThere
from flatfield.scoring.verifying.verification import verify
from flatfield.tasks.lop import read_task

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.whole

PERF = Path(flatfield.faces.claude_code.__file__).parent / "pages/perf"
STOCK = '{"model": "m", "shelves": ["attic", "cellar", "lower", "upper"], "items": 9}'
EDGES = read_task(PERF / "lop_eval_2__basic_read_test.md").solution[-1].answer
WRITTEN = {
    step.arguments["file_path"].replace("MODEL_NAME", "m"): step.arguments["content"].replace("MODEL_NAME", "m")
    for number in (3, 4, 5)
    for step in read_task(next(PERF.glob(f"lop_eval_{number}__*.md"))).solution
    if step.tool == "write_file"
}
ANALYSIS, LIMITS = WRITTEN["analysis_m.py"], WRITTEN["limits_plus_m.py"]


def _checks() -> Any:
    spec = importlib.util.spec_from_file_location("perf_checks", PERF / "checks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def checked(root: Path, function: str, written: Mapping[str, str], answer: str = "") -> float:
    """What a check says of files that an agent left in a folder with perf/limits.py."""
    (root / "perf").mkdir()
    (root / "perf/limits.py").write_text("SEATS = 120\n")
    workspace = open_workspace(root)
    before = snapshot(workspace.files)
    for path, text in written.items():
        workspace.files.write_bytes(path, text.encode())
    trial = replace(_trial(answer), changes=changes(before, workspace.files))
    try:
        score, reason = getattr(_checks(), function)(trial, Files(workspace.files))
    except NotThere as error:
        score, reason = 0.0, str(error)
    assert reason
    return float(score)


def _trial(answer: str) -> TrialRecord:
    return TrialRecord(
        run="r",
        agent="a",
        task="t",
        repeat=1,
        task_digest="d",
        agent_fingerprint="f",
        stop="answered",
        answer=answer,
    )


async def answered(root: Path, number: int, answer: str) -> float | None:
    """What the one verifier of a task says of an answer."""
    task = read_task(next(PERF.glob(f"lop_eval_{number}__*.md")))
    files = open_workspace(root).files
    context = VerifyContext(
        trial=_trial(answer), task=task, files=files, root=root, before=snapshot(files), sandbox=None
    )
    (check,) = await verify(task, context)
    return check.score


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        *[
            (text, 1.0)
            for text in ("Reykjavík", "**Reykjavik**.", "“Reykjavík”", "Reykjavi\u0301k!", "`REYKJAVÍK`\r\n")
        ],
        *[
            (text, 0.0)
            for text in ("not Reykjavik", "Reykjavik or Oslo", "Reykjavik?", "Reykjavik, Iceland", "Reykjavi")
        ],
    ],
)
@pytest.mark.some(4)
async def test_the_capital(answer: str, score: float, tmp_path: Path) -> None:
    assert await answered(tmp_path, 1, answer) == score


@pytest.mark.parametrize(
    ("old", "new", "score"),
    [
        ("", "", 1.0),
        ("\n", "\r\n", 1.0),
        ("local\n\n\nLAST", "local\n\nLAST", 1.0),
        ("LAST 4 LINES:\n\n", "LAST 4 LINES:\n```\n\n", 1.0),
        ("local\n\n\nLAST", "local\nLAST", 0.0),
        ("LAST 4 LINES:\n\n", "LAST 4 LINES:\n", 0.0),
        ("=============================", "=============", 0.0),
        ("harbour office", "Harbour office", 0.0),
        ("FIRST", "Here they are.\nFIRST", 0.0),
    ],
)
@pytest.mark.some(4)
async def test_the_two_ends(old: str, new: str, score: float, tmp_path: Path) -> None:
    assert not old or old in EDGES
    assert await answered(tmp_path, 2, EDGES.replace(old, new) if old else EDGES) == score


@pytest.mark.parametrize(
    ("function", "written", "whole"),
    [
        ("shelves_file", {"shelves_m.json": STOCK}, True),
        ("shelves_file", {"shelves_m.json": STOCK.replace("9", "9.0")}, False),
        ("shelves_file", {"shelves_m.json": STOCK.replace("9", '"9"')}, False),
        ("shelves_file", {"shelves_m.json": STOCK.replace("9", '9, "closed": 1')}, False),
        ("shelves_file", {"shelves_m.json": STOCK.replace('"m"', '"n"')}, False),
        ("shelves_file", {"shelves_.json": STOCK.replace('"m"', '""')}, False),
        ("shelves_file", {"shelves_m.json": STOCK, "shelves_n.json": STOCK.replace("9", "8")}, False),
        ("seen_file", {"seen_m.txt": "seen by m\r\n", "shelves_m.json": STOCK}, True),
        ("seen_file", {"seen_n.txt": "seen by n\n", "shelves_m.json": STOCK}, False),
        ("seen_file", {"seen_m.txt": "not seen by m\n"}, False),
        ("analysis_module", {"analysis_m.py": ANALYSIS}, True),
        ("analysis_module", {"analysis_m.py": ANALYSIS.replace("\n", "\r\n")}, True),
        ("analysis_module", {"analysis_m.py": ANALYSIS, "perf/limits.py": "SEATS = 1\n"}, False),
        ("analysis_module", {"analysis_m.py": ANALYSIS.replace("# analysed", "X = 1  # analysed")}, False),
        (
            "analysis_module",
            {"analysis_m.py": ANALYSIS.replace("# analysed by m", "TEXT = '''\n# analysed by m'''")},
            False,
        ),
        ("analysis_module", {"analysis_m.py": ANALYSIS.replace("7,", "7.0,")}, False),
        ("analysis_module", {"analysis_m.py": ANALYSIS.replace("7,", "len('7777777'),")}, False),
        ("extended_module", {"limits_plus_m.py": LIMITS, "analysis_m.py": ANALYSIS}, True),
        ("extended_module", {"limits_plus_n.py": LIMITS.replace("by m", "by n"), "analysis_m.py": ANALYSIS}, False),
        ("extended_module", {"limits_plus_m.py": LIMITS.replace("120", "120.0")}, False),
        ("extended_module", {"limits_plus_m.py": LIMITS, "perf/limits.py": ""}, False),
        ("project_files", {path: WRITTEN[path] for path in ("fare_m.py", "README_m.md", "project_m.json")}, True),
    ],
)
def test_what_is_written(function: str, written: dict[str, str], whole: bool, tmp_path: Path) -> None:
    score = checked(tmp_path, function, written)
    assert score == 1.0 if whole else score < 1.0


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        ("`shelves_m.json`, `seen_m.txt`", 1.0),
        ("shelves\\_m.json and seen\\_m.txt", 1.0),
        ("shelves_m.json", 0.0),
        ("Both are written.", 0.0),
    ],
)
def test_what_is_answered(answer: str, score: float, tmp_path: Path) -> None:
    assert checked(tmp_path, "answered", {"shelves_m.json": STOCK, "seen_m.txt": "seen by m"}, answer) == score
