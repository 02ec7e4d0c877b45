"""What figures stand on stays; what was said goes, and what is equal is kept once."""

from __future__ import annotations

import gc
import json
from typing import TYPE_CHECKING

import msgspec
import pytest

from flatfield.records import FileChange, Reply, Run, Sent, ToolCall, ToolResult, TrialRecord, Turn, Usage, Wire
from flatfield.runs.order import plan
from flatfield.runs.store import tables
from flatfield.runs.store.figures import LONGEST_CHARACTERS, SlimTrials
from flatfield.runs.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    RunMaker = Callable[..., Run]
    RecordMaker = Callable[..., TrialRecord]

pytestmark = pytest.mark.usefixtures("temporary")
SAID = "what was said " * 1000
WIRE = Wire(url="http://a", headers={"X": "y"}, kept_bytes=7, sent=b"x" * 9000, checksum=1, received=b"y" * 9000)


def turn(arguments: str = "{}", text: str = SAID, *calls: str) -> Turn:
    made = (ToolCall(id="1", name="read_file", arguments=arguments),)
    reply = Reply(
        text=text,
        reasoning=SAID,
        calls=made,
        usage=Usage(input_tokens=1),
        request=Sent(model="m", tools=("read_file",)),
        wire=(WIRE,),
    )
    return Turn(reply=reply, results=(ToolResult(call_id="1", name="read_file", text=SAID, ok=False),), cost_usd=0.5)


async def stored(folder: Path, run: Run, records: list[TrialRecord]) -> Store:
    async with Store(folder) as store:
        await store.save_run(run)
        for record in records:
            await store.save_trial(record)
    return store


async def test_texts_and_exchanges_go_and_figures_stay(
    tmp_path: Path, make_run: RunMaker, make_record: RecordMaker
) -> None:
    run = make_run()
    changes = (FileChange(path="a", kind="added", size_bytes=3, text=SAID),)
    records = [
        make_record(each, turns=(turn(), turn(), turn(text="done")), answer="done", changes=changes, usage=Usage())
        for each in plan(run)
    ]
    store = await stored(tmp_path, run, records)
    found = store.figures(run.id)
    assert [trial.id for trial in found] == [trial.id for trial in store.trials(run.id)]
    assert len(msgspec.json.encode(found)) < len(msgspec.json.encode(records)) / 20
    for trial in found:
        assert (trial.turn_count, trial.tool_calls, trial.answer, trial.usage) == (3, 3, "done", Usage())
        assert [one.reply.text for one in trial.turns] == ["", "", "done"]
        assert {one.reply.wire[0].headers["X"] for one in trial.turns} == {"y"}
        assert {result.ok for one in trial.turns for result in one.results} == {False}
        assert trial.changes[0].size_bytes == 3
    assert len({id(one.reply.request) for trial in found for one in trial.turns}) == 1
    assert len({id(one.reply.wire[0]) for trial in found for one in trial.turns}) == 1
    assert gc.isenabled()
    assert tuple(store.each_trial(run.id)) == store.trials(run.id)
    assert next(store.each_trial("no such run"), None) is None


async def test_no_two_whole_trials_are_held_at_once(
    tmp_path: Path, make_run: RunMaker, make_record: RecordMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run()
    plans = plan(run)
    store = await stored(tmp_path, run, [make_record(each, turns=(turn(),)) for each in plans])
    steps: list[str] = []
    read, keep = tables._trial, SlimTrials.of

    def reading(row: tuple[str, str, str, str, int, str, str]) -> TrialRecord:
        steps.append("read")
        return read(row)

    def keeping(slim: SlimTrials, trial: TrialRecord) -> TrialRecord:
        steps.append("kept")
        return keep(slim, trial)

    monkeypatch.setattr(tables, "_trial", reading)
    monkeypatch.setattr(SlimTrials, "of", keeping)
    one_after_the_other = ["read", "kept"] * len(plans)
    found = store.figures(run.id)
    assert (steps, len(found)) == (one_after_the_other, len(plans))
    steps.clear()
    number, later = store.later(run.id, 0)
    assert steps == one_after_the_other
    assert sorted(later, key=lambda trial: trial.id) == sorted(found, key=lambda trial: trial.id)
    assert store.later(run.id, number) == (number, ())


async def test_long_arguments_stay_equal_or_different(
    tmp_path: Path, make_run: RunMaker, make_record: RecordMaker
) -> None:
    run = make_run()
    long = "x" * (LONGEST_CHARACTERS + 1)
    written = [json.dumps({"file_path": "a.txt", "content": text}) for text in (long, long, long + "y", "short")]
    written += [f"[{'1,' * LONGEST_CHARACTERS}1]", "no JSON" * LONGEST_CHARACTERS]
    store = await stored(tmp_path, run, [make_record(turns=tuple(map(turn, written)))])
    ((*found,),) = ([one.reply.calls[0].arguments for one in trial.turns] for trial in store.figures(run.id))
    assert found[0] == found[1] != found[2]
    assert (json.loads(found[0])["file_path"], len(found[0]) < 200) == ("a.txt", True)
    assert found[3:] == written[3:]


async def test_the_rows_are_the_trials_without_their_records(
    tmp_path: Path, make_run: RunMaker, make_record: RecordMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run()
    store = await stored(tmp_path, run, [make_record(each, turns=(turn(),)) for each in plan(run)])
    names = ("id", "agent", "task", "repeat", "task_digest", "agent_fingerprint", "failure")
    expected = [[getattr(trial, name) for name in names] for trial in store.trials(run.id)]
    monkeypatch.setattr(tables, "_trial", None)
    assert [[getattr(row, name) for name in names] for row in store.rows(run.id)] == expected
    assert store.rows("no-run") == ()
    assert Store(tmp_path / "nowhere").rows(run.id) == ()
