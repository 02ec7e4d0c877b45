"""Every table of every command fits the terminal: no line is wider, no number is cut, no name is broken."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest

from flatfield.faces.drawing import ELLIPSIS, columns_of
from flatfield.records import (
    AgentConfig,
    Check,
    DeviceWork,
    Evaluation,
    Reply,
    Run,
    Sent,
    Targets,
    Task,
    TrialRecord,
    Turn,
    Usage,
    Verdict,
    VerifierSpec,
)
from flatfield.runs.store.store import Store
from flatfield.tasks.agents import fingerprint, short_names

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    Cli = Callable[..., CompletedProcess[str]]

pytestmark = pytest.mark.whole

RUNS = ("20260101-000000-aaaa", "20260102-000000-bbbb")
LONG = "an-agent-whose-name-is-longer-than-forty-characters"
WIDE = "模型比较代理人甲乙丙丁戊己庚辛壬癸"
AGENTS = (
    LONG,
    WIDE,
    "gpt-5-mini",
    "openai-chat:qwen3-coder-30b-a3b-instruct@127.0.0.1:8080",
    "openai-chat:qwen3-coder-30b-a3b-instruct@192.168.100.200:18080",
    *(f"openai-chat:model-of-some-vendor-{number}-instruct@127.0.0.1:80{number}" for number in range(10, 20)),
)
TASKS = tuple(f"task-{number}-with-a-name-longer-than-forty-characters" for number in range(7))
TOKENS = 7_380_534
TASK_FILE = """---
id: {name}
level: 3
verify:
- answer: {{contains: Oslo}}
- file: {{path: a.txt, equals: x}}
---

# A task whose title is rather long, so that it does not fit beside its identifier in a narrow terminal

## Variables

PROMPT: "Which city is the capital of Norway?"
"""


def config(name: str) -> AgentConfig:
    return AgentConfig(name=name, provider="openai-chat", model=name, base_url="http://127.0.0.1:9/v1")


def record(run: str, agent: str, task: str, number: int) -> TrialRecord:
    device = DeviceWork(read_tokens=900_000, read_seconds=20.0, written_tokens=140_000, written_seconds=10.0)
    sent = Sent(api="x", model=agent, temperature=number % 3 / 10, context_tokens=131_072, gpu_layers=20)
    usage = Usage(input_tokens=TOKENS, output_tokens=1_234_567)
    turn = Turn(reply=Reply(text="x", usage=usage, device=device, request=sent, load_seconds=5.0))
    score = number % 4 / 3
    why = f"the file {'/'.join(['folder'] * 30)}/report.txt is not there, though it was asked for in plain words"
    checks = [
        Check(verifier="answer", label="answer contains", score=score, reason=why, skill=f"skill-number-{n}-of-many")
        for n in range(6)
    ]
    return TrialRecord(
        run=run,
        agent=agent,
        task=task,
        repeat=1,
        task_digest="d",
        agent_fingerprint=fingerprint(config(agent)),
        stop="answered",
        answer="x",
        usage=usage,
        turns=(turn,),
        cost_usd=12_345.678 + number,
        reported_cost_usd=12_345.0,
        active_seconds=1_234_567.0 + number,
        wall_seconds=1_334_567.0,
        checks=tuple(checks),
    )


def stored_run(run: str) -> Run:
    verifiers = (VerifierSpec(kind="answer", options={"contains": "x"}),)
    tasks = tuple(
        Task(
            id=name,
            title=name,
            prompt="p",
            level=3,
            verifiers=verifiers,
            rubric="short",
            targets=Targets(seconds=2.0, cost_usd=0.01),
        )
        for name in TASKS
    )
    return Run(
        id=run,
        created_at="2026-01-01T00:00:00+00:00",
        evaluation=Evaluation(title="A comparison of very many agents with very long names, all on the same tasks"),
        tasks=tasks,
        agents=tuple(map(config, AGENTS)),
        repeats=dict.fromkeys(TASKS, 1),
        command="flatfield eval tasks/",
    )


async def fill(folder: Path) -> None:
    async with Store(folder) as store:
        for run in RUNS:
            await store.save_run(stored_run(run))
            pairs = [(agent, task) for agent in AGENTS for task in TASKS]
            for number, (agent, task) in enumerate(pairs):
                await store.save_trial(record(run, agent, task, number))
            await store.save_verdicts(
                [
                    Verdict(run=run, agent=agent, task=TASKS[0], repeat=1, judge=LONG, letter="B", reason="fine")
                    for agent in AGENTS
                ]
            )


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with two runs of 15 agents."""
    folder = tmp_path_factory.mktemp("wide") / ".flatfield"
    asyncio.run(fill(folder))
    return folder


@pytest.fixture
def crowded(kept: Path, project: Path) -> Path:
    """A project with that store, agents and tasks of long names, and a price that nobody could pay."""
    (project / ".flatfield").symlink_to(kept)
    agents = [
        f'[agents."{name}"]\nprovider = "openai-chat"\nmodel = "{name}-model"\nbase_url = "http://127.0.0.1:9/v1"'
        for name in AGENTS[:5]
    ]
    prices = f'[prices."{LONG}-model"]\ninput_mtok = 1234567.125\noutput_mtok = 7380534.5\ncache_read_mtok = 1.5'
    (project / "flatfield.toml").write_text("\n".join([*agents, prices]))
    folder = project / "tasks"
    folder.mkdir()
    for name in TASKS[:3]:
        (folder / f"{name}.md").write_text(TASK_FILE.format(name=name))
    return project


COMMANDS: tuple[tuple[str, ...], ...] = (
    ("report",),
    ("report", "--full"),
    ("runs",),
    ("runs", "--full"),
    ("pick",),
    ("pick", "--full"),
    ("compare", LONG, WIDE),
    ("compare", LONG, "last"),
    ("plan", "tasks", "--agents", f"{LONG},{WIDE},{AGENTS[2]},oracle"),
    ("plan", "tasks", "--agents", f"{LONG},{WIDE},{AGENTS[2]},oracle", "--full"),
    ("prices", f"{LONG}-model"),
    ("prices", f"{LONG}-model", "--full"),
    ("prices", "gpt-5"),
    ("agents",),
    ("agents", "--full"),
    ("models", "list"),
    ("models", "list", "--full"),
    ("tasks", "list", "suite:desk"),
    ("tasks", "list", "tasks"),
    ("tasks", "list", "tasks", "--full"),
    ("doctor",),
)


def too_wide(text: str, width: int) -> list[str]:
    """Lines that are wider, but for those of a single word, which is broken by nobody."""
    return [
        line for line in text.splitlines() if columns_of(line) > width and len(line.split()) > 1 + line.startswith("- ")
    ]


def broken(text: str, names: tuple[str, ...]) -> list[str]:
    """Beginnings of a name at a line's or a column's end whose rest is missing."""
    known = {*names, *short_names(names).values()}
    words = {word.strip("(),.:;'\"") for line in text.splitlines() for word in line.split()}
    starts = {name[:12]: name for name in names if len(name) > 24}
    return [
        word
        for word in words
        if word[:12] in starts
        and ELLIPSIS not in word
        and not any(word.startswith(name) for name in known)
        and any(name.startswith(word) for name in known)
    ]


@pytest.mark.parametrize("width", [80, *(pytest.param(wider, marks=pytest.mark.slow) for wider in (100, 160))])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_line_is_wider_no_number_cut_and_no_name_broken(
    cli: Cli, crowded: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    said = cli(*command)
    assert said.returncode == 0, said.stderr
    assert too_wide(said.stdout, width) == []
    assert broken(said.stdout, (*AGENTS, *TASKS)) == []
    numbers = set(re.findall(r"[\d,]{7,}", said.stdout))
    assert all(re.fullmatch(r"\d{1,3}(,\d{3})+,?|\d+,?", number) for number in numbers), numbers


def test_all_columns_are_there_where_all_are_asked_for(
    cli: Cli, crowded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow, full = cli("report").stdout, cli("report", "--full").stdout
    assert "not shown, for want of width" in narrow
    assert "not shown, for want of width" not in full
    assert f"{TOKENS * len(TASKS):,}" in full
    monkeypatch.setenv("COLUMNS", "400")
    assert "not shown, for want of width" not in cli("report").stdout


@pytest.mark.slow
def test_piped_output_is_80_columns_wide(cli: Cli, crowded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS")
    assert too_wide(cli("report").stdout, 80) == []


def test_many_agents_that_changed_nothing_are_one_sentence(cli: Cli, crowded: Path) -> None:
    said = " ".join(cli("compare").stdout.split())
    assert "No difference to run 20260101-000000-aaaa that could be told from chance for 15 agents." in said
    assert said.endswith("Each of them: --full")
    assert said.count("Too close to call") == 1
    assert cli("compare", "--full").stdout.count("Too close to call") == 16


def test_no_sentence_lists_all_of_many_agents(cli: Cli, crowded: Path) -> None:
    for command in ("pick", "report"):
        said = " ".join(cli(command).stdout.split())
        (answer,) = re.findall(r"[Uu]se \S+: .*", said)
        assert " more" in answer
        assert max(line.count("openai-chat") for line in answer.split(" - ")) <= 16
        assert "e+0" not in said
        assert "144035 min" not in said
