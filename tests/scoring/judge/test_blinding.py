from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatfield.records import AgentConfig
from flatfield.scoring.judge.blinding import Blinder

pytestmark = pytest.mark.whole

ROSTER = (
    AgentConfig(name="m2", provider="openai-chat", model="acme/Zog-7B-it"),
    AgentConfig(name="z", provider="openai", model="gpt-5.6-sol"),
    AgentConfig(name="y", provider="openai-chat", model="sonoma-sky"),
    AgentConfig(name="m", provider="openai-chat", model="castalia/claude-mythos-9"),
    AgentConfig(name="house-blend", provider="anthropic", model="claude-opus-4-1-20250805"),
    AgentConfig(name="quick", provider="openai", model="gpt-5-mini"),
    AgentConfig(
        name="zeph",
        provider="openai-chat",
        model="hf.co/lab/Zephyr-7B-beta-GGUF:Q4_K_M",
        base_url="http://gpu7.example.org:8000/v1",
    ),
    AgentConfig(
        name="agent_1", provider="local", model="/models/Marmot2-135M-Q4_1.gguf", base_url="http://127.0.0.1:8081"
    ),
)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("I'm Claude Opus 4.1, made by Anthropic.", "I'm agent_x, made by agent_x."),
        ("claude-opus-4-1-20250805 CLAUDE_OPUS_4_1 ClaudeOpus4", "agent_x agent_x ClaudeOpus4"),
        ("gpt-5-mini, GPT 5 Mini, gpt5mini, GPT‑5, gpt-4o", "agent_x, agent_x, agent_x, agent_x, agent_x"),
        ("House Blend and house_blend by QUICK", "agent_x and agent_x by agent_x"),
        ("As Zephyr I say: zephyr-7b!", "As agent_x I say: agent_x!"),
        ("Marmot2 135M or marmot", "agent_x or agent_x"),
        ("see http://gpu7.example.org:8000/v1", "see http://agent_x"),
        ("POST https://api.openai.com/v1/x", "POST https://agent_x/v1/x"),
        ("on 127.0.0.1:8081, not on 127.0.0.1", "on agent_x, not on 127.0.0.1"),
        ("a rival: Gemini 2.5 Pro, qwen3-coder:30b, DeepSeek-R1", "a rival: agent_x, agent_x, agent_x"),
        ("我是Claude，很高兴", "我是agent_x，很高兴"),
        (r"print('\nClaude\tGPT')", r"print('\nagent_x\tagent_x')"),
        ("gpt_5_report.md", "agent_x_report.md"),
        ("def claude_haiku(): ...", "def agent_x(): ..."),
        ("Opus 4.1 and Sonnet-4", "agent_x and agent_x"),
        ("OpenAI. 3 files\nOpenAI\n5. Item", "agent_x. 3 files\nagent_x\n5. Item"),
        ("I am agent_1 or agent_2", "I am agent_1 or agent_2"),
        ("claudette, llamas, quickly, a local meta tag, a falcon", None),
        ("the test model in the file", None),
        ("I am Mythos, of Castalia", "I am agent_x, of agent_x"),
        ("Ｃｌａｕｄｅ and Cla\u200bude and Сlаude", "agent_x and agent_x and agent_x"),
        ("Я — Клод. 我是克劳德。クロードです", "Я — agent_x. 我是agent_x。agent_xです"),
        ("Done. It took 3.2 s and cost $0.02.", "Done. It […]."),
        ("used 1,234 tokens", "[…]"),
        ("It used 5 files and took 3 steps", None),
        ("a\u202eb\u200bc", "a[U+202E]b[U+200B]c"),
        ("I am Zog, I am Sol", "I am agent_x, I am agent_x"),
        ("the sky, a new sun", None),
        ("Грок, Квен и гпт; о Клоде", "agent_x, agent_x и agent_x; о agent_xе"),
        ("オープンAI アンソロピック ラマ", "agent_x agent_x agent_x"),
        ("저는 라마입니다, 그록", "저는 agent_x입니다, agent_x"),
        ("אני כלוד. أنا كلود", "אני agent_x. أنا agent_x"),
        ("реклама, ламантин; ドラマ; 드라마, 라마단", None),
        ("👩\u200d🚀 naïve café 10 000 Å", None),
        ("", None),
    ],
)
def test_names_go_and_other_words_stay(text: str, wanted: str | None) -> None:
    assert Blinder(ROSTER).scrub(text) == (text if wanted is None else wanted)


def test_a_word_that_the_task_speaks_of_is_no_name_unless_a_version_follows() -> None:
    haiku = (AgentConfig(name="h", provider="anthropic", model="claude-haiku-4-5"),)
    assert Blinder(haiku).scrub("As Haiku I wrote it") == "As agent_x I wrote it"
    spoken = Blinder(haiku, ("Write a haiku about rain",))
    assert spoken.scrub("This haiku is by Claude Haiku 4.5, haiku-4-5") == "This haiku is by agent_x, agent_x"


def test_a_short_word_that_the_task_uses_is_no_name() -> None:
    assert Blinder(ROSTER, ("Describe what a sol is on Mars.",)).scrub("A sol is a day") == "A sol is a day"


def test_a_controls_provider_is_no_name() -> None:
    controls = tuple(AgentConfig(name=f"{name}-control", provider=name) for name in ("oracle", "noop", "local"))
    assert Blinder(controls).scrub("a local oracle is a noop") == "a local oracle is a noop"


def test_lone_surrogates_do_not_reach_an_api() -> None:
    assert Blinder(()).scrub("a\ud800b") == "a?b"


@given(st.text(max_size=40), st.sampled_from(["gpt-5-mini", "Claude Opus 4.1", "house-blend"]), st.integers(10, 80))
def test_a_text_is_never_cut_inside_a_name(before: str, name: str, limit: int) -> None:
    text = f"{'x ' * 12}{before} {name} {'y ' * 60}"
    cut = Blinder(ROSTER).cut(text, limit)
    assert "characters cut …]" in cut
    for part in (name, re.split(r"[ -]", name)[0]):
        assert f" {part.lower()} " not in f" {cut.lower()} "
    for letters in range(2, len(name)):
        assert not cut.split("\n[…")[0].endswith(f" {name[:letters]}")


def test_a_cut_says_how_much_is_missing() -> None:
    assert Blinder(()).cut("a" * 60 + "b" * 40, 30) == "a" * 20 + "\n[… 70 characters cut …]\n" + "b" * 10
    assert Blinder(()).cut("short", 30) == "short"


@pytest.mark.slow
def test_long_text_is_scrubbed_in_a_moment() -> None:
    blinder = Blinder(ROSTER)
    assert len(blinder.cut("a.a-" * 2_500_000, 20_000)) < 21_000


GIVEN = ("Write a client for the OpenAI API and for Claude in client.py.",)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("import openai  # the OpenAI client", None),
        ("class ClaudeClient: ...\nclaude = Claude()", None),
        ("https://api.openai.com/v1", None),
        ("model = 'gpt-5-mini'", "model = 'agent_x'"),
        ("openai-gpt-5", "openai-agent_x"),
        ("As Claude, I think so", "As agent_x, I think so"),
        ("I am Claude, made by Anthropic", "I am agent_x, made by agent_x"),
        ("I'm an OpenAI model", "I'm an agent_x model"),
        ("Generated by Claude", "Generated by agent_x"),
        ("Co-authored-by: Claude <noreply@anthropic.com>", "Co-authored-by: agent_x <noreply@agent_x>"),
        ("My name is Claude.", "My name is agent_x."),
        ("Claude here: done", "agent_x here: done"),
        ("Claude Opus 4.1 did it", "agent_x did it"),
        ("Gemini would differ", "agent_x would differ"),
    ],
)
def test_what_the_task_names_stays_unless_it_says_who_wrote_this(text: str, wanted: str | None) -> None:
    blinder = Blinder(ROSTER, GIVEN, GIVEN)
    assert blinder.scrub(text) == (text if wanted is None else wanted)
    assert "openai" not in Blinder(ROSTER).scrub(text).lower(), "what no task gave is a name"


def test_what_the_task_is_about_is_no_figure_of_its_agent() -> None:
    spoken = Blinder(ROSTER, ("What did it cost, in dollars?",))
    assert spoken.scrub("It cost $0.02.") == "It cost $0.02."
