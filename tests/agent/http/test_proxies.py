"""Proxies as the environment names them; loopback never goes through one."""

from __future__ import annotations

import pytest

from flatfield.agent.http.proxies import proxy_for

BOTH = {"HTTP_PROXY": "http://plain:1", "HTTPS_PROXY": "http://secure:2"}


@pytest.mark.parametrize(
    ("url", "environ", "proxy"),
    [
        ("http://a.example/v1", BOTH, "http://plain:1"),
        ("https://a.example:8443/v1", BOTH, "http://secure:2"),
        ("https://a.example", {}, None),
        ("https://a.example", {"ALL_PROXY": "http://all:3"}, "http://all:3"),
        ("https://a.example", {"HTTPS_PROXY": ""}, None),
        ("https://a.example", BOTH | {"https_proxy": "http://lower:4"}, "http://lower:4"),
        ("https://a.example", {"https_proxy": "http://lower:4"} | BOTH, "http://lower:4"),
        ("https://a.example", BOTH | {"NO_PROXY": "b.example, .example"}, None),
        ("https://a.example:8443", BOTH | {"no_proxy": "a.example:8443"}, None),
        ("https://a.example", BOTH | {"NO_PROXY": "*"}, None),
        ("https://a.example", BOTH | {"NO_PROXY": "b.example"}, "http://secure:2"),
        ("http://127.0.0.1:8080/v1", BOTH, None),
        ("http://127.1.2.3:8080/v1", BOTH, None),
        ("http://localhost:8080/v1", BOTH, None),
        ("http://[::1]:8080/v1", BOTH, None),
        ("http://10.0.0.1:8080/v1", BOTH, "http://plain:1"),
    ],
)
def test_the_proxy_for_an_address(url: str, environ: dict[str, str], proxy: str | None) -> None:
    assert proxy_for(url, environ) == proxy
