"""One record whose every text attacks whoever reads it, shown by every face: no byte of it reaches a terminal."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from markdown_it import MarkdownIt

from flatfield import plugins
from flatfield.clock import SystemClock
from flatfield.faces.mcp.desk import ServerDesk
from flatfield.faces.mcp.server import build
from flatfield.records import (
    AgentConfig,
    Check,
    Evaluation,
    Failure,
    FileChange,
    Reply,
    Run,
    Sent,
    Task,
    ToolCall,
    ToolResult,
    TrialRecord,
    Turn,
    Verdict,
    VerifierSpec,
)
from flatfield.runs.store.store import Store
from flatfield.scoring.prices.pricing import Prices

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    Cli = Callable[..., CompletedProcess[str]]

pytestmark = pytest.mark.whole

RUN = "20260101-000000-abcd"
SEEN_WRONGLY = "\x00\x07\x08\x1b\x7f\x80\x9b\u061c\u200e\u200f\u2028\u2029\u202e\u2066\u2069\udcff"
ATTACK = (
    f"=1+1 \x1b[2J\x1b]0;t\x07{SEEN_WRONGLY} |`*_<img src=x onerror=y> [a](http://e/) ![b](http://e/i) "
    "http://evil.example/ www.evil.example @everyone\r\n\n# heading\n\n```\n<script>\n"
)
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
AGENT, TASK = f"=a{ATTACK}".replace("/", "∕"), "t"


def stored() -> tuple[Run, list[TrialRecord], list[Verdict]]:
    run = Run(
        id=RUN,
        created_at="2026-01-01T00:00:00+00:00",
        evaluation=Evaluation(title=ATTACK),
        tasks=(
            Task(
                id=TASK,
                title=ATTACK,
                prompt=ATTACK,
                rubric="short",
                verifiers=(VerifierSpec(kind="answer", options={"equals": ATTACK}, skill=ATTACK),),
            ),
        ),
        agents=tuple(AgentConfig(name=name, provider="openai-chat", model=ATTACK) for name in (AGENT, "b")),
        repeats={TASK: 2},
        notes=(ATTACK,),
        command=ATTACK,
        versions={"flatfield": ATTACK},
    )
    call = ToolCall(id="1", name=ATTACK, arguments=ATTACK)
    reply = Reply(text=ATTACK, reasoning=ATTACK, calls=(call,), request=Sent(api=ATTACK, model=ATTACK))
    done = TrialRecord(
        run=RUN,
        agent=AGENT,
        task=TASK,
        repeat=1,
        task_digest="",
        agent_fingerprint="",
        stop="answered",
        answer=ATTACK,
        system_prompt=ATTACK,
        prompt=ATTACK,
        turns=(Turn(reply=reply, results=(ToolResult(call_id="1", name=ATTACK, text=ATTACK, ok=False),)),),
        changes=(FileChange(path=ATTACK, kind="added", text=ATTACK),),
        checks=(Check(verifier="answer", label=ATTACK, score=0.5, reason=ATTACK, skill=ATTACK, output=ATTACK),),
        notes=(ATTACK,),
        priced=ATTACK,
        started_at=ATTACK,
    )
    failed = TrialRecord(
        run=RUN,
        agent="b",
        task=TASK,
        repeat=1,
        task_digest="",
        agent_fingerprint="",
        stop="error",
        failure=Failure(kind="provider", message=ATTACK),
    )
    said = Verdict(
        run=RUN, agent=AGENT, task=TASK, repeat=1, judge=ATTACK, letter="B", reason=ATTACK, evidence=(ATTACK,)
    )
    return run, [done, failed], [said]


@pytest.fixture
def hostile(project: Path) -> Path:
    run, trials, verdicts = stored()

    async def keep() -> None:
        async with Store(project / ".flatfield") as store:
            await store.save_run(run)
            for trial in trials:
                await store.save_trial(trial)
            await store.save_verdicts(verdicts)

    asyncio.run(keep())
    return project


def agent_as_stored(project: Path) -> str:
    return next(trial.agent for trial in Store(project / ".flatfield").trials(RUN) if trial.agent != "b")


def is_read(form: str) -> bool:
    """Whether people or programs read what it prints: pages and pictures are tested in a browser."""
    return not plugins.report_traits(form).is_file


def test_a_picture_has_no_markup_of_others(cli: Cli, hostile: Path) -> None:
    assert hostile
    drawn = cli("report", RUN, "--format", "svg").stdout
    assert drawn.startswith("<svg")
    assert not CONTROL.search(drawn)
    assert not re.search(r"<(script|img|a|foreignObject|iframe)\b", drawn)


def test_no_command_sends_a_control_character(cli: Cli, hostile: Path) -> None:
    trial = f"{RUN}/{agent_as_stored(hostile)}/{TASK}/1"
    asked: list[tuple[str, ...]] = [
        ("report", RUN, "--format", form) for form in plugins.names("report") if is_read(form)
    ]
    asked += [
        ("runs",),
        ("runs", "--json"),
        ("pick", RUN),
        ("pick", RUN, "--json"),
        ("compare",),
        ("compare", "--json"),
    ]
    asked += [("show", trial), ("show", trial, "--json"), ("show", f"{RUN}/b/{TASK}/1"), ("show", trial, "--wire")]
    asked += [
        ("replay", RUN, "--speed", "1000000"),
        ("report", ATTACK),
        ("show", ATTACK),
        ("eval", ATTACK),
        ("pick", RUN, ATTACK),
    ]
    for arguments in asked:
        said = cli(*(text.replace("\0", "") for text in arguments))
        assert not CONTROL.search(said.stdout + said.stderr), (arguments, CONTROL.search(said.stdout + said.stderr))
        if said.returncode == 0 and ("--json" in arguments or arguments[-1] == "json"):
            assert json.loads(said.stdout)


def test_json_keeps_the_value(cli: Cli, hostile: Path) -> None:
    kept = Store(hostile / ".flatfield").trial(f"{RUN}/{agent_as_stored(hostile)}/{TASK}/1")
    shown = json.loads(cli("show", kept.id, "--json").stdout)
    assert shown["answer"] == kept.answer == ATTACK.replace("\udcff", "\\udcff")
    assert json.loads(cli("report", RUN, "--format", "json").stdout)["responses"][0]["answer"] == kept.answer


def test_no_cell_of_the_csv_is_a_formula(cli: Cli, hostile: Path) -> None:
    for row in csv.reader(io.StringIO(cli("report", RUN, "--format", "csv").stdout)):
        assert not any(cell.lstrip().startswith(("=", "+", "@")) or cell.startswith(("\t", "\r")) for cell in row)


def test_markdown_has_no_link_image_tag_or_mention_of_theirs(cli: Cli, hostile: Path) -> None:
    text = cli("report", RUN, "--format", "markdown").stdout
    tokens = MarkdownIt("gfm-like", {"linkify": False, "html": True}).parse(text)
    kinds = {token.type for token in tokens} | {child.type for token in tokens for child in token.children or ()}
    assert not kinds & {"link_open", "image", "html_inline", "fence"}
    drawn = "".join(token.content for token in tokens if token.type == "html_block")
    assert set(re.findall("<[^>]*>", drawn)) == {"<details>", "</details>", "<summary>", "</summary>"}
    headings = [after.content for token, after in pairwise(tokens) if token.type == "heading_open"]
    assert "heading" not in headings
    assert not re.search(r"(?<!\w)@everyone|\w://evil|\bwww\.evil", text)


async def test_no_mcp_answer_holds_a_control_character(hostile: Path) -> None:
    desk = ServerDesk(
        cwd=hostile,
        clock=SystemClock(),
        environ_of=lambda _: {},
        prices_of=lambda _: Prices(),
        announce=lambda _: None,
    )
    server = build(desk)
    answers = [
        *[await server.call_tool("report", {"run": RUN, "format": form}) for form in ("markdown", "json", "csv")],
        await server.call_tool("pick", {"run": RUN}),
        await server.call_tool("evaluation_status", {"run": RUN}),
    ]
    told = [json.dumps(answer.model_dump(mode="json"), ensure_ascii=False) for answer in answers]
    pages = (
        f"runs/{RUN}/report",
        f"runs/{RUN}",
        "runs",
        *(f"runs/{RUN}/report/{form}" for form in ("markdown", "json", "csv")),
    )
    for page in pages:
        told += [str(getattr(part, "content", part)) for part in await server.read_resource(f"flatfield://{page}")]
    assert len(told) == len(answers) + len(pages)
    for text in told:
        assert not CONTROL.search(text), CONTROL.search(text)
