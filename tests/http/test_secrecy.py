"""Keys and passwords are taken out of what is shown."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from flatfield.http.secrecy import Scrubber, Secrets, is_placeholder, scrubbed, shown_url
from flatfield.records import Check, Failure, FileChange, Reply, Sent, ToolCall, ToolResult, TrialRecord, Turn, Verdict
from flatfield.testing.trials import a_trial

if TYPE_CHECKING:
    from collections.abc import Callable

KEYS = st.text(st.characters(codec="ascii", exclude_characters="\r\n "), min_size=8).filter(
    lambda key: not is_placeholder(key)
)


@given(st.text(), KEYS, st.text(), st.sampled_from(["Authorization", "x-api-key", "api-key", "X-Whatever"]))
def test_no_header_value_is_left(before: str, key: str, after: str, header: str) -> None:
    assert key not in scrubbed(f"{before}{key}{after}", {header: f"Bearer {key}", "Accept": "*/*"}).replace(
        "[key]", "\n"
    )


def test_content_types_and_versions_are_no_secret() -> None:
    headers = {
        "Content-Type": "application/json",
        "anthropic-version": "2023-06-01",
        "Authorization": "Bearer abcdefg8",
    }
    text = "application/json 2023-06-01 abcdefg8 Bearer abcdefg8"
    assert scrubbed(text, headers) == "application/json 2023-06-01 [key] [key]"


@pytest.mark.parametrize(
    "form",
    [
        lambda key: quote(key, safe=""),
        lambda key: base64.b64encode(key.encode()).decode(),
        lambda key: base64.urlsafe_b64encode(key.encode()).decode(),
        lambda key: base64.b64encode(key.encode()).decode().replace("/", r"\/"),
        lambda key: json.dumps({"echo": key}),
        lambda key: json.dumps({"echo": key}).replace("/", r"\/"),
    ],
)
def test_no_form_is_left_that_servers_put_a_key_in(form: Callable[[str], str]) -> None:
    key = 'plan/ted?"key\\0123/~~~???>>>'
    scrubber = Scrubber({"x-api-key": key})
    text = f"before {form(key)} after"
    assert "[key]" in scrubber.text(text)
    assert "plan" not in scrubber.text(text).replace("[key]", "")
    assert scrubber.data(b"\xff" + text.encode()) == b"\xff" + scrubber.text(text).encode()


def test_any_text_is_looked_through_also_what_is_no_unicode() -> None:
    assert scrubbed("\ud800 \udcff abcdefg8", {"x-api-key": "abcdefg8"}) == "\ud800 \udcff [key]"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://api.example/v1", "https://api.example/v1"),
        ("https://me:secret@api.example:8080/v1?key=secret#x", "https://api.example:8080/v1"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("nonsense", "nonsense"),
    ],
)
def test_an_address_is_shown_without_what_may_be_a_key(url: str, shown: str) -> None:
    assert shown_url(url) == shown


# ---------------------------------------------------------------------------- keys in force

KEY = "sk-proj-Ab12Cd34Ef56Gh78Ij90"


def in_force() -> Secrets:
    secrets = Secrets()
    secrets.add_headers({"Authorization": f"Bearer {KEY}", "X-Title": "my project", "HTTP-Referer": "https://h/v1"})
    return secrets


PREFIX = len("sk-proj-")


@pytest.mark.parametrize("length", [8, 9, 12, len(KEY) - PREFIX])
def test_what_is_left_of_a_key_at_either_end_is_taken_out(length: int) -> None:
    secrets, start, end = in_force(), KEY[: PREFIX + length], KEY[-length:]
    assert secrets.text(f"<{start}…{end}>") == "<[key]…[key]>"
    assert secrets.text(f"{start}{start}!") == "[key][key]!"
    short = f"<{KEY[: PREFIX + 7]} {KEY[-7:]}>"
    assert secrets.text(short) == short


@given(st.text(), st.text(), st.integers(8, len(KEY) - PREFIX))
def test_no_end_of_a_key_is_left(before: str, after: str, length: int) -> None:
    secrets = in_force()
    for part in (KEY[: PREFIX + length], KEY[-length:], KEY):
        assert secrets.text(f"{before}|{part}|{after}") == f"{before}|[key]|{after}"


def test_words_that_anybody_says_are_no_keys() -> None:
    secrets = in_force()
    secrets.add_headers({"Authorization": "Bearer ollama", "X-Title": "a-title-of-many-letters", "Accept": "text/html"})
    text = "Bearer ollama, a-title-of-many-letters, my project, https://h/v1, text/html, Bearer scheme"
    assert secrets.text(text) == text


def test_what_a_record_is_called_is_never_masked() -> None:
    names: dict[str, Any] = {
        "run": "r",
        "agent": KEY,
        "task": f"{KEY}-fields",
        "task_digest": KEY,
        "agent_fingerprint": KEY,
    }
    trial = TrialRecord(
        **names,
        repeat=1,
        stop="answered",
        answer=KEY,
        attempt=KEY,
        checks=(Check(verifier=KEY, label="l", score=1.0, reason=KEY, skill=KEY),),
    )
    found = in_force().masked(trial)
    assert {name: getattr(found, name) for name in names} == names
    assert (found.id, found.attempt, found.answer) == (trial.id, KEY, "[key]")
    assert (found.checks[0].verifier, found.checks[0].skill, found.checks[0].reason) == (KEY, KEY, "[key]")
    verdict = Verdict(run="r", agent=KEY, task="t", repeat=1, judge=KEY, letter="B", reason=KEY)
    assert in_force().masked(verdict) == structs.replace(verdict, reason="[key]")


def test_a_record_is_masked_in_every_text_and_is_the_same_where_there_is_none() -> None:
    call = ToolCall(id=KEY, name=KEY, arguments=f'{{"{KEY}": 1}}')
    reply = Reply(text=f"a {KEY}", reasoning=KEY, calls=(call,), request=Sent(parameters={"x": [KEY, {KEY: 1}]}))
    result = ToolResult(call_id="1", name="n", text=KEY)
    record = a_trial(
        answer=KEY,
        turns=(Turn(reply=reply, results=(result,)),),
        changes=(FileChange(path=KEY, kind="added", text=f"\ud800{KEY}"),),
        checks=(Check(verifier="v", label=KEY, score=1.0, reason=KEY, output=KEY),),
        failure=Failure(kind="harness", message=KEY),
        notes=(KEY,),
    )
    assert KEY[:8] not in repr(in_force().masked(record))
    assert in_force().masked(record).changes[0].text == "\ud800[key]"
    plain = structs.replace(record, answer="x")
    assert Secrets().masked(plain) is plain


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Incorrect API key provided: sk-ab***1234.", "Incorrect API key provided: [key]."),
        ("key AIzaSyA1234567890 is bad", "key [key] is bad"),
        ("ghp_abcdefghij0123 xoxb-123-abcdefgh AKIAABCDEFGH1234", "[key] [key] [key]"),
        ("got Bearer abc123def456", "got [key]"),
        ("Bearer authentication is required for sk-learn", "Bearer authentication is required for sk-learn"),
        ("see https://h/v1?a=1&key=abc&b=2#x", "see https://h/v1?a=1&key=[key]&b=2#x"),
        ("at http://me:pass@h:80/x and mail me@h", "at http://[key]@h:80/x and mail me@h"),
    ],
)
def test_in_what_a_server_says_of_a_failure_anybodys_key_is_hidden(said: str, shown: str) -> None:
    assert scrubbed(said, {}) == shown
