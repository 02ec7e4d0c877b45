"""The terminal report: what matters first, nothing wider than the terminal, controls apart, all that is to be said."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from flatfield.faces.advice import in_short
from flatfield.faces.reports.terminal import render, show, show_ranking
from flatfield.records import (
    Check,
    DeviceWork,
    Evaluation,
    Failure,
    Reply,
    RunResult,
    Sent,
    SolutionStep,
    Task,
    ToolCall,
    ToolResult,
    Turn,
    Usage,
    Verdict,
    VerifierSpec,
    Weights,
)

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.whole

FIRST = ("Final Ranking", "Letters by Task", "What Failed and Why", "Everything Else")
REST = ("Performance Metrics", "Task by Task", "Every Trial", "Grading Criteria", "Fairness Manifest", "Notes")
OTHERS = (
    "Skills", "Two at a Time", "Tried Again", "Tool Calls", "Against the Tasks' Targets", "Published and Ours",
    "How Far the Judges Can Be Trusted",
)  # fmt: skip


def whole(result: RunResult, width: int = 200) -> str:
    """All that `--full` prints, wide enough for each table."""
    stream = io.StringIO()
    show(result, Console(file=stream, width=width, emoji=False, markup=False, highlight=False), full=True)
    return stream.getvalue()


def section(text: str, title: str) -> list[str]:
    lines = text.splitlines()
    start = lines.index(title)
    ends = {*FIRST, *REST, *OTHERS}
    end = next((n for n in range(start + 1, len(lines)) if not lines[n - 1] and lines[n] in ends), len(lines))
    return "\n".join(lines[start + 1 : end]).rstrip().splitlines()


def row(lines: list[str], start: str) -> str:
    return next(line for line in lines if line.split()[: len(start.split())] == start.split())


def test_the_answer_stands_first_then_ranking_letters_and_what_failed(aimed: RunResult) -> None:
    text = render(aimed)
    lines = text.splitlines()
    assert lines[:3] == ["A comparison", "run 20260102-101500-ab12: 3 agents × 1 task, 7 of 9 trials measured", ""]
    assert lines[3].startswith("Use quick: ")
    said = in_short(aimed)
    told = " ".join((said.title, *(f"- {point}" for point in said.points)))
    assert " ".join(" ".join(lines[3 : lines.index(FIRST[0])]).split()) == told
    places = [text.index(f"\n{title}\n") for title in FIRST]
    assert places == sorted(places)
    assert not any(f"\n{title}\n" in text for title in REST[:-1])
    assert "- flatfield report 20260102-101500-ab12 --full: each task and trial, and how grades come about" in lines


def test_in_full_the_rest_follows_in_its_order(aimed: RunResult) -> None:
    text = whole(aimed)
    places = [text.index(f"\n{title}\n") for title in (*FIRST[:-1], *REST)]
    assert places == sorted(places)


def test_letters_say_their_certainty(aimed: RunResult) -> None:
    lines = section(render(aimed), "Final Ranking")
    assert "S (D–S)" in row(lines, "1–2  quick")
    assert row(lines, "oracle").split() == ["oracle", "1", "S", "(one", "trial)"]


def test_cells_say_how_many_times_the_best_and_the_targets_letters(aimed: RunResult) -> None:
    lines = section(whole(aimed), "Task by Task")
    assert "D (F–S) · 4.2×" in row(lines, "t1 slow")
    assert row(lines, "t1 slow").endswith("C A")
    assert not any("oracle" in line for line in lines)


def test_targets_are_shown_only_where_tasks_state_them(aimed: RunResult, published: RunResult) -> None:
    lines = section(whole(aimed), "Against the Tasks' Targets")
    assert row(lines, "quick").split()[1] == "S"
    assert "Against the Tasks' Targets" not in whole(published)


def test_metrics_have_the_level_done_and_controls_in_a_table_of_their_own(aimed: RunResult) -> None:
    lines = section(whole(aimed), "Performance Metrics")
    assert row(lines, "quick").split()[-2:] == ["$0.0300", "2"]
    header = next(number for number, line in enumerate(lines) if line.startswith("control"))
    assert [line.split()[0] for line in lines[header + 1 :]] == ["oracle"]
    assert not any("oracle" in line for line in lines[:header])


def test_the_manifest_shows_what_differs_and_who_varied(
    make_result: Callable[..., RunResult], trial: Callable[..., Any]
) -> None:
    varied = tuple(Turn(reply=Reply(text="x", request=Sent(api="x", temperature=each))) for each in (0.5, None))
    more = [{"turns": varied}, {"turns": varied[:1]}, {}]
    trials = [trial(agent=name, more=each) for name, each in zip("abc", more, strict=True)]
    lines = section(whole(make_result(trials)), "Fairness Manifest")
    assert any("a (varied)" in line for line in lines)
    assert "0.5 (1 turn)" in " ".join(lines)
    assert "c did not run." in lines


def test_the_command_and_versions_are_notes(aimed: RunResult) -> None:
    lines = section(whole(aimed), "Notes")
    assert "- to run it again: flatfield eval tasks/ --seed 7" in lines
    assert any("seed 0; flatfield 0.1.0" in line for line in lines)


@pytest.mark.parametrize("width", [80, 100])
def test_nothing_is_wider_than_the_terminal(
    width: int, wide: RunResult, published: RunResult, hostile: RunResult, aimed: RunResult
) -> None:
    for result in (wide, published, hostile, aimed):
        stream = io.StringIO()
        for full in (False, True):
            show(result, Console(file=stream, width=width, emoji=False, markup=False, highlight=False), full=full)
        assert max(map(len, stream.getvalue().splitlines())) <= width


def test_plain_text_has_no_escapes(hostile: RunResult) -> None:
    assert "\x1b" not in render(hostile)
    assert "\r" not in render(hostile)


def test_a_terminal_has_colours_but_none_of_the_models(hostile: RunResult) -> None:
    stream = io.StringIO()
    screen = Console(file=stream, width=100, force_terminal=True, color_system="standard", highlight=False)
    show(hostile, screen, full=True)
    assert "\\x1b[31m=1+1" in stream.getvalue()


def test_many_tasks_are_counted_by_letter_and_in_full_make_several_tables(wide: RunResult) -> None:
    lines = section(render(wide), "Letters by Task")
    assert lines[0] == "On how many of the 24 tasks its work got which letter (performance)."
    assert row(lines, "oracle").split()[1:] == ["8", "0", "0", "8", "0", "8", "–"]
    lines = section(whole(wide, 100), "Letters by Task")
    headers = [line.split()[1:] for line in lines if line.startswith("agent")]
    assert [len(header) for header in headers] == [8, 8, 8]
    assert headers[2][-1] == "T24"
    assert any("T24 = level-23-a-rather-long-name-of-a-task (level 5)" in line for line in lines)


def test_what_failed_is_told_agent_by_agent_with_the_reason(
    make_result: Callable[..., RunResult], trial: Callable[..., Any]
) -> None:
    failed = {"failure": Failure(kind="provider", message="server down")}
    trials = [trial(agent="a", repeat=n, score=0.5 if n < 3 else 1.0) for n in (1, 2, 3)]
    trials += [trial(agent="b", repeat=n, score=None, more=failed) for n in (1, 2, 3)]
    trials += [trial(agent="noop", score=0.0)]
    text = render(make_result(trials, controls=("noop",)))
    lines = section(text, "What Failed and Why")
    said = " ".join(lines)
    assert said.startswith("2 of 6 trials did not do all of the work, 3 are not measured, which is no agent's fault.")
    assert any(line.startswith("- a: 2 of 3 fell short: t1 2 of 3 (") for line in lines)
    assert "- b: 3 of 3 not measured: server down" in lines
    assert not any("noop" in line for line in lines)
    assert "- 3 trials not measured (b): server down" in section(text, "Notes")
    assert "no overall for b: not measured: no trial" in section(text, "Final Ranking")


def test_where_nothing_failed_that_is_said(make_result: Callable[..., RunResult], trial: Callable[..., Any]) -> None:
    assert section(render(make_result([trial()])), "What Failed and Why")[0].startswith("Nothing failed. ")


def test_verifiers_and_judge_that_disagree_are_a_note(
    make_result: Callable[..., RunResult], trial: Callable[..., Any]
) -> None:
    specs = (VerifierSpec(kind="answer", options={}), VerifierSpec(kind="rubric", options={}))
    task = Task(id="t1", title="t", prompt="p", verifiers=specs)
    verdicts = [
        Verdict(run="r", agent="a", task="t1", repeat=1, judge="j", letter="F", reason="bad", cost_usd=0.02),
        Verdict(run="r", agent="a", task="t1", repeat=2, judge="j", letter=None, reason="no JSON"),
    ]
    result = make_result([trial(repeat=1), trial(repeat=2)], tasks=[task], verdicts=verdicts)
    text = whole(result)
    lines = " ".join(section(text, "Notes"))
    assert "verifiers and judge give the same letter in 0 of 1 trials" in lines
    trust = " ".join(section(text, "How Far the Judges Can Be Trusted"))
    assert "j: cost $0.0200 and more, some of it unknown; the evaluation's overhead, no agent's cost" in trust
    assert "j: the same letter as the verifiers in 0 of 1 trials that have both" in trust
    assert "1 verdict without a letter; the first: no JSON" in lines


def test_what_a_judge_says_stands_in_the_place_of_its_rubric(
    make_result: Callable[..., RunResult], trial: Callable[..., Any]
) -> None:
    task = Task(id="t1", title="t", prompt="p", verifiers=(VerifierSpec(kind="rubric", options={}),))
    asked = Check(verifier="rubric", label="rubric 2 items", score=None, reason="graded by the judge")
    trials = [trial(repeat=n, score=None, more={"checks": (asked,)}) for n in (1, 2)]
    verdict = Verdict(run="r", agent="a", task="t1", repeat=1, judge="j", letter="D", reason="it rambles")
    result = make_result(trials, tasks=[task], verdicts=[verdict])
    assert "- a: 1 of 2 fell short: t1 1 of 2 (judge j D: it rambles)" in section(render(result), "What Failed and Why")
    lines = section(whole(result), "Every Trial")
    assert any("judge j D: it rambles" in line for line in lines)
    assert any("not judged" in line for line in lines)
    assert not any("rubric" in line or "all hold" in line for line in lines)


def test_how_chains_went_and_how_steady_they_are(
    make_result: Callable[..., RunResult], trial: Callable[..., Any]
) -> None:
    steps = (SolutionStep(tool="read_file", arguments={"file_path": "x"}), SolutionStep(answer="x"))
    task = Task(id="t1", title="t", prompt="p", verifiers=(VerifierSpec(kind="answer", options={}),), solution=steps)
    call = ToolCall(id="1", name="read_file", arguments='{"file_path": "x"}')
    good, bad = (ToolResult(call_id="1", name="read_file", text="", ok=ok) for ok in (True, False))
    turns = (Turn(reply=Reply(text="", calls=(call, call)), results=(good, bad)), Turn(reply=Reply(text="x")))
    limited = {"turns": turns, "stop": "turn_limit"}
    trials = [trial(repeat=1, more={"turns": turns}), trial(repeat=2, score=0.5, more=limited)]
    text = whole(make_result(trials, tasks=[task]))
    lines = section(text, "Tool Calls")
    tables = [line.split() for line in lines if line.startswith("a ")]
    assert tables == [["a", "2.0", "2.0", "50%", "50%", "1.0", "100%"], ["a", "1/2", "0.50", "100%", "1"]]
    assert "another way may be as good" in " ".join(lines)
    steady = section(text, "Tried Again")
    assert row(steady, "a").split() == ["a", "0.50", "1.00", "0.00"]
    assert "Chen et al. 2021" in " ".join(steady)


def test_the_answer_is_seen_with_what_follows(
    make_result: Callable[..., RunResult], trial: Callable[..., Any], wide: RunResult
) -> None:
    trials = [trial(agent=a, task=t, score=s) for a, s in (("a", 1.0), ("b", 0.5)) for t in ("t1", "t2", "t3")]
    small = make_result([*trials, trial(agent="oracle")], controls=("oracle",))
    assert len(render(small).splitlines()) <= 45
    assert len(render(wide).splitlines()) <= 60


def test_only_controls_are_no_ranking(make_result: Callable[..., RunResult], trial: Callable[..., Any]) -> None:
    text = render(make_result([trial(agent="oracle"), trial(agent="noop", score=0.0)], controls=("oracle", "noop")))
    assert text.splitlines()[3] == "No agent to recommend: only controls took part."
    assert "rank" not in "".join(section(text, "Final Ranking"))


def test_the_weights_in_force_are_said(make_result: Callable[..., RunResult], trial: Callable[..., Any]) -> None:
    weights = Weights(performance=1, speed=0, cost=0)
    text = whole(make_result([trial()], evaluation=Evaluation(weights=weights)))
    assert "Overall: 100% performance; never above" in text


def test_a_price_that_is_not_known_is_never_nothing(
    make_result: Callable[..., RunResult], trial: Callable[..., Any]
) -> None:
    text = render(make_result([trial(more={"cost_usd": None})]))
    assert row(section(text, "Final Ranking"), "1 a").split()[-2:] == ["no", "price"]
    assert "no price is known for a;" in " ".join(text.split())
    assert "$0" not in text


def test_where_cost_is_left_out_nobody_has_a_letter_for_it(
    make_result: Callable[..., RunResult], trial: Callable[..., Any]
) -> None:
    """Who did no work is F in everything: beside "cost is left out for all" that would be a contradiction."""
    trials = [trial(agent="a", more={"cost_usd": None}), trial(agent="b", score=0.0, more={"cost_usd": None})]
    text = render(make_result(trials))
    ranking = section(text, "Final Ranking")
    assert "Cost is left out for all" in text
    assert "cost" not in row(ranking, "rank").split()
    assert "F" not in row(ranking, "1–2 a").split()
    assert [row(section(text, "Letters by Task"), name).split()[1:] for name in ("a", "b")] == [["S", "S"], ["F", "F"]]
    priced = render(make_result([trial(agent="a"), trial(agent="b", score=0.0)]))
    assert "cost" in row(section(priced, "Final Ranking"), "rank").split()
    assert row(section(priced, "Letters by Task"), "b").split()[1:] == ["F", "F", "F"]


def test_the_published_run_tells_every_letter_that_differs_and_every_cost_that_is_another(published: RunResult) -> None:
    lines = section(whole(published), "Published and Ours")
    said = " ".join(lines)
    assert "120 of 180 published letters are ours too" in said
    assert "performance 45 of 45, speed 18 of 45, cost 32 of 45, overall 25 of 45" in said
    assert "12 costs are computed anew from their tokens: the published ones are up to 1.86 times" in said
    assert row(lines, "1_dummy gpt-5-nano speed").split()[3:5] == ["B", "C"]


def test_long_texts_stand_below_their_rows_and_no_row_is_shown_twice(
    make_result: Callable[..., RunResult], trial: Callable[..., Any]
) -> None:
    answer = {"answer": " ".join(["word"] * 50)}
    failed = {"failure": Failure(kind="provider", message="server down")}
    trials = [trial(agent="openai-chat:a-model-of-a-long-name", repeat=1, more=answer), trial(agent="b", more=failed)]
    lines = section(whole(make_result(trials), 80), "Every Trial")
    rows = [line.split() for line in lines if line.startswith("t1 ")]
    assert [each[2:] for each in rows] == [
        ["1", "1.00", "answered", "2.00", "s"],
        ["1", "–", "not", "measured", "2.00", "s"],
    ]
    at = next(number for number, line in enumerate(lines) if line.startswith("t1 "))
    assert lines[at + 1] == "    checks: all hold"
    assert lines[at + 2].startswith("    answer: word word")
    assert "    checks: provider: server down" in lines
    assert " ".join(lines).split().count("word") == 50 + len(["Every word of one"])


def test_the_published_runs_ranking_can_be_shown_alone(published: RunResult) -> None:
    stream = io.StringIO()
    show_ranking(published, Console(file=stream, width=100))
    text = stream.getvalue()
    assert len(text.splitlines()) <= 40
    assert "Use gpt-5-nano: it is the best of 9 agents with probability 0." in text


@pytest.mark.parametrize(
    ("gpu_memory_bytes", "layers", "shown"),
    [(3_000, None, "50%"), (3_000, 20, "50%"), (6_000, None, "100%"), (None, 20, "20/–")],
)
def test_where_layers_are_not_told_the_gpus_share_of_the_memory_is(
    gpu_memory_bytes: int | None,
    layers: int | None,
    shown: str,
    make_result: Callable[..., RunResult],
    trial: Callable[..., Any],
) -> None:
    device = DeviceWork(read_seconds=1.0, peak_memory_bytes=6_000, gpu_memory_bytes=gpu_memory_bytes)
    reply = Reply(text="", device=device, request=Sent(gpu_layers=layers))
    result = make_result([trial(agent="desk", more={"turns": (Turn(reply=reply),)})])
    lines = section(whole(result), "Performance Metrics")
    at = next(number for number, line in enumerate(lines) if line.startswith("on this device") and "GPU" in line)
    assert lines[at].split()[-1] == "GPU"
    assert row(lines[at:], "desk").split()[-1] == shown


def test_what_models_took_of_the_device_is_a_table_of_80_columns(
    make_result: Callable[..., RunResult], trial: Callable[..., Any]
) -> None:
    device = DeviceWork(
        read_tokens=900, read_seconds=20.0, written_tokens=140, written_seconds=10.0, peak_memory_bytes=2_157_000_000
    )
    request = Sent(context_tokens=8192, gpu_layers=20, model_layers=25)
    usage = Usage(input_tokens=8000, output_tokens=140)
    reply = Reply(text="", usage=usage, device=device, load_seconds=5.15, request=request)
    desk = trial(agent="qwen2.5-coder-1.5b", more={"turns": (Turn(reply=reply),), "stop": "context_limit"})
    lines = section(whole(make_result([desk, trial(agent="hosted")])), "Performance Metrics")
    told, room = row(lines, "qwen2.5-coder-1.5b 45"), row(lines, "qwen2.5-coder-1.5b 8,140")
    assert told.split()[1:] == ["45", "14.0", "1×", "5.15", "s", "2.2", "GB"]
    assert room.split()[1:] == ["8,140", "8,192", "1×", "20/25"]
    assert max(map(len, lines[lines.index(told) - 1 :])) <= 80
    without = section(whole(make_result([trial()])), "Performance Metrics")
    assert not any(line.startswith("on this device") for line in without)
