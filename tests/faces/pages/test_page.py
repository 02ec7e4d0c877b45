"""A page in real Chromium, from disk: hands, keyboard, phone, screen reader; and texts that would like to run."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from flatfield.faces.pages.colors import SHADES
from flatfield.faces.pages.page import document
from flatfield.machine.models import cache_folder
from flatfield.records import Evaluation, FileChange

if TYPE_CHECKING:
    from collections.abc import Callable

    from flatfield.records import RunResult

pytestmark = [pytest.mark.whole, pytest.mark.needs("chromium")]

ATTACK = (
    "</script><script>window.hit=1</script></template><img src=x onerror=window.hit=2>"
    "<a href='javascript:window.hit=3'>x</a>\u2028\u2029\u202e{{answer}}${window.hit=4}<!-- ]]> \x1b[31m"
)
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
OPEN_ALL = "for (const fold of document.querySelectorAll('details')) fold.open = true"


@pytest.fixture
def nine(published: RunResult, certain: Callable[[RunResult], RunResult]) -> RunResult:
    return certain(published)


def weights_of(page: Any) -> list[float]:
    return [float(page.input_value(f"#w{i}")) for i in range(3)]


def order_of(page: Any) -> list[str]:
    found: list[str] = page.eval_on_selector_all("#table tbody tr", "rows => rows.map(row => row.dataset.agent)")
    return found


def settle(page: Any) -> None:
    """Wait until what was asked is what is shown."""
    page.wait_for_function("() => !page.waiting")


# ---------------------------------------------------------------------------- hands


@pytest.mark.slow
def test_dragging_the_weights_re_ranks(nine: RunResult, show: Callable[..., Any]) -> None:
    opened = show(nine)
    page = opened.page
    first = page.text_content("#answer")
    page.locator("#triangle").scroll_into_view_if_needed()
    box = page.locator("#triangle svg").bounding_box()
    handle = page.locator(".handle .knob").bounding_box()
    page.mouse.move(handle["x"] + 5, handle["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + 30, box["y"] + box["height"] - 30, steps=4)
    page.mouse.up()
    settle(page)
    performance, speed, cost = weights_of(page)
    assert performance + speed + cost == 100
    assert speed >= 75
    assert page.text_content("#answer") != first
    assert order_of(page)[0] == "claude-3-haiku"
    page.click("#reset")
    settle(page)
    assert weights_of(page) == [50, 25, 25]
    assert page.text_content("#answer") == first
    assert opened.problems == []


@pytest.mark.slow
def test_sliders_of_dollars_re_rank(nine: RunResult, show: Callable[..., Any]) -> None:
    opened = show(nine)
    page = opened.page
    page.locator("label:has(input[value=money])").click()
    settle(page)
    rich = page.text_content("#answer")
    page.locator("#solved-range").fill("20")
    page.locator("#hour-range").fill("100")
    settle(page)
    assert page.input_value("#solved") == "0.1"
    assert page.input_value("#hour") == "1000"
    assert page.text_content("#answer") != rich
    assert "would lose" in page.text_content("#answer")
    assert opened.problems == []


@pytest.mark.slow
def test_limits_leave_agents_out(nine: RunResult, show: Callable[..., Any]) -> None:
    opened = show(nine)
    page = opened.page
    page.fill("#limit-seconds", "9.5")
    settle(page)
    assert page.text_content("#answer").startswith("Use claude-3-haiku: it is the only agent within the limits")
    assert "keeps to the limits with probability" in page.text_content("#table")
    page.fill("#limit-seconds", "")
    page.select_option("#limit-performance", "S")
    settle(page)
    assert page.text_content("#answer").startswith("No agent to recommend: none keeps to the limits")
    assert opened.problems == []


# ---------------------------------------------------------------------------- keyboard


def test_all_of_it_works_by_keyboard_alone(nine: RunResult, show: Callable[..., Any]) -> None:
    opened = show(nine)
    page = opened.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    tabbed(page, "document.activeElement.classList.contains('handle')")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Shift+ArrowUp")
    page.keyboard.press("ArrowRight")
    settle(page)
    performance, speed, cost = weights_of(page)
    assert performance == 61
    assert performance + speed + cost == 100
    assert cost > speed
    handle = page.locator(".handle")
    assert handle.get_attribute("aria-valuetext") == f"performance {performance:g}%, speed {speed:g}%, cost {cost:g}%"
    tabbed(page, "document.activeElement.tagName === 'TD'")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_selector("#why h3")
    assert "on 2_basic_read" in page.text_content("#why h3")
    tabbed(page, "document.activeElement.tagName === 'SUMMARY'")
    page.keyboard.press("Enter")
    page.wait_for_selector("#pair-chart svg")
    assert opened.problems == []


def tabbed(page: Any, wanted: str) -> None:
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate(wanted):
            return
    raise AssertionError(f"the Tab key never comes to where {wanted}")


# ---------------------------------------------------------------------------- everybody


@pytest.mark.slow
@pytest.mark.needs("axe")
@pytest.mark.parametrize(("size", "scheme"), [((1280, 900), "light"), ((360, 780), "dark")])
def test_axe_finds_nothing_serious(
    size: tuple[int, int], scheme: str, motley: RunResult, show: Callable[..., Any]
) -> None:
    opened = show(motley, size=size, scheme=scheme)
    opened.page.evaluate(OPEN_ALL)
    opened.page.wait_for_selector("#pair-chart svg")
    opened.page.locator("#grid td").first.click()
    opened.page.wait_for_selector("#why li")
    assert serious(opened.page) == []


@pytest.mark.slow
@pytest.mark.needs("axe")
def test_axe_finds_nothing_serious_whatever_others_named(
    make_result: Callable[..., RunResult],
    trial: Callable[..., Any],
    certain: Callable[[RunResult], RunResult],
    show: Callable[..., Any],
) -> None:
    opened = show(certain(hostile_run(make_result, trial)), size=(360, 780))
    opened.page.evaluate(OPEN_ALL)
    opened.page.wait_for_selector("#pair-chart svg")
    assert serious(opened.page) == []
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 360


def serious(page: Any) -> list[tuple[str, str, list[str]]]:
    """What axe-core finds on a page that keeps somebody out."""
    page.evaluate((cache_folder(os.environ) / "tests" / "axe.min.js").read_text("utf-8"))
    found = page.evaluate("axe.run({resultTypes: ['violations']})")
    return [_told(one) for one in found["violations"] if one["impact"] in {"serious", "critical"}]


def _told(violation: dict[str, Any]) -> tuple[str, str, list[str]]:
    return violation["id"], violation["help"], [node["html"][:200] for node in violation["nodes"]][:4]


@pytest.mark.slow
def test_on_paper_a_dark_page_has_the_colours_of_a_light_one(nine: RunResult, show: Callable[..., Any]) -> None:
    page = show(nine, scheme="dark").page
    page.emulate_media(media="print", color_scheme="dark")
    used = set(page.evaluate(COLOURS))
    light, dark = ({_computed(getattr(shade, ground)) for shade in SHADES.values()} for ground in ("light", "dark"))
    assert len(used & light) > 1
    assert not used & dark
    assert page.locator("#more").is_hidden()
    page.evaluate("document.querySelector('#manifest').open = true")
    assert page.locator("#manifest").is_visible()
    assert page.locator("#paired").is_hidden()


COLOURS = """() => [...document.querySelectorAll('#table path, #scatter path, #scatter line')].flatMap((each) => {
  const style = getComputedStyle(each);
  return [style.fill, style.stroke];
})"""


def _computed(shade: str) -> str:
    """A colour as a browser writes it."""
    return f"rgb({', '.join(str(int(shade[at : at + 2], 16)) for at in (1, 3, 5))})"


@pytest.mark.slow
def test_a_phone_needs_no_sideways_scrolling(motley: RunResult, show: Callable[..., Any]) -> None:
    opened = show(motley, size=(360, 780))
    opened.page.evaluate(OPEN_ALL)
    opened.page.wait_for_selector("#pair-chart svg")
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 360


# ---------------------------------------------------------------------------- what others wrote


def hostile_run(make_result: Callable[..., RunResult], trial: Callable[..., Any]) -> RunResult:
    """Every text that a model, a task or a server's list of models could have a say in."""
    name = ATTACK.replace("/", "∕")
    more = {"answer": ATTACK, "changes": (FileChange(path=ATTACK, kind="added", text=ATTACK),)}
    trials = [
        trial(agent=name, task=name, more=more),
        trial(agent="b", task=name, score=0.0, more=more),
        trial(agent="b", task="t2", score=0.5, more=more),
    ]
    result = make_result(trials, evaluation=Evaluation(title=ATTACK))
    agents = tuple(replace(agent, model=ATTACK) for agent in result.run.agents)
    return replace(result, run=replace(result.run, agents=agents, notes=(ATTACK,), command=ATTACK))


def test_no_text_of_others_runs_or_becomes_markup(
    make_result: Callable[..., RunResult],
    trial: Callable[..., Any],
    certain: Callable[[RunResult], RunResult],
    with_turns: Callable[..., Any],
    show: Callable[..., Any],
) -> None:
    result = certain(hostile_run(make_result, trial))
    opened = show(result, [with_turns(record, ATTACK) for record in result.trials])
    page = opened.page
    page.evaluate(OPEN_ALL)
    page.wait_for_selector("#sides pre")
    page.locator("#grid td").first.click()
    page.wait_for_selector("#why li")
    page.locator("button", has_text="Read the transcript").click()
    page.locator("#table tbody tr").first.hover()
    assert page.evaluate("window.hit") is None
    assert page.locator("a[href^='javascript'], img, iframe, object").count() == 0
    assert "window.hit=1" in page.locator("#sides").inner_text()
    assert not UNSEEN.search(page.inner_text("body"))
    assert opened.problems == []


def test_the_policy_is_in_force(
    make_result: Callable[..., RunResult], trial: Callable[..., Any], show: Callable[..., Any]
) -> None:
    opened = show(make_result([trial()]))
    tries = """async () => {
      const seen = [];
      addEventListener('securitypolicyviolation', (event) => seen.push(event.effectiveDirective));
      const script = document.createElement('script');
      script.textContent = 'window.hit = 1';
      document.body.append(script);
      await fetch('http://127.0.0.1:9/').catch(() => 0);
      const image = new Image();
      image.src = 'http://127.0.0.1:9/x.png';
      document.body.append(image);
      await new Promise((done) => setTimeout(done, 50));
      return [window.hit ?? null, [...new Set(seen)].sort()];
    }"""
    hit, seen = opened.page.evaluate(tries)
    assert hit is None
    assert seen == ["connect-src", "img-src", "script-src-elem"]
    policy = opened.page.locator("meta[http-equiv]").get_attribute("content")
    assert "unsafe-eval" not in policy
    assert "'unsafe-inline'" not in policy.partition("script-src")[2]


# ---------------------------------------------------------------------------- transcripts and times


@pytest.mark.slow
def test_transcripts_stand_side_by_side_and_times_are_drawn(
    motley: RunResult, with_turns: Callable[..., Any], show: Callable[..., Any]
) -> None:
    opened = show(motley, [with_turns(record, f"{record.agent} has looked") for record in motley.trials])
    page = opened.page
    page.locator("#grid td").first.click()
    page.locator("button", has_text="Read the transcript").click()
    page.wait_for_selector(".talk pre")
    assert page.locator(".talk").count() == 2
    assert "has looked" in page.locator(".talk").first.inner_text()
    page.locator("#times summary").click()
    page.wait_for_selector("#time-chart svg")
    assert "turn" in page.text_content("#time-said")
    assert page.locator("#time-chart svg path").count() > 4
    assert opened.problems == []


# ---------------------------------------------------------------------------- sizes, and runs with little in them


@pytest.mark.slow
def test_nothing_measured_is_still_a_page(
    make_result: Callable[..., RunResult], trial: Callable[..., Any], show: Callable[..., Any]
) -> None:
    result = make_result([trial(score=None), trial(agent="b", score=None)])
    opened = show(result)
    assert opened.page.text_content("#answer").startswith("No agent to recommend")
    assert opened.page.locator("#controls").is_hidden()
    assert opened.page.locator("#grid td.none").count() == 2
    assert opened.problems == []


@pytest.mark.slow
def test_one_agent_on_one_task_is_a_page(
    make_result: Callable[..., RunResult],
    trial: Callable[..., Any],
    certain: Callable[[RunResult], RunResult],
    show: Callable[..., Any],
) -> None:
    opened = show(certain(make_result([trial()])))
    assert "the only agent that was measured" in opened.page.text_content("#answer")
    assert opened.page.locator("#scatter svg").count() == 1
    assert opened.page.locator("#paired").is_hidden()
    assert opened.problems == []


def test_the_page_itself_is_small(nine: RunResult) -> None:
    text = document(nine)
    data = sum(len(part) for part in re.findall(r'<template id="(?:data|talk)-[^>]*>([^<]*)</template>', text))
    assert len(text.encode()) - data <= 550_000
    assert len(text.encode()) <= 1_500_000


@pytest.mark.slow
@pytest.mark.parametrize("size", [(10, 200, 5), (43, 500, 1)])
def test_a_large_run_is_seen_at_once(
    size: tuple[int, int, int],
    large: Callable[[int, int, int], RunResult],
    certain: Callable[[RunResult], RunResult],
    with_turns: Callable[..., Any],
    show: Callable[..., Any],
) -> None:
    agents, tasks, _ = size
    result = certain(large(*size))
    records = [with_turns(record, f"{record.id} " * 50) for record in result.trials]
    opened = show(result, records, size=(1600, 1000))
    page = opened.page
    (painted,) = page.evaluate("performance.getEntriesByName('first-contentful-paint').map((one) => one.startTime)")
    assert painted < 2000
    assert page.locator("#table tbody tr").count() == agents
    assert page.locator("#grid tbody tr").count() < tasks
    page.evaluate("for (let i = 0; i < 20; i += 1) addGridRows()")
    assert page.locator("#grid tbody tr").count() == tasks
    page.locator("#grid td").last.click()
    page.locator("button", has_text="Read the transcript").click()
    page.wait_for_selector(".talk pre")
    assert opened.problems == []
