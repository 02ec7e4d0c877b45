"""The Markdown report: the sections in their order, and nothing that a model wrote draws any of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from markdown_it import MarkdownIt

from flatfield.faces.reports.markdown import brief, render
from flatfield.records import Reply, RunResult, Sent, Turn

if TYPE_CHECKING:
    from collections.abc import Callable

READER = MarkdownIt("gfm-like", {"linkify": False})
SECTIONS = [
    "Agent Responses",
    "Results Summary",
    "Letters by Task",
    "Performance Metrics",
    "Task by Task",
    "In One Sentence",
    "Grading Criteria",
    "Fairness Manifest",
    "Notes",
    "Final Ranking",
]


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


def test_the_sections_stand_in_the_order_of_the_response_format(published: RunResult, aimed: RunResult) -> None:
    with_more = headings(render(published))
    assert [title for title in with_more if title in SECTIONS] == SECTIONS
    assert "Published and Ours" in with_more
    assert "Against the Tasks' Targets" in headings(render(aimed))


def test_every_trial_has_its_row(aimed: RunResult) -> None:
    rows = table(render(aimed), "Agent Responses", "task")
    assert rows[0] == ["task", "trial", "outcome", "active", "checks", "answer"]
    assert rows[1] == ["t1", "quick #1", "score 1.00", "2.00 s", "all hold", "x"]
    assert len(rows) == 1 + 7


def test_grades_places_and_controls_have_tables_of_their_own(aimed: RunResult) -> None:
    text = render(aimed)
    grades = table(text, "Results Summary", "agent")
    assert grades[1] == ["quick", "3", "S (D–S)", "S (D–S)", "S", "S (C–S)"]
    assert table(text, "Results Summary", "control")[1] == ["oracle", "1", "S (one trial)"]
    places = table(text, "Final Ranking", "rank")
    assert places[0][2:] == ["overall", "active seconds per trial", "dollars per trial", "highest level held"]
    assert places[1] == ["1–2", "quick", "S (D–S)", "2.00 s", "$0.0100", "2"]
    assert not any("oracle" in row for row in (*grades, *places))


def test_the_recommendation_stands_in_the_summary(aimed: RunResult) -> None:
    text = render(aimed)
    assert "\nUse quick: it is the best of 2 agents with probability 0." in text


def test_anchors_name_their_agents(aimed: RunResult) -> None:
    rows = table(render(aimed), "Grading Criteria", "task")
    assert rows[1] == ["t1", "speed", "2.00 s", "quick", "8.50 s", "slow"]


def test_the_manifest_has_both_tables_and_the_reasons(
    make_result: Callable[..., RunResult], trial: Callable[..., Any]
) -> None:
    def turns(temperature: float) -> dict[str, Any]:
        return {"turns": (Turn(reply=Reply(text="x", request=Sent(temperature=temperature, stream=True))),)}

    text = render(make_result([trial(agent="a", more=turns(0)), trial(agent="b", more=turns(1))]))
    assert ["model", "streaming", "yes"] in table(text, "Fairness Manifest", "heading")
    differing = next(each for each in tables(text) if each[0][:2] == ["heading", "differs"])
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
    assert kinds <= {"text", "text_special", "code_inline"}
    assert {"html_block", "html_inline", "fence", "code_block", "hr", "blockquote_open"}.isdisjoint(
        token.type for token in tokens
    )
    assert [token.tag for token in tokens if token.type == "heading_open"].count("h1") == 1
    assert [title for title in headings(text) if title != "How Far the Judges Can Be Trusted"] == SECTIONS
    assert all(len({len(row) for row in each}) == 1 for each in tables(text))
    rows = table(text, "Agent Responses", "task")
    assert rows[1][1] == "a|b #1"
    assert rows[1][5] == "| a | `b` <b>c</b> [d](http://e) ![f](http://g) # heading \\x1b[31m=1+1 $x$ &amp;"
    assert [row[1] for row in rows[1:]] == ["a|b #1", "=cmd #1", "<i>c</i> #1"]


def test_in_brief_it_has_at_most_60_lines_and_the_answer_first(published: RunResult) -> None:
    text = brief(published)
    assert len(text.splitlines()) <= 60
    assert headings(text) == [
        "The Answer",
        "Agent Responses",
        "Results Summary",
        "Performance Metrics",
        "Grading Criteria",
        "Final Ranking",
    ]
    assert [row[0] for row in table(text, "Results Summary", "agent")[1:3]] == list(published.grading.order[:2])
    assert "--format markdown --full" in text


def test_a_report_that_is_no_longer_is_whole_in_brief(aimed: RunResult) -> None:
    text = render(aimed)
    assert (brief(aimed) == text) == (len(text.splitlines()) <= 60)
