"""A run as one file: what is private is gone, what was changed on the way is refused, and grades are what they were."""

from __future__ import annotations

import asyncio
import gzip
from hashlib import sha256
from random import Random
from typing import TYPE_CHECKING

import msgspec
import pytest
from msgspec import structs

from flatfield.errors import FlatfieldError
from flatfield.evidence import bundles
from flatfield.evidence.bundles import SEAL, Private, Redaction, own_servers, read, write
from flatfield.evidence.readers import bundle
from flatfield.faces.storing import save_imported
from flatfield.records import (
    AgentConfig,
    Check,
    Evaluation,
    Failure,
    ImportChoices,
    Imported,
    Reply,
    Run,
    Task,
    ToolCall,
    TrialRecord,
    Turn,
    Usage,
    Verdict,
    VerifierSpec,
    Wire,
)
from flatfield.runs.results import load_result
from flatfield.runs.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flatfield.records import Letter, RunResult

KEY = "sk-proj-Zk3v9QmX7LwT2bYc8RdN5fHj"
PRIVATE = Private(
    users=("mirabelle", "Mirabelle Roux"),
    hosts=("thinkpad-of-m", "gpu-box.lan"),
    homes=("/home/mirabelle",),
    folders=("/home/mirabelle/secret-project",),
    keys=("Qw7-very-own-key-of-hers-99x",),
)
SAID = (
    "Mirabelle keeps /home/mirabelle/secret-project/a.py and /home/mirabelle/.ssh, /Users/other/x; on thinkpad-of-m,"
    f" http://gpu-box.lan:8000/v1 wants {KEY} or Qw7-very-own-key-of-hers-99x. The thinkpad is not named, nor homes."
)


def a_run(seed: int) -> Imported:
    """Trials with every kind of gap: failed, unmeasured, without price, judged, in several repeats."""
    draw = Random(seed)
    agents = tuple(
        AgentConfig(
            name=name,
            provider="openai-chat",
            model=name,
            base_url="http://gpu-box.lan:8000/v1",
            headers={"X-Team": "Mirabelle"},
            folder="/home/mirabelle/secret-project",
        )
        for name in ("a", "b", "c")[: draw.randint(1, 3)]
    )
    tasks = tuple(
        Task(
            id=f"t{t}",
            title=f"T{t}",
            prompt=SAID,
            path=f"/home/mirabelle/secret-project/t{t}.md",
            rubric="is it short",
            verifiers=(VerifierSpec(kind="answer", options={"contains": "x"}),),
        )
        for t in range(draw.randint(1, 4))
    )
    run = Run(
        id="20260102-101500-ab12",
        created_at="2026-01-02T10:15:00+00:00",
        evaluation=Evaluation(title="Ours", judge_weight=0.3),
        tasks=tasks,
        agents=agents,
        repeats={task.id: 2 for task in tasks},
        source="/home/mirabelle/secret-project",
        command="flatfield eval /home/mirabelle/x.md",
        versions={"flatfield": "0.1.0"},
    )
    trials = tuple(
        a_trial(draw, agent.name, task.id, repeat) for agent in agents for task in tasks for repeat in (1, 2)
    )
    verdicts = tuple(
        Verdict(run=run.id, agent=one.agent, task=one.task, repeat=one.repeat, judge="j", letter=letter, reason=SAID)
        for one in trials
        if not one.failure and draw.random() < 0.7
        for letter in (a_letter(draw),)
    )
    return Imported(run=run, trials=trials, verdicts=verdicts)


def a_letter(draw: Random) -> Letter:
    return draw.choice(("S", "A", "B", "C", "D", "F"))


def a_trial(draw: Random, agent: str, task: str, repeat: int) -> TrialRecord:
    wire = Wire(url="http://gpu-box.lan:8000/v1", headers={}, kept_bytes=3, sent=b"abc", checksum=1, received=b"d")
    call = ToolCall(id="1", name="read_file", arguments=msgspec.json.encode({"file_path": SAID}).decode())
    score = draw.choice((None, 0.0, 0.5, 1.0))
    return TrialRecord(
        run="20260102-101500-ab12",
        agent=agent,
        task=task,
        repeat=repeat,
        task_digest=f"d-{task}",
        agent_fingerprint=f"f-{agent}",
        stop="answered",
        answer=SAID,
        prompt=SAID,
        turns=(Turn(reply=Reply(text=SAID, calls=(call,), wire=(wire,), model_seconds=1.5)),),
        usage=Usage(input_tokens=10, output_tokens=5),
        cost_usd=draw.choice((None, 0.01, 0.02)),
        active_seconds=draw.uniform(0.5, 20.0),
        checks=(Check(verifier="answer", label="contains", score=score, reason=SAID),),
        failure=Failure(kind="provider", message=SAID) if draw.random() < 0.1 else None,
        attempt=f"{agent}{task}{repeat}",
    )


def made(path: Path, given: Imported, private: Private = PRIVATE) -> tuple[str, Redaction]:
    redaction = Redaction(private)
    run = redaction.record(given.run)
    trials = (redaction.record(trial) for trial in given.trials)
    return write(path, redaction, run, trials, [redaction.record(one) for one in given.verdicts]), redaction


def graded(folder: Path, given: Imported) -> RunResult:
    store = Store(folder)
    asyncio.run(save_imported(store, given))
    return load_result(store, given.run.id)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.some(3)
def test_a_run_that_went_through_a_bundle_has_the_same_grades(seed: int, tmp_path: Path) -> None:
    given = a_run(seed)
    digest, _ = made(tmp_path / "x.flatfield", given)
    (taken,) = bundle.read(tmp_path / "x.flatfield", ImportChoices()).runs
    assert taken.run.imported
    assert taken.run.versions["import"] == f"bundle {digest}"
    assert not any(trial.imported for trial in taken.trials)
    here, there = graded(tmp_path / "here", given), graded(tmp_path / "there", taken)
    assert there.grading == Redaction(PRIVATE).record(here.grading)  # notes quote what checks said
    assert len(there.verdicts) == len(here.verdicts)
    assert [trial.usage for trial in there.trials] == [trial.usage for trial in here.trials]


def test_nothing_private_is_in_the_file_and_what_was_taken_out_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.flatfield"
    _, redaction = made(path, a_run(1))
    text = gzip.decompress(path.read_bytes().partition(b"\n")[2]).decode()
    for word in ("irabelle", "thinkpad-of-m", "gpu-box", "secret-project", KEY, "hers-99x", "/Users/other"):
        assert word not in text, word
    assert "The thinkpad is not named, nor homes." in text
    assert "/project/a.py and /home/user/.ssh, /home/user/x; on host, http://host:8000/v1 wants [key] or" in text
    said = "\n".join(redaction.said())
    for what in ("user names", "host names", "home folders", "folders of the project", "keys", "headers", "exchanges"):
        assert what in said
    assert read(path).outline.changed == redaction.said()


def test_any_changed_byte_is_refused(tmp_path: Path) -> None:
    path, draw = tmp_path / "x.flatfield", Random(1)
    made(path, a_run(2))
    whole = path.read_bytes()
    behind = whole.index(b"\n") + 1
    for place in (*range(behind), *range(behind, len(whole), 11), len(whole) - 1):
        changed = bytearray(whole)
        changed[place] ^= 1 << draw.randrange(8)
        path.write_bytes(bytes(changed))
        with pytest.raises(FlatfieldError, match=r"x\.flatfield (is not as|is no bundle|was made by a newer)"):
            read(path)
    path.write_bytes(whole[:-3])
    with pytest.raises(FlatfieldError, match=r"not as it was made.*get it again"):
        read(path)
    path.write_bytes(whole)
    assert read(path).outline.run == "20260102-101500-ab12"


def sealed(path: Path, data: bytes) -> Path:
    """A file whose first line vouches for any content: whoever makes one can."""
    path.write_bytes(SEAL.format(format=1, digest=sha256(data).hexdigest()).encode() + data)
    return path


def test_what_somebody_sealed_by_hand_is_told_from_a_run(tmp_path: Path) -> None:
    path = tmp_path / "x.flatfield"
    made(path, a_run(4))
    packed = path.read_bytes().partition(b"\n")[2]
    run, trial, *rest = gzip.decompress(packed).splitlines(keepends=True)
    for data, said in (
        (packed[:-8], "cannot be unpacked"),
        (packed[: len(packed) // 2], "cannot be unpacked"),
        (packed[:100] + bytes(50) + packed[150:], "cannot be unpacked"),
        (b"", "it has no run, or several"),
        (gzip.compress(b"".join((run, run, trial, *rest))), "it has no run, or several"),
        (gzip.compress(b"".join((trial, *rest))), "it has no run, or several"),
        (gzip.compress(b"".join((run, *rest))), "the digest of its trials is another one"),
        (gzip.compress(b"".join((run, trial, trial, *rest))), "the digest of its trials is another one"),
        (gzip.compress(b"{}\n"), "a line of it is no record"),
        (gzip.compress(run[:-2] + b","), "holds a record that cannot be read"),
    ):
        with pytest.raises(FlatfieldError, match=said):
            read(sealed(path, data))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda each: _called("../../elsewhere", each), "an id that no run has"),
        (lambda each: _called("", each), "an id that no run has"),
        (lambda each: structs.replace(each, trials=(*each.trials, each.trials[0])), "it holds a trial twice"),
        (
            lambda each: structs.replace(each, trials=(structs.replace(each.trials[0], agent="z"),)),
            "it holds what is not of its run",
        ),
    ],
)
def test_a_run_that_no_flatfield_made_is_refused(
    change: Callable[[Imported], Imported], said: str, tmp_path: Path
) -> None:
    made(tmp_path / "x.flatfield", change(a_run(4)))
    with pytest.raises(FlatfieldError, match=said):
        read(tmp_path / "x.flatfield")


def _called(run: str, given: Imported) -> Imported:
    trials = tuple(structs.replace(one, run=run) for one in given.trials)
    return Imported(run=structs.replace(given.run, id=run), trials=trials)


def test_what_unpacks_to_fill_a_memory_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "LEAST_ROOM", 100_000)
    monkeypatch.setattr(bundles, "LONGEST_LINE", 50_000)
    monkeypatch.setattr(bundles, "MOST_TIMES", 20)
    for data in (b"a" * 60_000, b'{"run":null}' + b" " * 49_000 + b"\n", b'{"x":"' + b"a" * 50_000):
        path = sealed(tmp_path / "x.flatfield", gzip.compress(data * 3))
        with pytest.raises(FlatfieldError, match=r"unpacks to far more than a run has|a line of it is no record"):
            read(path)
    long = structs.replace(a_run(2).trials[0], answer="a" * 40_000)
    trials = tuple(structs.replace(long, repeat=repeat) for repeat in range(1, 5))
    made(tmp_path / "y.flatfield", structs.replace(a_run(2), trials=trials, verdicts=()))
    with pytest.raises(FlatfieldError, match="unpacks to far more than a run has"):
        read(tmp_path / "y.flatfield")


def test_what_is_no_bundle_is_told_so(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("agent,task\n")
    with pytest.raises(FlatfieldError, match=r"x\.csv is no bundle of a run: make one with `flatfield bundle RUN`"):
        read(path)
    with pytest.raises(FlatfieldError, match=r"cannot be read: No such file"):
        read(tmp_path / "none")


def test_a_name_that_everybody_has_is_no_secret_and_words_of_ours_stay() -> None:
    redaction = Redaction(Private(users=("root", "answered", "al"), hosts=("localhost",), homes=("/root",)))
    (trial, *_) = a_run(3).trials
    found = redaction.record(structs.replace(trial, answer="the root of all: /root/x, al"))
    assert found.answer == "the root of all: /home/user/x, al"
    assert found.stop == "answered"


def test_agents_that_are_the_same_without_private_names_are_refused(tmp_path: Path) -> None:
    given = a_run(1)
    agents = (
        structs.replace(given.run.agents[0], name="mirabelle-x"),
        structs.replace(given.run.agents[0], name="user-x"),
    )
    with pytest.raises(FlatfieldError, match="called the same: rename one"):
        made(tmp_path / "x", Imported(run=structs.replace(given.run, agents=agents), trials=()))


def test_a_server_of_ones_own_is_private_and_a_vendors_is_not() -> None:
    agents = [
        AgentConfig(name=str(number), provider="openai-chat", base_url=url)
        for number, url in enumerate(("http://box:1/v1", "http://127.0.0.1:1/v1", "https://api.vendor.com/v1", None))
    ]
    assert own_servers(agents, ["api.vendor.com"]) == ("box",)
