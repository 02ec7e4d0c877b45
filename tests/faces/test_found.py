"""Who takes part where nobody is named."""

from __future__ import annotations

from flatfield.faces.found import FLOOR, Here, spec_of
from flatfield.records import AgentConfig

PULLED = AgentConfig(name="a", provider="local", model=FLOOR)
SPEC = "local:smollm2-135m"
SERVED = AgentConfig(name="b", provider="ollama", model="qwen3:8b")


def test_what_the_demo_pulled_takes_part_only_where_there_is_no_other() -> None:
    assert spec_of(PULLED) == SPEC
    assert Here(own=(PULLED,)).all_specs() == (SPEC,)
    assert Here(own=(PULLED, SERVED)).all_specs() == ("ollama:qwen3:8b",)
    assert Here(own=(PULLED,), known=("gpt-5-mini",)).all_specs() == ("gpt-5-mini",)
    assert Here(own=(PULLED, SERVED), configured=("mine", SPEC)).all_specs() == ("mine", SPEC)
