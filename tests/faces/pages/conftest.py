"""What tests of pages share: runs to show, and a real browser that says everything it did not like."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import Struct
from msgspec.structs import replace

from flatfield.faces.pages.page import document
from flatfield.records import Check, Failure, Reply, ToolCall, ToolResult, Turn
from flatfield.scoring.certainty.study import study_trials
from flatfield.scoring.grading import GradingTerms, grade_drawn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext, Dialog, Page

    from flatfield.records import AgentConfig, Preferences, RunResult, TrialRecord

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PROBLEMS = ("warning", "error")
PATIENCE_MS = 120_000
"""How long a page may take on a machine that has much else to do."""


@pytest.fixture
def certain() -> Callable[[RunResult], RunResult]:
    """The result as `load_result` gives it: with the posterior that its ranges come from."""

    def made(result: RunResult) -> RunResult:
        study = study_trials(result.run, result.trials, result.verdicts)
        grading = grade_drawn(result.run, result.trials, result.verdicts, GradingTerms(), study)
        return replace(result, study=study, grading=grading)

    return made


@pytest.fixture
def asked() -> Callable[[RunResult, Preferences], RunResult]:
    """The same run, read by other preferences, as `load_result` does it."""

    def made(result: RunResult, wanted: Preferences) -> RunResult:
        terms = GradingTerms(weights=wanted.weights, anchors=result.frozen or result.run.anchors)
        grading = grade_drawn(result.run, result.trials, result.verdicts, terms, result.study)  # type: ignore[arg-type]
        return replace(result, preferences=wanted, grading=grading)

    return made


@pytest.fixture
def motley(
    make_result: Callable[..., RunResult], trial: Callable[..., Any], certain: Callable[[RunResult], RunResult]
) -> RunResult:
    """Everything that makes a run awkward: gaps, checks not measured, no price, $0, a flat rate, a failure, a chain."""
    half = (
        Check(verifier="answer", label="one", score=1.0, reason="fine"),
        Check(verifier="file", label="two", score=None, reason="no sandbox"),
    )
    both = (half[0], replace(half[1], score=1.0))
    every, once = [(t, r) for t in (1, 2, 3) for r in (1, 2)], [(t, 1) for t in (1, 2, 3)]

    def done(
        agent: str, cells: Sequence[tuple[int, int]], score: float, seconds: float, usd: float | None
    ) -> list[Any]:
        return [_trial(trial, agent, t, r, score=score, seconds=seconds + t * r, usd=usd) for t, r in cells]

    trials = [
        *done("quick", every, 0.9, 2.0, 0.002),
        *done("thorough", every, 1.0, 30.0, 0.05),
        *done("gappy", once[:2], 1.0, 9.0, 0.01),
        trial(agent="gappy", task="t3", more={"failure": Failure(kind="provider", message="503")}),
        *done("home", every, 0.7, 60.0, 0.0),
        *done("weak", every, 0.2, 1.0, None),
        _trial(trial, "half", 1, 1, score=1.0, seconds=20.0, usd=0.02, checks=half),
        *(_trial(trial, "half", t, 1, score=1.0, seconds=20.0, usd=0.02, checks=both) for t in (2, 3)),
        *(_trial(trial, "whole", t, 1, score=1.0, seconds=22.0, usd=0.03, checks=both) for t in (1, 2, 3)),
        *done("oracle", once, 1.0, 0.1, 0.0),
    ]
    result = make_result(trials, controls=("oracle",))
    agents = tuple(
        replace(agent, on_device=agent.name == "home" or None, subscription=agent.name == "whole")
        for agent in result.run.agents
    )
    agents = tuple(_cascade(agent, agents[0]) if agent.name == "thorough" else agent for agent in agents)
    return certain(replace(result, run=replace(result.run, agents=agents)))


def _cascade(agent: AgentConfig, first: AgentConfig) -> AgentConfig:
    steps = (first, replace(agent, name="last"))
    return replace(agent, provider="cascade", model="", steps=steps, check="visible")


@pytest.fixture
def near(
    make_result: Callable[..., RunResult], trial: Callable[..., Any], certain: Callable[[RunResult], RunResult]
) -> RunResult:
    """Agents that hardly differ, so that their averages are nearer to each other than a hundredth; one is a twin."""
    trials = [
        _trial(trial, name, t, r, score=float((t + r) % 3 != off), seconds=8.0 + slow * t, usd=usd)
        for name, off, slow, usd in (
            ("plain", 0, 1.0, 0.01),
            ("twin", 0, 1.0, 0.01),
            ("other", 1, 1.0, 0.0101),
            ("third", 2, 1.01, 0.0099),
            ("dear", 0, 0.99, 0.0105),
            ("flat", 0, 1.05, 0.02),
        )
        for t in (1, 2, 3, 4, 5, 6)
        for r in (1, 2)
    ]
    result = make_result(trials)
    agents = tuple(replace(agent, subscription=agent.name == "flat") for agent in result.run.agents)
    return certain(replace(result, run=replace(result.run, agents=agents)))


@pytest.fixture
def untold(published: RunResult, certain: Callable[[RunResult], RunResult]) -> RunResult:
    """The published figures as they are where nobody told how long the trials took, and not what all of them cost."""
    trials = tuple(
        replace(one, active_seconds=0.0, wall_seconds=0.0, cost_usd=None if one.agent.startswith("o") else one.cost_usd)
        for one in published.trials
    )
    return certain(replace(published, run=replace(published.run, timed=False), trials=trials))


def _trial(trial: Callable[..., Any], agent: str, task: int, repeat: int, **given: Any) -> Any:
    seconds, checks = given["seconds"], given.get("checks")
    more = {"active_seconds": seconds, "wall_seconds": seconds * 1.2, "cost_usd": given["usd"]}
    more |= {} if checks is None else {"checks": checks}
    return trial(agent=agent, task=f"t{task}", repeat=repeat, score=given["score"], more=more)


@pytest.fixture
def large(make_result: Callable[..., RunResult], trial: Callable[..., Any]) -> Callable[[int, int, int], RunResult]:
    """So many agents × tasks × repeats; who is better, dearer and slower follows from their numbers."""

    def made(agents: int, tasks: int, repeats: int) -> RunResult:
        return make_result(
            [
                _trial(
                    trial,
                    f"model-{a:02}",
                    t,
                    r,
                    score=1.0 if (a * 7 + t * 13 + r * 29) % 43 > a % 17 + t % 11 else 0.0,
                    seconds=2.0 + (a * 5) % 23 + t % 7,
                    usd=0.001 * (1 + (a * 11) % 37),
                )
                for a in range(agents)
                for t in range(tasks)
                for r in range(1, repeats + 1)
            ]
        )

    return made


@pytest.fixture
def with_turns() -> Callable[..., TrialRecord]:
    """Gives a record a transcript."""
    return _with_turns


def _with_turns(record: TrialRecord, text: str = "I have looked.") -> TrialRecord:
    """The record with two turns, a call and its result in the first."""
    call = ToolCall(id="1", name="read_file", arguments='{"file_path": "a.txt"}')
    first = Turn(
        reply=Reply(
            text=text, reasoning=text, calls=(call,), model_seconds=2.0, first_token_seconds=0.5, retry_seconds=1.0
        ),
        results=(ToolResult(call_id="1", name="read_file", text=text, seconds=0.2),),
        queue_seconds=0.3,
        tools_seconds=0.2,
    )
    second = Turn(reply=Reply(text=text, model_seconds=1.0, first_token_seconds=0.4))
    return replace(record, turns=(first, second), prompt="Look into a.txt.", system_prompt="You work with files.")


class Opened(Struct):
    """A page in a browser, and everything in it that was not as it should be."""

    page: Any
    problems: list[str]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, without a window: no longer than a module, for no other loop can run beside its client's."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        no_sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = started.chromium.launch(
            executable_path=next(filter(None, map(shutil.which, BROWSERS)), None), args=no_sandbox
        )
        yield browser
        browser.close()


@pytest.fixture
def show(chromium: Browser, tmp_path: Path) -> Iterator[Callable[..., Opened]]:
    """Opens a run's page from disk; what the browser complains of, or asks a network for, is a problem."""
    contexts: list[BrowserContext] = []

    def shown(
        result: RunResult,
        records: Sequence[TrialRecord] = (),
        *,
        size: tuple[int, int] = (1200, 900),
        scheme: Any = "light",
    ) -> Opened:
        path = tmp_path / f"page-{len(contexts)}.html"
        path.write_text(document(result, records), "utf-8")
        context = chromium.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        opened = Opened(page=page, problems=[])
        _watch(page, opened.problems, path.as_uri())
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-ready]")
        return opened

    yield shown
    for context in contexts:
        context.close()


def _watch(page: Page, problems: list[str], own: str) -> None:
    def dismissed(dialog: Dialog) -> None:
        problems.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    page.on("console", lambda said: problems.append(said.text) if said.type in PROBLEMS else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("dialog", dismissed)
    page.on("request", lambda sent: problems.append(sent.url) if not sent.url.startswith((own, "data:")) else None)
