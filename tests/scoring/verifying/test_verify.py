from __future__ import annotations

import asyncio
import dataclasses
import types
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from flatfield import plugins
from flatfield.machine.sandbox.unsafe import UnsafeSandbox
from flatfield.records import Check, Task, VerifierSpec, VerifierTraits
from flatfield.scoring.verifying.verification import verify
from flatfield.tasks.verify import label

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from flatfield.scoring.protocols import VerifyContext

    MakeContext = Callable[..., VerifyContext]


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    value: str = ""


@pytest.fixture
def plug(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Adds a verifier module, as a third party's entry point would."""
    modules: dict[str, types.ModuleType] = {}
    original = plugins.load

    def load(kind: str, name: str) -> types.ModuleType:
        return modules[name] if name in modules else original(kind, name)

    def add(name: str, act: Callable[[VerifyContext], Awaitable[Check]], traits: VerifierTraits | None = None) -> None:
        class Fake:
            async def verify(self, context: VerifyContext) -> Check:
                return await act(context)

        module = types.ModuleType(name)
        module.Options = Options  # type: ignore[attr-defined]
        module.create = lambda _: Fake()  # type: ignore[attr-defined]
        module.TRAITS = traits  # type: ignore[attr-defined]
        modules[name] = module

    monkeypatch.setattr(plugins, "load", load)
    plugins.look_again()
    yield add
    plugins.look_again()


def task(*specs: VerifierSpec) -> Task:
    return Task(id="t", title="T", prompt="p", verifiers=specs)


def spec(kind: str, **options: Any) -> VerifierSpec:
    return VerifierSpec(kind=kind, options=options)


async def test_checks_carry_label_weight_and_skill_of_their_spec(make_context: MakeContext) -> None:
    specs = (
        VerifierSpec(kind="answer", options={"contains": "x"}, weight=3.0, skill="code"),
        VerifierSpec(kind="file", options={"path": "out.json", "exists": True}, skill="tool-use"),
        VerifierSpec(kind="rubric", options={"value": ["clear", "short"]}),
    )
    checks = await verify(task(*specs), make_context(answer="x"))
    assert [(c.verifier, c.label, c.score, c.weight, c.skill) for c in checks] == [
        ("answer", "answer contains", 1.0, 3.0, "code"),
        ("file", "file out.json: exists", 0.0, 1.0, "tool-use"),
        ("rubric", "rubric 2 items", None, 1.0, None),
    ]


async def test_a_crash_is_not_measured_with_its_reason_and_output(make_context: MakeContext, plug: Any) -> None:
    async def crash(context: VerifyContext) -> Check:
        raise KeyError("lost")

    plug("crash", crash)
    first, second = await verify(task(spec("crash"), spec("answer", equals="a")), make_context(answer="a"))
    assert first.score is None
    assert first.reason == "the verifier crashed: KeyError: 'lost'"
    assert "in crash" in first.output
    assert second.score == 1.0


@pytest.mark.parametrize("score", [-0.1, 1.0001, float("nan"), float("inf")])
async def test_a_score_outside_0_to_1_is_not_measured(make_context: MakeContext, plug: Any, score: float) -> None:
    async def wild(context: VerifyContext) -> Check:
        return Check(verifier="wild", label="", score=score, reason="because")

    plug("wild", wild)
    (check,) = await verify(task(spec("wild")), make_context())
    assert check.score is None
    assert str(score) in check.reason
    assert "because" in check.reason


async def test_one_that_never_ends_is_not_measured(make_context: MakeContext, plug: Any) -> None:
    async def hang(context: VerifyContext) -> Check:
        await asyncio.Event().wait()
        raise AssertionError

    plug("hang", hang)
    (check,) = await verify(task(spec("hang")), make_context(), timeout_seconds=0.02)
    assert (check.score, check.reason) == (None, "took more than 0.02 seconds")


async def test_a_timeout_of_its_own_is_a_crash(make_context: MakeContext, plug: Any) -> None:
    async def slow(context: VerifyContext) -> Check:
        raise TimeoutError("its own")

    plug("slow", slow)
    (check,) = await verify(task(spec("slow")), make_context())
    assert check.reason == "the verifier crashed: TimeoutError: its own"


async def test_cancellation_is_not_swallowed(make_context: MakeContext, plug: Any) -> None:
    started = asyncio.Event()

    async def hang(context: VerifyContext) -> Check:
        started.set()
        await asyncio.Event().wait()
        raise AssertionError

    plug("hang", hang)
    running = asyncio.create_task(verify(task(spec("hang")), make_context()))
    await started.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_an_unknown_verifier_or_bad_options_are_not_measured(make_context: MakeContext) -> None:
    unknown, bad = await verify(task(spec("nonsense"), spec("answer", wrong=1)), make_context())
    assert unknown.score is None
    assert "there is no verifier 'nonsense'" in unknown.reason
    assert bad.score is None
    assert "`answer` has no key `wrong`" in bad.reason


async def test_commands_come_last_and_the_order_of_checks_is_the_tasks(make_context: MakeContext, plug: Any) -> None:
    ran: list[str] = []

    def act(name: str) -> Callable[[VerifyContext], Awaitable[Check]]:
        async def verifier(context: VerifyContext) -> Check:
            ran.append(name)
            return Check(verifier=name, label="", score=1.0, reason=name)

        return verifier

    for name in ("one", "command", "two"):
        plug(name, act(name), VerifierTraits(needs_sandbox=name == "command"))
    context = dataclasses.replace(make_context(), sandbox=UnsafeSandbox({}))
    checks = await verify(task(spec("one"), spec("command"), spec("two")), context)
    assert ran == ["one", "two", "command"]
    assert [check.reason for check in checks] == ["one", "command", "two"]


async def test_one_that_needs_the_sandbox_is_not_run_without_it(make_context: MakeContext, plug: Any) -> None:
    async def never(context: VerifyContext) -> Check:
        raise AssertionError("it was run")

    plug("command", never, VerifierTraits(needs_sandbox=True))
    context = dataclasses.replace(make_context(), sandbox_reason="bwrap is missing; install it")
    (check,) = await verify(task(spec("command")), context)
    assert (check.score, check.reason) == (None, "the command was not run: bwrap is missing; install it")


async def test_a_verifier_without_parse_may_have_an_option_called_value(make_context: MakeContext, plug: Any) -> None:
    async def fine(context: VerifyContext) -> Check:
        return Check(verifier="", label="mine", score=0.5, reason="")

    plug("plain", fine)
    (check,) = await verify(task(spec("plain", value="x")), make_context())
    assert (check.score, check.label, check.verifier) == (0.5, "mine", "plain")


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (spec("command", run="python -m pytest -q", hidden="tests/"), "command python -m pytest -q"),
        (spec("python", value="checks.py::verify"), "python checks.py::verify"),
        (spec("file", path="a.txt", equals="x", exists=True), "file a.txt: equals, exists"),
        (spec("answer", contains="x\ny"), "answer contains"),
        (spec("command", run="a\n  b"), "command a b"),
        (spec("python", value="x" * 200), "python " + "x" * 72 + "…"),
    ],
)
def test_a_label_is_one_short_line(given: VerifierSpec, wanted: str) -> None:
    assert label(given) == wanted


async def test_none_gives_none(make_context: MakeContext) -> None:
    assert await verify(task(), make_context()) == ()
