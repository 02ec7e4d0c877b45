"""Who may come in over HTTP: Host, Origin, token and size, letter by letter, whatever else a request may say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flatfield.errors import FlatfieldError
from flatfield.faces.mcp.door import LARGEST_HEAD_BYTES, Allowed, Listening, allowed, refusal

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.whole

PORT = 8747
HERE = Listening(host="127.0.0.1", port=PORT)
OWN = (b"127.0.0.1:8747", b"localhost:8747", b"[::1]:8747")
FOREIGN = (
    b"", b" ", b"127.0.0.1", b"localhost", b"[::1]", b"127.0.0.1:", b"127.0.0.1:80", b"127.0.0.1:08747",
    b"127.0.0.1:8747@evil", b"evil@127.0.0.1:8747", b"127.0.0.1:8747/", b"127.0.0.1:8747,evil", b"evil,127.0.0.1:8747",
    b"127.0.0.1:8747 evil", b"localhost.:8747", b"127.0.0.1.:8747", b"localhost.evil.com:8747", b"evil.com",
    b"[::1%25lo]:8747", b"[::1%lo]:8747", b"::1:8747", b"[::1]8747", b"[0:0:0:0:0:0:0:1]:8747", b"127.1:8747",
    b"2130706433:8747", b"0x7f.0.0.1:8747", b"%6cocalhost:8747", b"http://127.0.0.1:8747", b"127.0.0.1:8747#", b"*",
    b"127.0.0.1:8747?", b"127.0.0.1:8747\\evil", b"\xe2\x84\xaaocalhost:8747", b"loca\xc5\xbfhost:8747",
    b"127.0.0.1:8748",
)  # fmt: skip


def answer(*headers: tuple[bytes, bytes], to: Allowed | None = None, target: bytes = b"/mcp") -> int:
    """The status that a request is refused with; 200 when it may come in."""
    found = refusal(target, headers, to or allowed(HERE))
    return 200 if found is None else found.status


@pytest.mark.parametrize("host", [*OWN, b"LOCALHOST:8747", b"LocalHost:8747"])
def test_the_servers_own_names_with_its_own_port_may_come_in(host: bytes) -> None:
    assert answer((b"host", host)) == 200


@pytest.mark.parametrize("host", FOREIGN)
def test_every_other_host_is_misdirected(host: bytes) -> None:
    assert answer((b"host", host)) == 421


def test_there_is_exactly_one_host() -> None:
    assert answer() == 421
    assert answer((b"host", OWN[0]), (b"host", OWN[0])) == 421
    assert answer((b"host", OWN[0]), (b"host", b"evil.com")) == 421


PARTS = st.sampled_from([*OWN, *FOREIGN, b"evil", b"@", b":", b".", b",", b"/", b"%", b"8747", b"[", b"]", b"0", b"\t"])


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A right value that was cut, stretched and mixed with others."""
    value = draw(st.sampled_from(OWN))
    for _ in range(draw(st.integers(0, 3))):
        begin, end = sorted(draw(st.tuples(*[st.integers(0, len(value))] * 2)))
        value = value[:begin] + draw(PARTS | st.binary(max_size=2)) + value[end:]
    return value


@given(st.lists(mutated() | st.binary(max_size=24) | st.sampled_from(OWN), min_size=1, max_size=2))
def test_nothing_but_an_exact_host_comes_in(hosts: list[bytes]) -> None:
    right = len(hosts) == 1 and hosts[0].lower() in OWN
    assert answer(*((b"host", host) for host in hosts)) == (200 if right else 421)


@given(host=mutated().filter(lambda value: not {10, 13} & set(value)))
@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_nothing_else_comes_in_over_the_wire_either(
    host: bytes, make_desk: Callable[..., Any], serving: Any, wires: Any
) -> None:
    import asyncio

    async def asked() -> int:
        async with serving(make_desk()) as url, wires(url) as (wire,):
            port = url.split(":")[2].split("/", maxsplit=1)[0].encode()
            value = host.replace(b"8747", port)
            wire.send(b"GET /mcp HTTP/1.0\r\nHost: " + value + b"\r\nAccept: text/plain\r\n\r\n")
            first = await wire.line()
            right = value.strip(b" \t").lower() in {each.replace(b"8747", port) for each in OWN}
            assert (b" 421 " in first or b" 400 " in first) != right, (value, first)
            return int(first.split()[1])

    assert 400 <= asyncio.run(asked()) < 500, "without the right Accept even the right Host has nothing to see"


def test_port_80_may_be_left_out_and_no_other() -> None:
    to = allowed(Listening(host="127.0.0.1", port=80))
    assert [answer((b"host", host), to=to) for host in (b"localhost", b"localhost:80", b"localhost:")] == [
        200,
        200,
        421,
    ]
    assert answer((b"host", b"localhost"), (b"origin", b"http://localhost"), to=to) == 200


def test_a_name_that_the_user_allows() -> None:
    to = allowed(Listening(host="0.0.0.0", port=PORT, token="t" * 8, hosts=("Box.local", "proxy.example:443")))
    bearer = (b"authorization", b"Bearer tttttttt")
    for host in (b"box.local", b"box.local:8747", b"proxy.example:443", b"0.0.0.0:8747"):
        assert answer((b"host", host), bearer, to=to) == 200, host
    for host in (b"box.local:443", b"proxy.example", b"proxy.example:8747", b"127.0.0.1:8747"):
        assert answer((b"host", host), bearer, to=to) == 421, host


@pytest.mark.parametrize("host", ["::1", "0:0:0:0:0:0:0:1"])
def test_an_address_of_version_6_is_written_in_brackets(host: str) -> None:
    to = allowed(Listening(host=host, port=PORT))
    assert answer((b"host", b"[::1]:8747"), to=to) == 200
    assert answer((b"host", b"::1:8747"), to=to) == 421
    assert answer((b"host", b"[fe80::1%eth0]:1"), to=allowed(Listening(host="fe80::1%eth0", port=1))) == 421
    assert answer((b"host", b"[fe80::1]:1"), to=allowed(Listening(host="fe80::1%eth0", port=1))) == 200


@pytest.mark.parametrize(
    "origin",
    [b"null", b"", b"http://127.0.0.1.evil.com", b"http://127.0.0.1:8747.evil.com", b"http://localhost:9999@evil",
     b"http://localhost:8747@evil", b"http://localhost", b"https://localhost:8747", b"http://localhost:8747/",
     b"http://localhost:8747, http://localhost:8747", b"localhost:8747", b"http://localhost.:8747", b"http://evil"],
)  # fmt: skip
def test_a_page_from_elsewhere_is_forbidden(origin: bytes) -> None:
    assert answer((b"host", OWN[0]), (b"origin", origin)) == 403


def test_a_page_of_our_own_or_one_that_the_user_allows_may_call() -> None:
    to = allowed(Listening(host="127.0.0.1", port=PORT, origins=("https://Good.example:443", "vscode-webview://abc")))
    for origin in (
        b"http://localhost:8747",
        b"HTTP://LOCALHOST:8747",
        b"https://good.example",
        b"vscode-webview://abc",
    ):
        assert answer((b"host", OWN[0]), (b"origin", origin), to=to) == 200, origin
    for origin in (b"https://good.example:444", b"http://good.example", b"vscode-webview://abcd"):
        assert answer((b"host", OWN[0]), (b"origin", origin), to=to) == 403, origin
    twice = [(b"origin", b"https://good.example")] * 2
    assert answer((b"host", OWN[0]), *twice, to=to) == 403, "one request comes from one page"


@given(st.text(max_size=30) | mutated().map(lambda value: "http://" + value.decode("latin-1")))
def test_nothing_but_an_exact_origin_may_call(origin: str) -> None:
    value = origin.encode("utf-8")
    right = value.lower() in {b"http://" + host for host in OWN}
    assert answer((b"host", OWN[0]), (b"origin", value)) == (200 if right else 403)


@pytest.mark.parametrize(
    ("target", "expected"),
    [(b"http://127.0.0.1:8747/mcp", 200), (b"HTTP://LOCALHOST:8747/mcp?x", 200), (b"http://evil/mcp", 421),
     (b"http://127.0.0.1:8747@evil/mcp", 421), (b"https://127.0.0.1:8747/mcp", 421), (b"http:///mcp", 421),
     (b"127.0.0.1:8747", 421), (b"*", 421), (b"", 421), (b"//evil/mcp", 200)],
)  # fmt: skip
def test_a_target_in_absolute_form_is_held_to_the_same_names(target: bytes, expected: int) -> None:
    assert answer((b"host", OWN[0]), target=target) == expected
    assert answer((b"host", b"evil"), target=target) == 421


async def test_a_request_in_absolute_form_over_the_wire(
    make_desk: Callable[..., Any], serving: Any, wires: Any
) -> None:
    async with serving(make_desk()) as url, wires(url, 3) as (evil, other, own):
        here = url.removeprefix("http://").removesuffix("/mcp").encode()
        evil.send(b"GET http://evil/ HTTP/1.1\r\nHost: " + here + b"\r\n\r\n")
        other.send(b"GET http://%s/mcp HTTP/1.1\r\nHost: evil\r\n\r\n" % here)
        own.send(b"GET http://%s/mcp HTTP/1.1\r\nHost: %s\r\n\r\n" % (here, here))
        assert b" 421 " in await evil.line()
        assert b" 421 " in await other.line()
        assert b" 406 " in await own.line(), "it came to the SDK, which misses an Accept"


TOKENED = allowed(Listening(host="127.0.0.1", port=PORT, token="right-token"))


@pytest.mark.parametrize(
    ("values", "expected"),
    [([b"Bearer right-token"], 200), ([b"bearer right-token"], 200), ([b"BEARER right-token"], 200),
     ([b"Bearer   right-token"], 200), ([b" Bearer right-token\t"], 200), ([], 401), ([b""], 401), ([b"Bearer"], 401),
     ([b"Bearer\tright-token"], 401), ([b"Bearerright-token"], 401), ([b"right-token"], 401),
     ([b"Basic right-token"], 401), ([b"Bearer x", b"Bearer right-token"], 401),
     ([b"Bearer Right-Token"], 401), ([b"Bearer right-token2"], 401), ([b"Bearer right-toke"], 401),
     ([b"Bearer right-token, Bearer x"], 401), ([b"Bearer right-token"] * 2, 401),
     ([b"Bearer \xff"], 401)],
)  # fmt: skip
def test_the_token_is_asked_for_once_and_compared_whole(values: list[bytes], expected: int) -> None:
    found = refusal(b"/mcp", [(b"host", OWN[0]), *((b"authorization", each) for each in values)], TOKENED)
    assert (200 if found is None else found.status) == expected
    if found is not None:
        assert found.challenge is not None
        assert found.challenge.startswith('Bearer realm="flatfield"')
        assert ("invalid_token" in found.challenge) is bool(values), (
            "what was brought is wrong; nothing is only missing"
        )


def test_who_may_not_come_in_is_not_told_whether_the_token_was_right() -> None:
    assert answer((b"host", b"evil"), (b"authorization", b"Bearer right-token"), to=TOKENED) == 421


def test_headers_have_a_size() -> None:
    base = [(b"host", OWN[0])]
    assert answer(*base, (b"x", b"y" * (LARGEST_HEAD_BYTES - 200))) == 200
    assert answer(*base, (b"x", b"y" * LARGEST_HEAD_BYTES)) == 431
    assert answer(*base, *((b"x", b"y" * 60),) * 300) == 431
    assert answer(*base, target=b"/" + b"x" * LARGEST_HEAD_BYTES) == 431


@pytest.mark.parametrize(
    ("fields", "said"),
    [({"hosts": ("http://box",)}, "--allow-host 'http://box' is no host name"), ({"hosts": ("*",)}, "is no host name"),
     ({"hosts": ("a@b",)}, "is no host name"), ({"hosts": ("",)}, "is no host name"),
     ({"hosts": ("box.",)}, "is no host name"),
     ({"origins": ("null",)}, "--allow-origin 'null' is no origin"), ({"origins": ("*",)}, "is no origin"),
     ({"origins": ("https://x/",)}, "is no origin"), ({"origins": ("good.example",)}, "is no origin"),
     ({"token": "two words"}, "token holds a space"), ({"token": "ü"}, "beyond ASCII"), ({"token": "x\n"}, "control")],
)  # fmt: skip
def test_what_no_request_can_bring_is_said_before_anything_listens(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(FlatfieldError, match=said):
        allowed(Listening(host="127.0.0.1", port=PORT, **fields))
