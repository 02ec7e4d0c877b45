"""Every model is told the same; its name only where the prompt asks for it, and then one that tells nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flatfield.agent.system_prompt import model_names, system_prompt
from flatfield.records import AgentConfig, Task
from flatfield.vendors.base import SYSTEM_PROMPT


def agents(*names: str) -> list[AgentConfig]:
    return [AgentConfig(name=name, provider="openai", model=f"model-of-{name}") for name in names]


def test_the_same_for_all_unless_an_agent_brings_its_own() -> None:
    task = Task(id="t", title="t", prompt="Do it.")
    plain, own = AgentConfig(name="a", provider="x"), AgentConfig(name="b", provider="x", system_prompt="Be a poet.")
    assert system_prompt(plain, task, "agent_1") == SYSTEM_PROMPT
    assert system_prompt(own, task, "agent_2") == "Be a poet."


def test_a_prompt_that_asks_for_the_name_is_answered_in_the_last_line() -> None:
    task = Task(id="t", title="t", prompt="Write summary_MODEL_NAME.json")
    prompt = system_prompt(AgentConfig(name="a", provider="x"), task, "agent_3")
    assert prompt == f"{SYSTEM_PROMPT}\nYour model name is agent_3."
    empty = AgentConfig(name="a", provider="x", system_prompt="")
    assert system_prompt(empty, task, "agent_3") == "Your model name is agent_3."


@given(count=st.integers(1, 120), controls=st.integers(0, 2))
def test_neutral_names_are_identifiers_of_equal_length_and_tell_the_compared_apart(count: int, controls: int) -> None:
    compared = [f"m{number}" for number in range(count)]
    others = ["oracle", "noop"][:controls]
    names = model_names(agents(*others, *compared), others, actual=False)
    assert all(name.isidentifier() for name in names.values())
    assert len({len(name) for name in names.values()}) == 1
    assert len({names[name] for name in compared}) == count
    assert not {names[name] for name in compared} & {names[name] for name in others}


def test_controls_change_nobodys_name() -> None:
    nine = [f"m{number}" for number in range(9)]
    alone = model_names(agents(*nine), (), actual=False)
    beside = model_names(agents("oracle", *nine, "noop"), ("oracle", "noop"), actual=False)
    assert {name: beside[name] for name in nine} == alone
    assert alone["m2"] == "agent_3"


def test_actual_names_are_the_models_own() -> None:
    plain = AgentConfig(name="oracle", provider="oracle")
    assert model_names([*agents("a"), plain], (), actual=True) == {"a": "model-of-a", "oracle": "oracle"}


def test_adding_agents_changes_nobodys_name_and_the_new_ones_are_as_long() -> None:
    nine = [f"m{number}" for number in range(9)]
    before = model_names(agents(*nine), (), actual=False)
    after = model_names(agents(*nine, "tenth", "eleventh", "noop"), ("noop",), actual=False, began_with=9)
    assert {name: after[name] for name in nine} == before
    assert (after["tenth"], after["eleventh"], after["noop"]) == ("agent_a", "agent_b", "agent_0")
    many = [f"m{number}" for number in range(140)]
    names = model_names(agents(*many), (), actual=False, began_with=99)
    assert len(set(names.values())) == 140
    assert (names["m98"], names["m99"], names["m109"]) == ("agent_99", "agent_a0", "agent_b0")
    assert {len(name) for name in names.values()} == {8}
    few = model_names(agents(*many), (), actual=False, began_with=1)
    assert len(set(few.values())) == 140
    assert few["m0"] == "agent_1"
    assert all(name.isidentifier() for name in few.values())
