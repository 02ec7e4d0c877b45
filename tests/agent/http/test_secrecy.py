"""Keys and passwords are taken out of what is shown."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatfield.agent.http.secrecy import Scrubber, scrubbed, shown_url

if TYPE_CHECKING:
    from collections.abc import Callable

KEYS = st.text(st.characters(codec="ascii", exclude_characters="\r\n "), min_size=8)


@given(st.text(), KEYS, st.text(), st.sampled_from(["Authorization", "x-api-key", "api-key", "X-Whatever"]))
def test_no_header_value_is_left(before: str, key: str, after: str, header: str) -> None:
    assert key not in scrubbed(f"{before}{key}{after}", {header: f"Bearer {key}", "Accept": "*/*"}).replace(
        "[key]", "\n"
    )


def test_content_types_and_versions_are_no_secret() -> None:
    headers = {
        "Content-Type": "application/json",
        "anthropic-version": "2023-06-01",
        "Authorization": "Bearer abcdefgh",
    }
    text = "application/json 2023-06-01 abcdefgh Bearer abcdefgh"
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
    assert scrubbed("\ud800 \udcff abcdefgh", {"x-api-key": "abcdefgh"}) == "\ud800 \udcff [key]"


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
