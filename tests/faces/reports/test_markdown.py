"""The Markdown report: the sections in their order, and nothing that a model wrote draws any of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from markdown_it import MarkdownIt

from flatfield.faces.reports.markdown import brief, render
from flatfield.records import Reply, RunResult, Sent, Task, Turn, VerifierSpec

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.whole

READER = MarkdownIt("gfm-like", {"linkify": False})
FIRST = ["The Answer", "Final Ranking", "Results Summary", "Agent Responses"]
SECTIONS = [
    *FIRST,
    "Performance Metrics",
    "Task by Task",
    "Two at a Time",
    "Every Trial",
    "Grading Criteria",
    "Fairness Manifest",
    "Notes",
]
FOLD = {"<details>", "</details>", "<summary>", "</summary>"}


def headings(text: str) -> list[str]:
    lines = text.splitlines()
    return [line.removeprefix("## ") for line in lines if line.startswith("## ")]


def tables(text: str) -> list[list[list[str]]]:
    """Every table of the report, as Markdown readers see it."""
    found: list[list[list[str]]] = []
    for token in READER.parse(text):
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append([])
        elif token.type == "inline" and found and token.level > 3:
            found[-1][-1].append("".join(child.content for child in token.children or ()))
    return found


def table(text: str, title: str, first: str) -> list[list[str]]:
    part = text[text.index(f"## {title}") :]
    return next(each for each in tables(part) if each[0][0] == first)


def test_the_answer_stands_first_and_what_few_read_is_folded(published: RunResult, aimed: RunResult) -> None:
    with_more = headings(render(published))
    assert [title for title in with_more if title in SECTIONS] == SECTIONS
    assert "Published and Ours" in with_more
    text = render(published)
    assert text.index("## Agent Responses") < text.index("\n<details>\n") < text.index("## Performance Metrics")
    assert text.endswith("\n</details>\n")
    assert "Against the Tasks' Targets" in headings(render(aimed))


def test_every_trial_has_its_row(aimed: RunResult) -> None:
    rows = table(render(aimed), "Every Trial", "task")
    assert rows[0] == ["task", "agent", "try", "score", "how it ended", "time", "checks", "answer"]
    assert rows[1] == ["t1", "quick", "1", "1.00", "answered", "2.00 s", "all hold", "x"]
    assert len(rows) == 1 + 7


def test_grades_places_and_controls_have_tables_of_their_own(aimed: RunResult) -> None:
    text = render(aimed)
    ranking = table(text, "Final Ranking", "rank")
    assert ranking[0][2:] == ["trials", "overall", "performance", "speed", "cost", "time/trial", "$/trial"]
    assert ranking[1] == ["1–2", "quick", "3", "S (D–S)", "S (D–S)", "S", "S (B–S)", "2.00 s", "$0.0100"]
    assert table(text, "Final Ranking", "control")[1] == ["oracle", "1", "S (one trial)"]
    assert table(text, "Results Summary", "agent")[1] == ["quick", "S S S"]
    assert not any("oracle" in row for row in ranking)


def test_the_recommendation_stands_in_the_answer(aimed: RunResult) -> None:
    assert "\n## The Answer\n**Use quick: it is the best of 2 agents with probability 0." in render(aimed)


def test_anchors_name_their_agents(aimed: RunResult) -> None:
    rows = table(render(aimed), "Grading Criteria", "task")
    assert rows[1] == ["t1", "speed", "2.00 s", "quick", "8.50 s", "slow"]


def test_the_manifest_has_both_tables_and_the_reasons(
    make_result: Callable[..., RunResult], trial: Callable[..., Any]
) -> None:
    def turns(temperature: float) -> dict[str, Any]:
        return {"turns": (Turn(reply=Reply(text="x", request=Sent(temperature=temperature, stream=True))),)}

    text = render(make_result([trial(agent="a", more=turns(0)), trial(agent="b", more=turns(1))]))
    assert ["model", "streaming", "yes"] in table(text, "Fairness Manifest", "part")
    differing = next(each for each in tables(text) if each[0][:2] == ["part", "what differs"])
    assert ["model", "temperature", "0", "a"] in differing
    assert "- temperature: not set for a, b, so vendor's default holds" in text


def test_published_cells_all_have_both_letters_and_those_that_differ_a_reason(published: RunResult) -> None:
    rows = table(render(published), "Published and Ours", "task")[1:]
    assert len(rows) == 180
    assert all(row[5] for row in rows if row[3].replace("E", "F") != row[4])
    same = next(row for row in rows if row[:3] == ["1_dummy", "gpt-5", "cost"])
    assert same[3:5] == ["D", "D"]
    assert same[5].startswith("cost re-priced: $0.0112 published, $0.00608 from its tokens")


def test_published_figures_have_no_answers(published: RunResult) -> None:
    assert "These figures were published without the answers." in render(published)


def test_a_hostile_run_draws_nothing(hostile: RunResult, aimed: RunResult) -> None:
    text = render(hostile)
    tokens = READER.parse(text)
    kinds = {child.type for token in tokens for child in token.children or ()}
    assert kinds <= {"text", "text_special", "code_inline", "strong_open", "strong_close"}
    html = "".join(token.content for token in tokens if token.type == "html_block")
    assert set(re.findall("<[^>]*>", html)) == FOLD
    assert {"html_inline", "fence", "code_block", "hr", "blockquote_open"}.isdisjoint(token.type for token in tokens)
    assert [token.tag for token in tokens if token.type == "heading_open"].count("h1") == 1
    assert [title for title in headings(text) if title != "How Far the Judges Can Be Trusted"] == SECTIONS
    assert all(len({len(row) for row in each}) == 1 for each in tables(text))
    rows = table(text, "Every Trial", "task")
    assert rows[1][1] == "a|b"
    assert rows[1][7] == "| a | `b` <b>c</b> [d](http://e) ![f](http://g) # heading \\x1b[31m=1+1 $x$ &amp;"
    assert [row[1] for row in rows[1:]] == ["a|b", "=cmd", "<i>c</i>"]


def large(make_result: Callable[..., RunResult], trial: Callable[..., Any], agents: int, tasks: int) -> RunResult:
    """A run in which many agents fail on many tasks for reasons of their own."""
    ids = [f"task-{number:03}" for number in range(tasks)]
    specs = (VerifierSpec(kind="answer", options={}),)
    listed = [
        Task(id=each, title=each, prompt="p", level=number % 5, verifiers=specs) for number, each in enumerate(ids)
    ]
    trials = [
        trial(
            agent=f"model-{agent}",
            task=task,
            score=float((agent + place) % 3 > 0),
            more={"active_seconds": 1.0 + agent},
        )
        for agent in range(agents)
        for place, task in enumerate(ids)
    ]
    return make_result(trials, tasks=listed)


@pytest.mark.parametrize(("agents", "tasks"), [(1, 1), (2, 3), (9, 5), (43, 12), (20, 40)])
@pytest.mark.some(3)
def test_it_has_at_most_60_lines_whatever_the_size_of_the_run(
    agents: int, tasks: int, make_result: Callable[..., RunResult], trial: Callable[..., Any]
) -> None:
    text = brief(large(make_result, trial, agents, tasks))
    lines = text.splitlines()
    assert len(lines) <= 60
    assert lines[-1] == "</details>"
    found = headings(text)
    assert found[:6] == [*FIRST, "Performance Metrics", "Grading Criteria"]
    assert "--format markdown --full" in text
    said = next(line for line in lines if line.startswith("**"))
    assert lines[lines.index("## The Answer") + 1] == said
    assert all(len({len(row) for row in each}) == 1 for each in tables(text))
    shown = len(table(text, "Final Ranking", "rank")) - 1
    assert shown == agents or f"- and {agents - shown} more agents below them" in lines


def test_the_published_nine_are_ranked_in_60_lines(published: RunResult) -> None:
    text = brief(published)
    assert len(text.splitlines()) <= 60
    assert [row[1] for row in table(text, "Final Ranking", "rank")[1:]] == list(published.grading.order)
