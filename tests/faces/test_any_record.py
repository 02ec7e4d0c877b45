"""Whatever a store holds, every face shows it: no record of any run, however odd, is a bug in a report."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import sqlite3
import types
import zlib
from contextlib import closing, suppress
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from msgspec import Struct, structs

from flatfield import plugins
from flatfield.errors import FlatfieldError
from flatfield.faces.live import play, timeline
from flatfield.faces.mcp import evaluations
from flatfield.faces.mcp.desk import ServerDesk
from flatfield.faces.mcp.reporting import choose, report_of
from flatfield.records import (
    AgentConfig,
    Evaluation,
    Preferences,
    Reply,
    Run,
    RunResult,
    Task,
    TrialRecord,
    Verdict,
    VerifierSpec,
    Wire,
)
from flatfield.runs.order import remaining
from flatfield.runs.results import load_result
from flatfield.runs.store.store import Store
from flatfield.scoring.judge.judge import judge
from flatfield.scoring.prices.pricing import Prices
from flatfield.testing.clocks import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    from pydantic import BaseModel

    from flatfield.vendors.base import Opening

    Cli = Callable[..., CompletedProcess[str]]

pytestmark = pytest.mark.whole

RUN = "20260101-000000-abcd"
DEEP = '{"a":' * 10_000 + "1" + "}" * 10_000
TEXTS = st.sampled_from(
    [
        "",
        " ",
        "\0",
        "\ud800",
        "\u202ea",
        "\x1b[2J",
        "=1+1",
        "`|*_<b>",
        "[x](http://y)",
        "a\r\n\tb",
        "é🙂",
        DEEP,
        '{"a":1e400}',
        "x" * 5_000,
    ]
) | st.text(max_size=8)
NUMBERS = st.sampled_from([0.0, 1.0, 1e-9, 5e-324, 1e12, 1e300, -1.0, float("nan"), float("inf")]) | st.floats(0, 1e6)
COUNTS = st.sampled_from([0, 1, 2**53, 2**64, 10**400, -1]) | st.integers(0, 10_000)
VALUES = st.none() | st.booleans() | COUNTS | NUMBERS | TEXTS | st.lists(TEXTS, max_size=2)
NAMES = ("a", "b", "=c|d", "oracle", "noop")
WIRES = st.builds(
    Wire,
    url=TEXTS,
    headers=st.dictionaries(TEXTS, TEXTS, max_size=1),
    kept_bytes=st.just(0),
    sent=st.sampled_from([b"", zlib.compress(b"{}")]),
    checksum=st.sampled_from([0, zlib.crc32(b"{}")]),
    received=st.sampled_from([b"\xff", zlib.compress(b"\xff\x1b")]),
)


PLAIN = {str: TEXTS, int: COUNTS, float: NUMBERS, bool: st.booleans(), type(None): st.none(), bytes: st.binary()}


def of(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a type, and a few that it does not allow: what other versions and other hands may have written."""
    if get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    kind, arguments = get_origin(hint), get_args(hint)
    found: st.SearchStrategy[Any] = PLAIN.get(hint, VALUES)
    if kind in {Union, types.UnionType}:
        found = st.one_of([of(each) for each in arguments])
    elif kind is Literal:
        found = st.sampled_from([*arguments, *arguments, "a word of tomorrow"])
    elif kind is tuple:
        found = st.lists(of(arguments[0]), max_size=2).map(tuple)
    elif kind is dict:
        found = st.dictionaries(TEXTS, of(arguments[1]), max_size=2)
    elif hint is Wire:
        found = WIRES
    elif isinstance(hint, type) and issubclass(hint, Struct):
        found = record(hint)
    return found


def record(kind: type[Struct], **fixed: Any) -> st.SearchStrategy[Any]:
    """A record: usual in most fields, anything in some."""
    hints = get_type_hints(kind, include_extras=True)
    fields = {
        field.name: fixed[field.name]
        if field.name in fixed
        else of(hints[field.name])
        if field.required
        else st.one_of(st.builds(default, st.just(field)), of(hints[field.name]))
        for field in structs.fields(kind)
    }
    return st.fixed_dictionaries(fields).map(lambda values: kind(**values))


def default(field: structs.FieldInfo) -> Any:
    return field.default_factory() if field.default_factory is not msgspec.NODEFAULT else field.default


class Odd:
    """What a store holds; told in short, as its texts are long."""

    def __init__(self, run: Run, trials: list[TrialRecord], verdicts: list[Verdict]) -> None:
        self.run, self.trials, self.verdicts = run, trials, verdicts

    def __repr__(self) -> str:
        return f"Odd({self.run!r:.3000}, {self.trials!r:.20000}, {self.verdicts!r:.3000})"


@st.composite
def stored(draw: st.DrawFn) -> Odd:
    """A run of any size, with trials and verdicts that need not be its own."""
    agents = draw(st.lists(st.sampled_from(NAMES), max_size=4))
    tasks = [f"t{number}" for number in range(draw(st.sampled_from([0, 1, 2, 3, 21])))]
    tasks += draw(st.lists(st.sampled_from(["t0", "", "x/y"]), max_size=1))
    run = Run(
        id=RUN,
        created_at="2026-01-01T00:00:00+00:00",
        evaluation=Evaluation(title=draw(TEXTS), judge_weight=draw(st.sampled_from([0.0, 0.5]))),
        tasks=tuple(
            Task(
                id=task,
                title=draw(TEXTS),
                prompt="p",
                rubric=draw(st.sampled_from(["", "short"])),
                level=draw(st.sampled_from([None, 1, 2])),
                verifiers=(VerifierSpec(kind="answer", options={"equals": "x"}),),
            )
            for task in tasks
        ),
        agents=tuple(
            AgentConfig(name=agent, provider=agent if agent in {"oracle", "noop"} else "openai-chat", model=draw(TEXTS))
            for agent in agents
        ),
        repeats=dict.fromkeys(tasks, 2),
        controls=tuple({"oracle", "noop"} & set(agents)),
        notes=draw(st.lists(TEXTS, max_size=2).map(tuple)),
        imported=draw(st.booleans()),
    )
    key = {
        "run": st.just(RUN),
        "agent": st.sampled_from([*agents, "z"]),
        "task": st.sampled_from([*tasks, "z"]),
        "repeat": st.integers(1, 2),
    }
    few = draw(st.lists(record(TrialRecord, **key), max_size=4))
    many = [
        TrialRecord(run=RUN, agent=agent, task=task, repeat=1, task_digest="", agent_fingerprint="", stop="answered")
        for agent in agents
        for task in tasks
    ]
    usual = draw(record(TrialRecord, **key))
    alike = [structs.replace(usual, agent=each.agent, task=each.task, repeat=1) for each in many]
    return Odd(
        run, [*few, *(alike if draw(st.booleans()) else many)], draw(st.lists(record(Verdict, **key), max_size=3))
    )


async def keep(folder: Path, odd: Odd) -> None:
    async with Store(folder) as store:
        await store.save_run(odd.run)
        await asyncio.gather(*map(store.save_trial, odd.trials))
        await store.save_verdicts(odd.verdicts)


def put(folder: Path, trials: list[TrialRecord]) -> None:
    """Write records as they are, as a hand or another version may have written them."""
    with closing(sqlite3.connect(folder / "store.db")) as connection, connection:
        for trial in trials:
            text = json.dumps(msgspec.to_builtins(trial, enc_hook=repr), default=repr)
            connection.execute(
                "UPDATE trials SET record = ? WHERE agent = ? AND task = ? AND repeat = ?",
                (text, trial.agent, trial.task, trial.repeat),
            )


class Grading:
    """A judge that has one letter for everything."""

    def __init__(self, prompt: str) -> None:
        self._ids = dict.fromkeys(re.findall(r"work_\d+", prompt))

    async def turn(self, _results: object, _budget: object) -> Reply:
        grade = {"reason": "as asked", "evidence": [], "letter": "B"}
        return Reply(text=json.dumps({"grades": [{"id": each, **grade} for each in self._ids]} if self._ids else grade))


async def grading(opening: Opening) -> Grading:
    return Grading(opening.prompt)


def free(_reply: Reply) -> float:
    return 0.0


class Whole(Store):
    """A store whose results keep all that was said."""

    figures = Store.trials


def texts() -> list[str]:
    """All formats but the one of bytes, which is another's picture."""
    return [form for form in plugins.names("report") if plugins.report_traits(form).media_type != "image/png"]


def same_without_transcripts(project: Path, result: RunResult) -> None:
    """No report reads what `Store.figures` leaves out."""
    whole = load_result(Whole(project / ".flatfield"), RUN)
    for form in texts():
        render = plugins.load("report", form).render
        assert render(result) == render(whole), form


def look(cli: Cli, project: Path, trial: TrialRecord | None) -> None:
    """Ask every face; each answers, or says in one sentence what is wrong with what was asked."""
    asked: list[tuple[str, ...]] = [("report", RUN, "--format", form) for form in texts()]
    asked += [
        ("runs",),
        ("runs", "--json"),
        ("pick", RUN),
        ("pick", RUN, "--json"),
        ("compare",),
        ("compare", "--json"),
    ]
    asked += [("regrade", RUN), ("plan", "oslo.md", "--agents", "noop", "--json")]
    if trial is not None:
        asked += [("show", trial.id), ("show", trial.id, "--json"), ("show", trial.id, "--wire")]
        asked.append(("show", trial.id, "--wire", "--json"))
    for arguments in asked:
        said = cli(*arguments)
        assert said.returncode in {0, 2}, (arguments, said.stderr)
        if "--json" in arguments and said.returncode == 0:
            json.loads(said.stdout)
    store = Store(project / ".flatfield")
    result = load_result(store, RUN)
    asyncio.run(play(timeline(result), lambda _: None, FakeClock()))
    same_without_transcripts(project, result)
    measured = {trial.id: trial.failure is None for trial in store.trials(RUN)}
    assert {row.id: row.failure is None for row in store.rows(RUN)} == measured
    with suppress(FlatfieldError):  # names that no plan can have
        remaining(result.run, result.trials)
    for verdict in asyncio.run(judge(result.run, result.trials, AgentConfig(name="j", provider="x"), grading, free)):
        assert verdict.letter == "B", verdict.reason
    desk = ServerDesk(
        cwd=project,
        clock=FakeClock(),
        environ_of=lambda _: {},
        prices_of=lambda _: Prices(),
        announce=lambda _: None,
    )
    asks: list[Callable[[], BaseModel]] = [
        *(partial(report_of, RUN, form, desk) for form in ("markdown", "json", "csv")),
        lambda: asyncio.run(choose(RUN, Preferences(), desk)),
        partial(evaluations.status, RUN, desk),
    ]
    for ask in asks:
        with suppress(FlatfieldError):
            ask().model_dump_json()


@pytest.fixture
def show(cli: Cli, project: Path) -> Callable[[Odd, bool], None]:
    """Stores it and asks every face; `as_is`: past the door that what flatfield itself stores goes through."""

    def check(odd: Odd, as_is: bool) -> None:
        folder = project / ".flatfield"
        shutil.rmtree(folder, ignore_errors=True)
        asyncio.run(keep(folder, odd))
        if as_is:
            put(folder, odd.trials)
        look(cli, project, odd.trials[0] if odd.trials else None)

    return check


QUICK = settings(
    max_examples=3, phases=[Phase.generate], deadline=None, suppress_health_check=list(HealthCheck), database=None
)
FULL = settings(QUICK, max_examples=150)


@QUICK
@given(odd=stored(), as_is=st.booleans())
def test_every_face_shows_any_record(show: Any, odd: Odd, as_is: bool) -> None:
    show(odd, as_is)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@FULL
@given(odd=stored(), as_is=st.booleans())
def test_every_face_shows_any_of_many_records(show: Any, odd: Odd, as_is: bool) -> None:
    show(odd, as_is)
