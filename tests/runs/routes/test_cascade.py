"""A cascade in an evaluation: which step's work counts, why it went on, and that nothing that was used is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from msgspec import structs

from flatfield.errors import NotReady
from flatfield.records import Usage, VerifierSpec
from flatfield.runs.results import load_result
from flatfield.testing.fake_server import FakeReply, Fault
from flatfield.testing.wires.openai_chat import FakeChat

from .conftest import USED, Sitting, cascade, model, task, writing

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.whole

BY_COMMAND = "command: grep -q right done.txt"
VISIBLE = VerifierSpec(kind="command", options={"run": "grep -q right done.txt"})
RUBRIC = VerifierSpec(kind="rubric", options={"value": ["It is right."]})
WRONG_FIRST = {"weak": "wrong", "strong": "right"}
RIGHT_FIRST = {"weak": "right", "strong": "unasked"}
A_TURN_OF_WEAK, A_TURN_OF_STRONG = 0.001, 0.01


async def carried(sitting: Sitting, check: str, script: Callable[[dict[str, Any], int], Any], **given: Any) -> Any:
    conduct = given.pop("conduct", {})
    async with FakeChat(script, models=["weak", "strong", "judge"]) as server:
        if "judge" in given.pop("who", ()):
            conduct = {**conduct, "judges": (model(server.base_url, "judge"),)}
        run = sitting.run([task(**given)], [cascade(server.base_url, check)])
        await sitting.evaluate(run, **conduct)
    return run


async def test_the_first_step_that_passes_counts(sitting: Sitting, subtests: pytest.Subtests) -> None:
    """By each check, in one run: of two steps that do it wrong and right, and of one that does it right at once."""
    written = {"weak": "wrong", "strong": "right", "able": "right", "unasked": "unasked"}
    script = writing(written, {"wrote wrong": "D", "wrote right": "A"})
    ways = {"goes-on": ("weak", "strong"), "stays": ("able", "unasked")}
    async with FakeChat(script, models=[*written, "judge"]) as server:
        agents = [
            cascade(server.base_url, check, steps, f"{way}-{check.partition(':')[0]}")
            for check in (BY_COMMAND, "hidden", "visible", "judge")
            for way, steps in ways.items()
        ]
        run = sitting.run([task(verifiers=(*task().verifiers, VISIBLE, RUBRIC))], agents)
        await sitting.evaluate(run, unsafe_commands=True, judges=(model(server.base_url, "judge"),))
        assert "unasked" not in {request["model"] for request in server.requests}
    for agent in agents:
        with subtests.test(agent.name):
            record, tried = sitting.trial(run, agent.name), ["weak", "strong"] if "goes-on" in agent.name else ["able"]
            assert record.failure is None
            assert [step.agent for step in record.steps] == tried
            assert record.answer == "wrote right"
            assert [(change.path, change.text) for change in record.changes] == [("done.txt", "right")]
            assert all(each.score == 1.0 for each in record.checks if each.score is not None)
            assert [step.passed for step in record.steps] == ([False, None] if len(tried) == 2 else [True])
            assert all(step.reason for step in record.steps if step.passed is not None)


async def test_cost_and_tokens_and_time_are_the_whole_chains(sitting: Sitting) -> None:
    run = await carried(sitting, BY_COMMAND, writing(WRONG_FIRST), conduct={"unsafe_commands": True})
    record = sitting.trial(run)
    assert [step.turns for step in record.steps] == [2, 2]
    assert [turn.reply.request.model for turn in record.turns] == ["weak", "weak", "strong", "strong"]
    assert record.usage == Usage(input_tokens=4 * USED.input_tokens)
    assert record.cost_usd == pytest.approx(2 * A_TURN_OF_WEAK + 2 * A_TURN_OF_STRONG)
    assert [step.cost_usd for step in record.steps] == pytest.approx([2 * A_TURN_OF_WEAK, 2 * A_TURN_OF_STRONG])
    first, last = record.steps
    assert first.check_seconds > 0
    parts = first.active_seconds + first.check_seconds + last.active_seconds
    assert record.active_seconds == pytest.approx(parts)
    assert record.active_seconds > record.model_seconds + record.tools_seconds, "the check's seconds are the cascade's"
    assert record.priced.count("per million tokens") == 2, "each model at its own price"


async def test_what_a_judge_between_steps_costs_is_the_cascades(sitting: Sitting) -> None:
    prices = {"judge": 1}
    script = writing(WRONG_FIRST, {"wrote wrong": "D", "wrote right": "A"})
    from flatfield.records import Price
    from flatfield.scoring.prices.pricing import Prices

    from .conftest import PRICES

    own = Prices({**PRICES, "judge": Price(input_mtok=prices["judge"], output_mtok=1.0)})
    verifiers = (*task().verifiers, RUBRIC)
    run = await carried(sitting, "judge", script, verifiers=verifiers, conduct={"prices": own}, who=("judge",))
    record = sitting.trial(run)
    assert record.steps[0].check_usd == pytest.approx(0.001)
    assert record.cost_usd == pytest.approx(2 * A_TURN_OF_WEAK + 0.001 + 2 * A_TURN_OF_STRONG)
    assert "D" in record.steps[0].reason


async def test_without_a_step_that_passes_the_last_ones_work_counts(sitting: Sitting) -> None:
    written = {"weak": "wrong", "strong": "wrong too"}
    run = await carried(sitting, BY_COMMAND, writing(written), conduct={"unsafe_commands": True})
    record = sitting.trial(run)
    assert [step.agent for step in record.steps] == ["weak", "strong"]
    assert [change.text for change in record.changes] == ["wrong too"]
    assert record.checks[0].score == 0.0


async def test_every_step_begins_in_a_fresh_workspace(sitting: Sitting) -> None:
    looked: list[str] = []

    def script(request: dict[str, Any], number: int) -> FakeReply:
        results = [message["content"] for message in request["messages"] if message["role"] == "tool"]
        if len(results) == 2:
            return FakeReply(text="done")
        if results:
            looked.append(results[-1])
            return writing(WRONG_FIRST)({**request, "messages": [{"role": "user", "content": ""}]}, number)
        return FakeReply(calls=(("list_directory", "{}"),))

    await carried(sitting, BY_COMMAND, script, conduct={"unsafe_commands": True})
    assert len(looked) == 2
    assert all("a.txt" in text and "done.txt" not in text for text in looked)


async def test_a_check_sees_the_tasks_own_tests_and_leaves_the_work_as_it_is(sitting: Sitting) -> None:
    """A step that rewrites the test passes by it nowhere; what it wrote is graded as it left it."""

    def script(request: dict[str, Any], _: int) -> FakeReply:
        if any(message["role"] == "tool" for message in request["messages"]):
            return FakeReply(text="done")
        return FakeReply(calls=(("write_file", '{"file_path": "tests/test.sh", "content": "exit 0"}'),))

    files = {"tests/test.sh": "touch made-by-check; exit 1"}
    verifiers = (VerifierSpec(kind="file", options={"path": "tests/test.sh", "equals": "exit 0"}),)
    check = "command: sh tests/test.sh"
    run = await carried(sitting, check, script, files=files, verifiers=verifiers, conduct={"unsafe_commands": True})
    record = sitting.trial(run)
    assert [step.passed for step in record.steps] == [False, None]
    assert [change.path for change in record.changes] == ["tests/test.sh"]
    assert record.checks[0].score == 1.0


async def test_a_provider_that_fails_in_a_step_is_no_step_that_did_not_pass(sitting: Sitting) -> None:
    written = writing(WRONG_FIRST)

    def script(request: dict[str, Any], number: int) -> FakeReply | Fault:
        return Fault(status=400) if request["model"] == "strong" else written(request, number)

    run = await carried(sitting, BY_COMMAND, script, conduct={"unsafe_commands": True})
    record = sitting.trial(run)
    assert record.failure is not None
    assert record.failure.kind == "provider"
    assert record.failure.message.startswith("strong: ")
    assert record.cost_usd == pytest.approx(2 * A_TURN_OF_WEAK), "what was used until then is counted"
    assert len(record.turns) == 2


async def test_what_no_check_can_be_made_of_stops_before_anything(sitting: Sitting) -> None:
    async with FakeChat(writing(RIGHT_FIRST), models=["weak", "strong"]) as server:
        for check, needed in (
            ("visible", "both checks its steps by a command of the task's that uses no hidden file, which t does not"),
            ("judge", "no judge is named"),
        ):
            with pytest.raises(NotReady, match=needed):
                await sitting.evaluate(sitting.run([task()], [cascade(server.base_url, check)]))
        gone = cascade(server.base_url, "hidden", ("weak", "elsewhere"))
        gone = structs.replace(gone, steps=(gone.steps[0], structs.replace(gone.steps[1], api_key_env="NO_SUCH_KEY")))
        with pytest.raises(NotReady, match="NO_SUCH_KEY"):
            await sitting.evaluate(sitting.run([task()], [gone]))
        assert server.requests == []


async def test_one_job_and_one_lane_are_enough_for_many(sitting: Sitting) -> None:
    """Trials that hold the lane wait for a place, and a cascade that has the place waits for the lane: both go on."""
    from flatfield.records import LaneLimits

    async with FakeChat(writing(WRONG_FIRST), models=["weak", "strong"]) as server:
        agents = [
            cascade(server.base_url, BY_COMMAND),
            model(server.base_url, "weak"),
            model(server.base_url, "strong"),
        ]
        run = sitting.run([task("one"), task("two"), task("three")], agents, jobs=1, repeats=2)
        limits = {"openai-chat": LaneLimits(concurrent=1)}
        summary = await sitting.evaluate(run, unsafe_commands=True, lane_limits=limits)
    assert len(summary.measured) == 18


async def test_a_run_goes_on_with_the_same_cascade(sitting: Sitting) -> None:
    async with FakeChat(writing(RIGHT_FIRST), models=["weak", "strong"]) as server:
        run = sitting.run([task()], [cascade(server.base_url, "hidden")])
        await sitting.evaluate(run)
        again = await sitting.evaluate(sitting.store.load_run(run.id))
        assert again.measured == ()
        other = structs.replace(run, agents=(cascade(server.base_url, "hidden", ("weak", "weak")),))
        changed = await sitting.evaluate(other)
    assert len(changed.measured) == 1, "a cascade with other steps is another agent"


async def test_a_budget_counts_all_steps(sitting: Sitting) -> None:
    async with FakeChat(writing(WRONG_FIRST), models=["weak", "strong"]) as server:
        run = sitting.run([task()], [cascade(server.base_url, "hidden")], budget_usd=0.03, repeats=3)
        summary = await sitting.evaluate(run)
    assert len(summary.measured) == 1, "one costs 2.2 cents"
    assert sitting.store.spent_usd(run.id) is not None


async def test_an_upper_bound_is_said_to_be_one(sitting: Sitting) -> None:
    run = await carried(sitting, "hidden", writing(RIGHT_FIRST))
    stored = sitting.store.load_run(run.id)
    assert any("both is an upper bound" in note for note in stored.notes)


async def test_the_manifest_shows_what_each_step_received(sitting: Sitting) -> None:
    run = await carried(sitting, "hidden", writing(WRONG_FIRST))
    rows = load_result(sitting.store, run.id).manifest
    asked = next(row for row in rows if row.label == "model")
    assert asked.values == {"both: weak": "weak", "both: strong": "strong"}
    check = next(row for row in rows if row.label == "check between steps")
    assert check.values == {"both: weak": "hidden", "both: strong": "hidden"}
    (priced,) = [row.values for row in rows if row.label == "prices"]
    assert {name: text.split(" in,")[0] for name, text in priced.items()} == {"both: weak": "$1", "both: strong": "$10"}


async def test_what_was_used_until_a_stop_is_counted_and_the_trial_is_done_again(sitting: Sitting) -> None:
    written, stopped = writing(WRONG_FIRST), list[bool]()

    def script(request: dict[str, Any], number: int) -> FakeReply | Fault:
        if request["model"] == "strong" and not stopped:
            stopped.append(True)
            sitting.stop.set()
            return Fault(kind="stall")
        return written(request, number)

    async with FakeChat(script, models=["weak", "strong"]) as server:
        run = sitting.run([task()], [cascade(server.base_url, "hidden")])
        summary = await sitting.evaluate(run)
        assert len(summary.cancelled) == 1
        record = sitting.trial(run)
        assert record.failure is not None
        assert record.failure.kind == "interrupted"
        assert [step.agent for step in record.steps] == ["weak", "strong"]
        weak, cut = (step.cost_usd or 0.0 for step in record.steps)
        assert weak == pytest.approx(2 * A_TURN_OF_WEAK)
        assert record.cost_usd == pytest.approx(weak + cut), "with what the attempt that was cut off had used"
        sitting.stop.clear()
        again = await sitting.evaluate(sitting.store.load_run(run.id))
    assert len(again.measured) == 1
    assert sitting.trial(run).checks[0].score == 1.0
    spent = sitting.store.spent_usd(run.id)
    again_usd = 2 * A_TURN_OF_WEAK + 2 * A_TURN_OF_STRONG
    assert spent == pytest.approx((record.cost_usd or 0.0) + again_usd), "both attempts are paid for, each once"


async def test_a_judge_may_be_a_step_itself_with_one_place_at_its_server(sitting: Sitting) -> None:
    from flatfield.records import LaneLimits

    script = writing(WRONG_FIRST, {"wrote wrong": "D", "wrote right": "A"})
    async with FakeChat(script, models=["weak", "strong"]) as server:
        run = sitting.run([task(verifiers=(*task().verifiers, RUBRIC))], [cascade(server.base_url, "judge")], jobs=1)
        limits = {"openai-chat": LaneLimits(concurrent=1)}
        judges = (model(server.base_url, "strong"),)
        summary = await sitting.evaluate(run, judges=judges, lane_limits=limits)
    assert len(summary.measured) == 1
    assert [step.passed for step in sitting.trial(run).steps] == [False, None]
