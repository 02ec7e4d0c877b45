"""What a page is made of: draws that lose no bit, colours that stay, transcripts in portions, and pictures."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from msgspec.structs import replace

from flatfield.errors import NotReady
from flatfield.faces.pages import page as pages
from flatfield.faces.pages import talks
from flatfield.faces.pages.colors import LETTERS, SHADES, looks
from flatfield.faces.pages.payload import draw_bytes, packed
from flatfield.faces.pages.pictures import as_png, as_svg
from flatfield.records import AgentConfig, CascadeStep
from flatfield.scoring.certainty.study import Study
from flatfield.scoring.decision import decide

if TYPE_CHECKING:
    from collections.abc import Callable

    from flatfield.records import RunResult, TrialRecord

pytestmark = pytest.mark.whole


def read_draws(data: bytes, shape: dict[str, Any]) -> dict[str, Any]:
    """The arrays again, by the rule that the page reads them by."""
    found, at = {}, 0
    for name, columns in shape["arrays"]:
        size = shape["count"] * columns
        planes = np.frombuffer(data[at : at + 4 * size], np.uint8).reshape(4, size)
        upper = np.ascontiguousarray(planes.T).view("<u4").ravel().astype("<u8") << np.uint64(32)
        found[name] = upper.view("<f8").reshape(-1, columns)
        at += 4 * size
    assert at == len(data)
    return found


def test_draws_travel_without_losing_a_bit(motley: RunResult) -> None:
    known = packed(motley, looks(motley.run.agents))
    found = read_draws(known.draws, known.figures["draws"])
    assert isinstance(motley.study, Study)
    posterior = motley.study.posterior
    for name, values in found.items():
        which, _, measure = name.partition(".")
        if which != "chance":
            np.testing.assert_array_equal(values, getattr(getattr(posterior, which), measure))
    assert {"next.performance", "next.expected_usd", "these.speed", "chance.2"} <= set(found)


def test_bytes_of_draws_are_planes() -> None:
    data = draw_bytes(iter([np.asarray([[1.0], [2.0]])]))
    assert data == bytes([0, 0, 0, 0, 0xF0, 0x00, 0x3F, 0x40])


# ---------------------------------------------------------------------------- colours


def agent_of(name: str, model: str, provider: str = "openai-chat") -> AgentConfig:
    return AgentConfig(name=name, provider=provider, model=model)


def test_a_family_keeps_its_colour_whoever_serves_it_and_whoever_is_beside() -> None:
    own, hosted = agent_of("a", "claude-opus-4-1", "anthropic"), agent_of("b", "anthropic/claude-3-haiku")
    alone = looks([hosted])["b"]
    both = looks([agent_of("z", "qwen3:8b"), own, hosted])
    assert both["a"].shade == both["b"].shade == alone.shade
    assert both["a"].shape != both["b"].shape
    assert both["z"].shade != both["a"].shade


def test_a_family_of_no_known_maker_takes_no_makers_colour() -> None:
    makers = {looks([agent_of("a", model)])["a"].shade for model in ("gpt-5", "claude-4", "gemini-2.5-pro")}
    assert len(makers) == 3
    assert not makers & {looks([agent_of("a", model)])["a"].shade for model in ("qwen3", "llama-3", "glm-4", "kimi-k2")}


def luminance(color: str) -> float:
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_colours_can_be_seen_and_letters_read() -> None:
    for shade in SHADES.values():
        assert contrast(shade.light, "#fffdf9") >= 3.0
        assert contrast(shade.dark, "#191d23") >= 3.0
    for ground, text in LETTERS.values():
        assert contrast(ground, text) >= 4.5


def test_a_cascade_is_shown_with_its_steps_and_what_each_trial_went_through(motley: RunResult) -> None:
    agents = tuple(
        replace(agent, provider="cascade", steps=(motley.run.agents[0], motley.run.agents[2]), check="hidden")
        if agent.name == "thorough"
        else agent
        for agent in motley.run.agents
    )
    step = CascadeStep(agent="quick", turns=1, stop="answered", active_seconds=2.0, passed=False, reason="1 of 2 pass")
    trials = tuple(replace(one, steps=(step,)) if one.agent == "thorough" else one for one in motley.trials)
    result = replace(motley, run=replace(motley.run, agents=agents), trials=trials)
    found = packed(result, looks(agents))
    made = {agent["name"]: agent["made"] for agent in found.figures["agents"]}
    assert made["thorough"] == "quick, then gappy (an upper bound)"
    assert made["quick"] == ""
    steps = next(one["steps"] for one in found.reasons["trials"] if one["agent"] == "thorough")
    assert steps == ["quick: 2.00 s, no price, does not pass: 1 of 2 pass"]


# ---------------------------------------------------------------------------- transcripts


def test_transcripts_come_in_portions_and_are_found_again(
    motley: RunResult, with_turns: Callable[..., TrialRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(talks, "PORTION_BYTES", 2000)
    records = [with_turns(record) for record in motley.trials]
    found = talks.portions(records)
    assert len(found.packed) > 3
    assert found.left_out == 0
    for agent, task, repeat, portion in found.index:
        told = json.loads(zlib.decompress(found.packed[portion]))
        assert [one for one in told if (one["agent"], one["task"], one["repeat"]) == (agent, task, repeat)]


def test_what_has_no_room_is_counted(
    motley: RunResult, with_turns: Callable[..., TrialRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(talks, "PORTION_BYTES", 2000)
    monkeypatch.setattr(talks, "MOST_BYTES", 1000)
    records = [with_turns(record) for record in motley.trials]
    found = talks.portions(records)
    assert found.packed
    assert found.left_out == len(records) - len(found.index) > 0


def test_turns_times_follow_one_another(motley: RunResult, with_turns: Callable[..., TrialRecord]) -> None:
    times = talks.talk(with_turns(motley.trials[0]))["times"]
    assert [kind for _, kind, _, _ in times] == [
        "queue",
        "retry",
        "first token",
        "model",
        "tools",
        "first token",
        "model",
    ]
    assert all(before[3] == after[2] for before, after in pairwise(times))
    assert times[-1][3] == pytest.approx(0.3 + 1.0 + 2.0 + 0.2 + 1.0)


def test_long_texts_are_cut_in_their_middle(motley: RunResult, with_turns: Callable[..., TrialRecord]) -> None:
    told = talks.talk(with_turns(motley.trials[0], "a" * 30_000 + "end"))
    text = told["turns"][0]["text"]
    assert len(text) < talks.LONGEST + 100
    assert "10,003 characters are left out here" in text
    assert text.endswith("end")


# ---------------------------------------------------------------------------- the file


def test_scripts_are_those_that_the_policy_names_and_data_is_letters(motley: RunResult) -> None:
    text = pages.document(motley)
    policy = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)[0].replace("&#x27;", "'")
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    (library,) = re.findall(r'<template id="library">(.*?)</template>', text)
    scripts.append(zlib.decompress(base64.b64decode(library)).decode())
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    assert len(digests) == 2
    assert re.findall(r"'sha256-([^']*)'", policy) == digests
    for data in re.findall(r"<template [^>]*>(.*?)</template>", text, re.DOTALL):
        assert re.fullmatch(r"[A-Za-z0-9+/=]+", data)


def test_without_the_library_one_sentence_says_how_to_get_it(
    motley: RunResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    for drawn in (as_svg, as_png):
        with pytest.raises(NotReady, match=r"pip install 'flatfield\[pages\]'"):
            drawn(motley)


# ---------------------------------------------------------------------------- pictures


def test_pictures_show_the_answer_the_agents_and_the_letters(motley: RunResult) -> None:
    drawn = as_svg(motley)
    text = re.sub(r"<[^>]*>", " ", drawn)
    assert drawn.startswith("<svg")
    assert " ".join(decide(motley).answer.split()[:6]) in " ".join(text.split())
    for name in ("thorough", "gappy", "home", "t1", "t3", "Performance by task"):
        assert name in text
    assert as_png(motley).startswith(b"\x89PNG")


def test_a_run_of_which_nothing_is_measured_has_a_picture(
    make_result: Callable[..., RunResult], trial: Callable[..., Any]
) -> None:
    assert "No agent to recommend" in as_svg(make_result([trial(score=None)]))


def test_names_in_a_picture_are_text(make_result: Callable[..., RunResult], trial: Callable[..., Any]) -> None:
    result = make_result([trial(agent="<script>x</script>"), trial(agent="b&b")])
    drawn = as_svg(replace(result, run=replace(result.run, notes=())))
    assert "<script" not in drawn
