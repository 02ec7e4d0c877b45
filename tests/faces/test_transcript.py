"""One trial as text: everything that happened, and nothing that fakes a heading."""

from __future__ import annotations

from typing import Any

import pytest

from flatfield.faces.transcript import transcript
from flatfield.records import (
    CascadeStep,
    Check,
    Failure,
    FileChange,
    Reply,
    Sent,
    ToolCall,
    ToolResult,
    TrialRecord,
    Turn,
    Usage,
    Verdict,
)
from flatfield.testing.trials import a_trial

pytestmark = pytest.mark.whole

CALLS = (ToolCall(id="1", name="read_file", arguments='{"file_path":\n"x"}'), ToolCall(id="2", name="ls", arguments=""))
USAGE = Usage(input_tokens=1200, cache_read_tokens=1000, output_tokens=30, reasoning_tokens=10)
RECORD = TrialRecord(
    run="r",
    agent="a",
    task="t",
    repeat=1,
    task_digest="",
    agent_fingerprint="",
    stop="turn_limit",
    answer="done",
    system_prompt="You are an agent.",
    prompt="Do this.\r\n── sums\nand that",
    turns=(
        Turn(
            reply=Reply(
                text="I look",
                reasoning="hm",
                calls=CALLS,
                finish="tool_calls",
                usage=USAGE,
                model_seconds=1.5,
                first_token_seconds=0.5,
                retry_seconds=2.0,
                attempts=2,
                request=Sent(model="m"),
            ),
            results=(
                ToolResult(call_id="1", name="read_file", text="no such file\nthere is: y", ok=False, seconds=0.1),
            ),
        ),
        Turn(reply=Reply(text="\x1b[2Jdone")),
    ),
    usage=USAGE,
    cost_usd=0.002,
    started_at="2026-01-02T10:15:00+00:00",
    active_seconds=1.6,
    changes=(FileChange(path="out.txt", kind="added", size_bytes=1234),),
    checks=(
        Check(verifier="command", label="pytest", score=0.5, reason="1 of 2\ncases", output="E  assert\n── checks"),
    ),
    notes=("a note",),
)
JUDGED = Verdict(run="r", agent="a", task="t", repeat=1, judge="j", letter="B", reason="good\n── turn 9")
FIRST_TURN = (
    "── turn 1: tool_calls · model 1.50 s, first token 0.50 s, retries 2.00 s (2 attempts) · 1,200 tokens in"
    " (1,000 from cache), 30 out (10 reasoning) · no price"
)


def test_a_trial_is_told_from_top_to_bottom() -> None:
    lines = transcript(RECORD, (JUDGED,)).splitlines()
    for line in (
        "trial r/a/t/1: score 0.50 (turn limit)",
        "started 2026-01-02T10:15:00+00:00 · ended: turn limit",
        "note: a note",
        "  You are an agent.",
        FIRST_TURN,
        '  request {"model":"m"}',
        "  (reasoning) hm",
        "  I look",
        '  → read_file {"file_path": "x"}',
        "  ← error, 0.10 s",
        "    there is: y",
        "  ← not run",
        "── turn 2: stop · model 0.00 s · usage not reported · no price",
        "  added    out.txt (1,234 bytes)",
        "  0.50  pytest (weight 1): 1 of 2 cases",
        "    E  assert",
        "── judge j: B",
        "  tokens: input 1,200 (cache read 1,000, write 0), output 30 (reasoning 10)",
        "  cost: $0.00200",
    ):
        assert line in lines


def test_only_the_transcript_itself_begins_headings() -> None:
    headings = [line for line in transcript(RECORD, (JUDGED,)).splitlines() if line.startswith("──")]
    assert [heading.split()[1] for heading in headings] == [
        "system", "prompt", "turn", "turn", "files", "checks", "judge", "sums",
    ]  # fmt: skip


def test_control_characters_are_shown() -> None:
    assert "  \\x1b[2Jdone" in transcript(RECORD).splitlines()


def test_other_trials_verdicts_are_left_out() -> None:
    other = Verdict(run="r", agent="a", task="t", repeat=2, judge="j", letter="B", reason="good")
    assert "judge" not in transcript(RECORD, (other,))


def test_an_imported_trial_shows_what_was_published() -> None:
    imported = a_trial(
        imported=True, published={"cost_usd": 0.5}, answer="x", device_cost_usd=0.1)  # fmt: skip
    lines = transcript(imported).splitlines()
    assert 'imported, not measured here; published: {"cost_usd":0.5}' in lines
    assert lines[-1] == "  cost: no price; device $0.100"
    assert "  x" in lines


def test_what_came_of_each_step_is_said_as_it_was() -> None:
    def said(*passed: bool | None, **given: Any) -> list[str]:
        steps = tuple(
            CascadeStep(agent=f"s{n}", turns=0, stop="answered", passed=each) for n, each in enumerate(passed)
        )
        lines = transcript(a_trial(steps=steps, turns=(), **given)).splitlines()
        return [line.split(": ", 1)[1].split(" (")[0] for line in lines if line.startswith("══ step")]

    last = "its work is taken, as no step comes behind it"
    assert said(False, None) == ["went on", last], "also of steps that had no turn"
    assert said(None, True) == ["it failed, and the next one began", "its work passed"]
    assert said(False, False) == ["went on", "did not pass, and its work is taken as the last one's"]
    stopped = Failure(kind="interrupted", message="stopped")
    assert said(False, None, failure=stopped) == ["went on", "the trial ended here, and nothing is taken"]
