"""What settings did: how far from the baseline, why as far as the records show it, and what matters most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from flatfield.errors import NotFound
from flatfield.faces.varied import as_data, found_in, sections, sentence
from flatfield.records import (
    AgentConfig,
    Check,
    Evaluation,
    Failure,
    Reply,
    Run,
    RunResult,
    Sent,
    Task,
    ToolCall,
    TrialRecord,
    Turn,
    Usage,
    Variation,
)
from flatfield.scoring.certainty.study import study_trials
from flatfield.scoring.decision import decide
from flatfield.scoring.effects import Effect, effects_of
from flatfield.scoring.grading import GradingTerms, grade, grade_drawn
from flatfield.testing.trials import a_trial

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from flatfield.records import Finish

pytestmark = pytest.mark.whole

A, B = "http://a:1/v1", "http://b:2/v1"
TASKS, REPEATS = 5, 4
Made = dict[str, Any]
"""What a test says of all trials of an agent; the rest is the same for all."""


def turn(
    *,
    calls: int = 0,
    text: str = "",
    finish: Finish = "stop",
    reasoning: int = 0,
    output: int = 20,
    tokens: int = 500,
    **sent: Any,
) -> Turn:
    request = {"api": "chat", "model": "m", "answered_by": "m", "tools": ("read_file",), "protocol": "native"} | sent
    return Turn(
        reply=Reply(
            text=text,
            finish="tool_calls" if calls else finish,
            calls=tuple(ToolCall(id=f"{n}", name="read_file", arguments="{}") for n in range(calls)),
            usage=Usage(input_tokens=tokens, output_tokens=output, reasoning_tokens=reasoning),
            request=Sent(**request),
        )
    )


def answered(**more: Any) -> tuple[Turn, ...]:
    return turn(calls=1, **more), turn(text="done", **more)


def result_of(factors: Mapping[str, Mapping[str, Made]], baseline: Made | None = None) -> RunResult:
    """A run of `mine` and of each value of each factor; without more, a trial has a call, an answer, a score of 1."""
    agents = [AgentConfig(name="mine", provider="openai-chat", model="m", base_url=A)]
    variations: list[Variation] = []
    made = {"mine": baseline or {}}
    for factor, values in factors.items():
        for value, each in values.items():
            name = f"mine+{factor}:{len(agents)}"
            config: Made = {"base_url": A, "model": "m"} | ({factor: value} if factor in {"base_url", "model"} else {})
            agents.append(AgentConfig(name=name, provider="openai-chat", **config))
            was = {"base_url": A, "model": "m", "scaffold": "nano"}.get(factor, "default")
            variations.append(Variation(agent=name, baseline="mine", factor=factor, value=value, was=was))
            made[name] = each
    run = Run(
        id="r",
        created_at="",
        evaluation=Evaluation(),
        tasks=tuple(Task(id=f"t{n}", title="t", prompt="p", digest="d") for n in range(TASKS)),
        agents=tuple(agents),
        repeats={f"t{n}": REPEATS for n in range(TASKS)},
        variations=tuple(variations),
    )
    trials = [one for agent in agents for one in trials_of(agent, made[agent.name])]
    study = study_trials(run, trials, ())
    grading = grade_drawn(run, trials, (), GradingTerms(), study)
    return RunResult(run=run, trials=tuple(trials), verdicts=(), grading=grading, study=study)


def trials_of(agent: AgentConfig, made: Made) -> Sequence[TrialRecord]:
    """`score` and `turns` may be functions of the trial's number, which counts from 0."""
    found = []
    for number in range(TASKS * REPEATS):
        fields = {name: value(number) if callable(value) else value for name, value in made.items()}
        score = fields.pop("score", 1.0)
        turns = fields.pop("turns", answered(base_url=agent.base_url, model=agent.model, answered_by=agent.model))
        usage = Usage(
            input_tokens=sum(one.reply.usage.input_tokens for one in turns if one.reply.usage),
            output_tokens=sum(one.reply.usage.output_tokens for one in turns if one.reply.usage),
            reasoning_tokens=sum(one.reply.usage.reasoning_tokens for one in turns if one.reply.usage),
        )
        plain: Made = {"active_seconds": 1.0 + 0.1 * (number % 3), "wall_seconds": 2.0, "cost_usd": 0.01}
        found.append(
            a_trial(
                run="r",
                agent=agent.name,
                task=f"t{number % TASKS}",
                repeat=number // TASKS + 1,
                turns=turns,
                usage=usage,
                checks=(Check(verifier="answer", label="l", score=score, reason="r"),),
                **(plain | fields),
            )
        )
    return found


def only(result: RunResult) -> Effect:
    (factor,) = effects_of(result)
    (effect,) = factor.effects
    return effect


def said(result: RunResult) -> str:
    (factor,) = effects_of(result)
    return sentence(factor)


def often(part: float) -> Callable[[int], float]:
    """A score of 1 in this part of the trials, spread over all tasks."""
    return lambda number: float(number // TASKS < part * REPEATS)


# ---------------------------------------------------------------------------- how far, and in which order


def test_a_run_that_varies_nothing_has_no_effects() -> None:
    run = Run(id="r", created_at="", evaluation=Evaluation(), tasks=(), agents=(), repeats={})
    result = RunResult(run=run, trials=(), verdicts=(), grading=grade(run, (), ()))
    assert effects_of(result) == ()
    with pytest.raises(NotFound, match="tries no setting otherwise"):
        found_in(result)


def test_a_difference_is_told_with_its_interval_and_equals_with_theirs() -> None:
    far, near = effects_of(result_of({"temperature": {"0": {}}, "reasoning_effort": {"low": {"score": often(0.25)}}}))
    assert (far.factor, near.factor) == ("reasoning_effort", "temperature")
    assert far.effects[0].did_otherwise
    assert not near.effects[0].did_otherwise
    assert not near.effects[0].took_otherwise
    assert sentence(far).startswith("reasoning_effort: the same model, 75 points apart (")
    assert "low behind its default" in sentence(far)
    assert sentence(near).startswith("temperature: no measurable difference: 0 against its default -")
    assert "with 95%, 0." in sentence(near)
    assert "the cost" in sentence(near)


def test_the_largest_difference_comes_first_then_time_and_cost_then_what_did_nothing() -> None:
    found = effects_of(
        result_of(
            {
                "temperature": {"0": {}},
                "max_output_tokens": {"500": {"active_seconds": 4.0, "cost_usd": 0.05}},
                "protocol": {"json": {"score": often(0.5)}},
                "tools": {"none": {"score": 0.0}},
            }
        )
    )
    assert [one.factor for one in found] == ["tools", "protocol", "max_output_tokens", "temperature"]
    assert [one.effects[0].did_otherwise for one in found] == [True, True, False, False]


def test_time_and_cost_are_told_though_the_work_is_the_same() -> None:
    result = result_of({"reasoning_effort": {"high": {"active_seconds": 3.3, "cost_usd": 0.04}}})
    effect = only(result)
    assert effect.took_otherwise
    assert effect.seconds is not None
    assert effect.usd is not None
    assert effect.seconds.low < 3.0 < effect.seconds.high
    assert effect.usd.low < 4.0 < effect.usd.high
    text = said(result)
    assert text.startswith("reasoning_effort: no measurable difference in the work (")
    assert "but high took 3.0× (" in text
    assert "4.0× (" in text


def test_a_value_may_be_better_than_the_baseline() -> None:
    text = said(result_of({"reasoning_effort": {"high": {}}}, {"score": often(0.25)}))
    assert "75 points apart" in text
    assert "high before its default" in text


def test_of_several_values_the_strongest_is_told_and_the_others_in_short() -> None:
    values: dict[str, Made] = {"high": {}, "low": {"score": often(0.25)}, "minimal": {"score": 0.0}}
    result = result_of({"reasoning_effort": values})
    (found,) = effects_of(result)
    assert [one.variation.value for one in found.effects] == ["minimal", "low", "high"]
    text = sentence(found)
    assert "minimal behind its default" in text
    assert "; low: -75 points (" in text
    assert "; high: no measurable difference in the work (" in text
    assert text.count("\n") == 0


def test_costs_of_which_one_is_nothing_are_told_as_they_are() -> None:
    assert "$0 a trial instead of $0.0100" in said(result_of({"base_url": {B: {"cost_usd": 0.0}}}))
    assert "a cost that nobody knows a trial instead of $0.0100" in said(
        result_of({"base_url": {B: {"cost_usd": None}}})
    )


def test_what_was_not_measured_is_said() -> None:
    down = {"failure": lambda number: Failure(kind="provider", message="down") if number % 2 else None}
    effect = only(result_of({"base_url": {B: down}}))
    assert (effect.measured, effect.planned) == (10, 20)
    assert "10 of 20 trials with b:2 measured" in said(result_of({"base_url": {B: down}}))
    nothing = result_of({"base_url": {B: {"failure": Failure(kind="not_ready", message="down")}}})
    assert only(nothing).comparison is None
    assert said(nothing) == "base_url: b:2 cannot be compared with a:1: 0 of 20 trials with b:2 measured."
    no_baseline = result_of({"base_url": {B: {}}}, {"failure": Failure(kind="not_ready", message="down")})
    assert "no task was measured with both (20 of 20 trials with b:2 measured)" in said(no_baseline)
    assert len(sections(no_baseline)[1].tables[0].rows) == 2


# ---------------------------------------------------------------------------- why


def test_a_server_that_ignores_the_tools_is_told() -> None:
    deaf = {"score": 0.0, "turns": (turn(text="I cannot read files.", base_url=B),)}
    result = result_of({"base_url": {B: deaf}})
    (cause,) = only(result).causes
    assert (cause.kind, cause.count, cause.other) == ("tools never called", 20, 20)
    assert "the same model, 100 points apart" in said(result)
    assert "b:2 behind a:1: the server at b:2 ignores the tools (20 trials offered them and no call came" in said(
        result
    )


def test_it_is_told_though_the_trials_are_too_few_to_measure_what_it_does() -> None:
    deaf = {"score": lambda number: float(number > 0), "turns": (turn(text="I cannot read files.", base_url=B),)}
    result = result_of({"base_url": {B: deaf}})
    assert not only(result).did_otherwise
    assert "no measurable difference" in said(result)
    assert "the server at b:2 ignores the tools" in said(result)


def test_the_baselines_own_server_may_be_the_one() -> None:
    deaf = {"score": 0.0, "turns": (turn(text="I cannot read files.", base_url=A),)}
    text = said(result_of({"base_url": {B: {}}}, deaf))
    assert "b:2 before a:1: the server at a:1 ignores the tools" in text


def test_without_another_server_it_is_only_said_that_no_tool_was_called() -> None:
    text = said(result_of({"system_prompt": {"a.md": {"score": 0.0, "turns": (turn(text="no"),)}}}))
    assert "with a.md no tool was ever called (" in text
    assert "server" not in text


@pytest.mark.parametrize(
    "own",
    [
        {"turns": (turn(text="no", tools=()),)},
        {"turns": (turn(text="no", tools=None),)},
        {"turns": answered()},
    ],
    ids=["offered none", "offered nothing", "called some"],
)
def test_who_was_offered_no_tools_or_called_some_ignored_none(own: Made) -> None:
    assert "tools never called" not in {
        cause.kind for cause in only(result_of({"tools": {"none": {"score": 0.0, **own}}})).causes
    }


def test_where_nobody_called_a_tool_that_makes_no_difference() -> None:
    quiet = {"turns": (turn(text="no"),)}
    other = {"score": 0.0, "turns": (turn(text="no", temperature=0.0),)}
    result = result_of({"temperature": {"0": other}}, quiet)
    assert only(result).causes == ()
    assert said(result).endswith("behind its default.")


def test_a_template_without_a_place_for_tools_is_told() -> None:
    deaf = {"score": 0.0, "turns": (turn(text="no", tools_ignored=True),)}
    assert "with q8.gguf the chat template ignores the tools" in said(result_of({"model": {"q8.gguf": deaf}}))


def test_calls_written_as_text_are_told() -> None:
    call = '<tool_call>{"name": "read_file", "arguments": {"file_path": "a"}}</tool_call>'
    result = result_of({"base_url": {B: {"score": 0.0, "turns": (turn(text=call, base_url=B),)}}})
    assert [cause.kind for cause in only(result).causes] == ["calls as text"]
    assert "tool calls came as text that was not read in 20 of 20 trials with b:2 (0 of 20 with a:1)" in said(result)


@pytest.mark.parametrize(
    ("stop", "words"),
    [
        ("context_limit", "the context was full in 15 of 20 trials with 4096 (0 of 20 with its default)"),
        ("token_limit", "the cap on output tokens ended 15 of 20 trials with 4096"),
        ("turn_limit", "the limit on turns ended 15 of 20"),
        ("time_limit", "the limit on time ended 15 of 20"),
        ("cost_limit", "the limit on dollars ended 15 of 20"),
        ("refused", "the model refused in 15 of 20"),
    ],
)
def test_the_limit_that_ended_trials_is_told(stop: str, words: str) -> None:
    made = {
        "score": often(0.25),
        "stop": lambda number: "answered" if number // TASKS < 1 else stop,
        "turns": answered(context_tokens=4096),
    }
    assert words in said(result_of({"context_tokens": {"4096": made}}))


def test_a_limit_that_ended_as_many_on_both_sides_is_no_reason() -> None:
    made: Made = {"stop": "turn_limit"}
    assert "limit on turns" not in said(result_of({"temperature": {"0": {"score": 0.0, **made}}}, made))


def test_a_limit_that_ended_far_fewer_than_the_difference_is_no_reason() -> None:
    made = {"score": 0.0, "stop": lambda number: "turn_limit" if number < 4 else "answered"}
    assert "limit on turns" not in said(result_of({"temperature": {"0": made}}))


def test_a_reply_that_repeats_itself_is_no_small_cap() -> None:
    made = {"score": 0.0, "stop": "token_limit", "turns": (turn(calls=1), turn(text="a a a", finish="repeats"))}
    result = result_of({"temperature": {"2": made}})
    assert [cause.kind for cause in only(result).causes if cause.kind != "same request"] == ["repeats"]
    assert "output tokens ended" not in said(result)


def test_a_conversation_that_its_server_cut_is_told() -> None:
    cut = {"score": 0.0, "turns": (turn(calls=1, tokens=4000), turn(calls=1, tokens=3000), turn(text="what?"))}
    assert "the server cut the conversation in 20 of 20 trials with b:2" in said(result_of({"base_url": {B: cut}}))


def test_reasoning_is_told_where_it_differs_by_much() -> None:
    made = {"score": often(0.25), "turns": answered(reasoning=20, reasoning_effort="low")}
    result = result_of({"reasoning_effort": {"low": made}}, {"turns": answered(reasoning=950)})
    assert said(result).endswith("40 reasoning tokens a trial with low, 1,900 with its default.")
    alike = result_of({"reasoning_effort": {"low": made}}, {"turns": answered(reasoning=25)})
    assert "reasoning tokens" not in said(alike)


def test_more_written_is_told_where_it_differs_by_much() -> None:
    made = {"active_seconds": 5.0, "turns": answered(output=200)}
    assert "400 output tokens a trial with a.md, 40 with its default" in said(
        result_of({"system_prompt": {"a.md": made}})
    )


def test_another_model_that_answered_is_told_and_is_not_the_same_one() -> None:
    made = {"score": 0.0, "turns": answered(base_url=B, answered_by="m-mini")}
    text = said(result_of({"base_url": {B: made}}))
    assert "another model answered with b:2: m was asked for, m-mini answered" in text
    assert "the same model" not in text


def test_a_model_that_answered_on_both_sides_makes_no_difference() -> None:
    both: Made = {"turns": answered(answered_by="other")}
    assert "another model" not in said(result_of({"temperature": {"0": {"score": 0.0, **both}}}, both))


def test_a_model_is_not_the_same_model() -> None:
    text = said(result_of({"model": {"q4.gguf": {"score": often(0.25)}}}))
    assert text.startswith("model: 75 points apart (")


def test_what_no_record_shows_may_have_reached_the_model() -> None:
    assert "met no difference" not in said(result_of({"api_key_env": {"OTHER_KEY": {}}}))


def test_a_setting_that_is_sent_as_it_was_is_told() -> None:
    result = result_of({"tools": {"read_file": {}}})
    assert said(result).endswith("what was sent is the same, so the model met no difference.")
    other = result_of({"temperature": {"0": {"turns": answered(base_url=A, temperature=0.0)}}})
    assert "met no difference" not in said(other)
    assert [row.label for row in only(other).differences] == ["temperature"]


# ---------------------------------------------------------------------------- for people and for programs


def test_sections_and_data_say_the_same_sentences() -> None:
    result = result_of({"base_url": {B: {"score": 0.0}}, "temperature": {"0": {}, "1": {}}})
    found = found_in(result)
    first, table, differences = sections(result)
    data = as_data(result)
    assert list(first.points) == data["sentences"] == [sentence(one) for one in found]
    assert first.paragraphs[0].startswith("mine as it is configured, against itself")
    assert "on 5 tasks × 4;" in first.paragraphs[0]
    assert [row[1] for row in table.tables[0].rows] == ["mine", "b:2", "0", "1"]
    assert differences.points[0].startswith("base_url=b:2: address: http://a:1/v1 → http://b:2/v1")
    assert [one["factor"] for one in data["factors"]] == ["base_url", "temperature"]
    assert [one["matters"] for one in data["factors"]] == [True, False]
    (value,) = data["factors"][0]["values"]
    assert (value["value"], value["was"], value["measured"]) == (B, A, 20)


def test_that_chance_makes_some_differ_is_said_of_many_values() -> None:
    few = sections(result_of({"temperature": {str(n): {} for n in range(4)}}))[1].paragraphs
    many = sections(result_of({"temperature": {str(n): {} for n in range(5)}}))[1].paragraphs
    assert len(many) == len(few) + 1
    assert many[0].startswith("5 values are compared with 95% each")


def test_the_next_trials_that_are_offered_can_be_typed() -> None:
    result = result_of({"temperature": {"0": {"score": often(0.75)}}, "base_url": {B: {"score": often(0.75)}}})
    commands = [one.command for one in decide(result).next_trials if one.kind == "tasks"]
    assert commands
    for command in commands:
        assert command.startswith("flatfield vary mine NEW-TASK.md --over ")
        assert f"base_url={B}" in command or "temperature=0" in command


@pytest.mark.parametrize(
    ("score", "said_too"),
    [(0.0, "neither did any of the work: easier tasks"), (1.0, "both did all of the work: harder tasks")],
)
def test_tasks_that_leave_no_room_for_a_difference_are_pointed_out(score: float, said_too: str) -> None:
    result = result_of({"temperature": {"0": {"score": lambda _: score}}}, {"score": lambda _: score})
    assert said_too in said(result)
