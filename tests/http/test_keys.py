"""Words stay what they are, whatever stands in for a key; of a real key nothing that tells much of it is left."""

from __future__ import annotations

import base64
import random
import re
import string
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from flatfield.http.secrecy import Needles, Scrubber, Secrets, is_placeholder

pytestmark = pytest.mark.whole

PLACEHOLDERS = (
    "sk-no-key-required", "lm-studio", "not-needed", "EMPTY", "none", "ollama", "dummy", "your-api-key-here", "no-key",
    "YOUR_API_KEY", "YOUR_OPENAI_API_KEY_HERE", "your_openai_api_key_goes_here", "<your-api-key>", "sk-xxxxxxxxxxxx",
    "sk-XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX", "placeholder", "changeme", "Not Needed", "xxxxxxxx", "llama.cpp", "********",
)  # fmt: skip
WORDS = re.findall(
    r"\S+",
    "the field is required and no key here is needed by the studio or a dummy or none of the ollama required-fields "
    "API-key-here sk-proj- sk-learn LangChain OpenAI JavaScript github_pat_ lm-studio Bearer EMPTY placeholder 2024 "
    "task-queue gpt-4.1-mini llama-3 version-2024 your_api_key not-needed YOUR_API_KEY sk-ant-api03- AIza",
)
TEXTS = st.lists(st.sampled_from(WORDS)).map(" ".join)

_BASE62, _LOWER, _HEX = string.ascii_letters + string.digits, string.ascii_lowercase + string.digits, "0123456789abcdef"
SHAPES = (
    ("sk-", _BASE62, 48), ("sk-proj-", f"{_BASE62}-_", 120), ("sk-ant-api03-", f"{_BASE62}-_", 93),
    ("sk-or-v1-", _HEX, 64), ("AIza", f"{_BASE62}-_", 35), ("gsk_", _BASE62, 52), ("xai-", _BASE62, 80),
    ("hf_", string.ascii_letters, 34), ("ghp_", _BASE62, 36), ("github_pat_", f"{_BASE62}_", 82), ("pplx-", _HEX, 48),
    ("nvapi-", f"{_BASE62}-_", 64), ("r8_", _BASE62, 37), ("AKIA", string.ascii_uppercase + string.digits, 16),
    ("glpat-", f"{_BASE62}-_", 20), ("", _HEX, 32), ("", _BASE62, 32), ("", _LOWER, 40), ("", _BASE62, 16),
    ("", f"{_BASE62}+/", 43),
)  # fmt: skip


def made(shape: tuple[str, str, int], seed: int) -> str:
    prefix, alphabet, length = shape
    return prefix + "".join(random.Random(seed).choices(alphabet, k=length))


def tells(part: str) -> bool:
    """Whether a part of a key can be nothing else: it has a digit, or a capital within a word."""
    return any(each.isdigit() for each in part) or any(a.islower() and b.isupper() for a, b in pairwise(part))


def in_force(*keys: str) -> Secrets:
    secrets = Secrets()
    for key in keys:
        secrets.add_headers({"Authorization": f"Bearer {key}"})
    return secrets


REAL = st.builds(made, st.sampled_from(SHAPES), st.integers(0, 10**9))


@pytest.mark.parametrize("key", PLACEHOLDERS)
def test_what_stands_in_for_a_key_is_looked_for_nowhere(key: str) -> None:
    text = f"the field is required; {key} and {key[-8:]} and {key[:9]}"
    assert is_placeholder(key)
    secrets = in_force(key)
    secrets.add([key, f"Bearer {key}"])
    assert secrets.text(text) == text
    headers = {"Authorization": f"Bearer {key}", "X-Api-Key": key}
    assert Scrubber(headers, secrets).data(text.encode()).decode() == text


@given(TEXTS, st.lists(st.sampled_from(PLACEHOLDERS) | REAL))
def test_no_word_is_changed_whatever_keys_are_in_force(text: str, keys: list[str]) -> None:
    assert in_force(*keys).text(text) == text


@given(TEXTS, TEXTS, REAL, st.integers(8, 200))
def test_nothing_is_left_of_a_real_key(before: str, after: str, key: str, length: int) -> None:
    assert not is_placeholder(key)
    prefix = max((prefix for prefix, _, _ in SHAPES if key.startswith(prefix)), key=len)
    significant = key.removeprefix(prefix)
    assume(not re.match(r"[a-z]{2,12}[-_]|\\w{2,4}[-_]", significant))  # by chance as a vendor's prefix goes on
    length = min(length, len(significant))
    secrets = in_force("lm-studio", key)
    parts = [key, (coded := base64.b64encode(key.encode()).decode().rstrip("=")), coded[: len(prefix) * 4 // 3 + 25]]
    parts += [prefix + significant[:length]] if tells(significant[:length]) else []
    parts += [significant[-length:]] if tells(significant[-length:]) else []
    for part in parts:
        for around in (" ", "|", "=", '"'):
            text = secrets.text(f"{before}{around}{part}{around}{after}")
            assert text.replace("Bearer ", "") == f"{before}{around}[key]{around}{after}".replace("Bearer ", ""), part


@given(REAL, st.integers(1, 7))
def test_a_few_characters_tell_nothing(key: str, length: int) -> None:
    assume(key[-length:] not in {"", key})
    assert in_force(key).text(f"<{key[-length:]}>") == f"<{key[-length:]}>"


@pytest.mark.parametrize("key", ["token-abc123", "my-secret-key-2024", "sk-local-llama-3", "CompanyGatewayKey2024"])
def test_what_people_choose_with_a_number_is_hidden_as_a_whole_alone(key: str) -> None:
    secrets = in_force(key)
    assert secrets.text(f"<{key}>") == "<[key]>"
    assert secrets.text(f"<{key[-8:]} {key[:-1]}>") == f"<{key[-8:]} {key[:-1]}>"


@given(st.lists(REAL, min_size=1, max_size=3), st.text(alphabet="ab 0"), st.data())
def test_of_several_keys_none_is_left(keys: list[str], between: str, data: st.DataObject) -> None:
    order = data.draw(st.permutations(keys))
    needles = Needles(keys)
    assert needles.hidden(between.join(order).encode()).decode().replace("[key]", "") == between * (len(keys) - 1)
    assert needles.longest >= max(map(len, keys))
