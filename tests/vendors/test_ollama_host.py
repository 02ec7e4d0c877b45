"""Where Ollama listens, whose device its models run on, and who needs a key."""

from __future__ import annotations

from typing import Any

import pytest

from flatfield.errors import NotReady
from flatfield.records import AgentConfig
from flatfield.vendors.base import Lane
from flatfield.vendors.ollama import traits as _ollama_host


def agent(model: str = "qwen3:8b", **settings: Any) -> AgentConfig:
    return AgentConfig(name="a", provider="ollama", model=model, **settings)


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("", "http://127.0.0.1:11434"),
        ("  ", "http://127.0.0.1:11434"),
        ("1.2.3.4", "http://1.2.3.4:11434"),
        ("1.2.3.4:56789", "http://1.2.3.4:56789"),
        (":56789", "http://127.0.0.1:56789"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:8080", "http://127.0.0.1:8080"),
        ("10.0.0.0:8080", "http://10.0.0.0:8080"),
        ("http://0.0.0.0:11434", "http://127.0.0.1:11434"),
        ("http://1.2.3.4", "http://1.2.3.4"),
        ("https://example.com", "https://example.com"),
        ("https://example.com:8443/ollama/", "https://example.com:8443/ollama"),
        ("example.com/", "http://example.com:11434"),
        ("example.com:5/path", "http://example.com:5/path"),
        ("example.com:99999", "http://example.com:11434"),
        ("example.com:port", "http://example.com:11434"),
        ("::1", "http://[::1]:11434"),
        ("[::1]", "http://[::1]:11434"),
        ("[::1]:5", "http://[::1]:5"),
        ("[::]:5", "http://[::1]:5"),
        ("http://[::1]:5", "http://[::1]:5"),
        ("ollama.com", "https://ollama.com"),
        ('"localhost:11434"', "http://localhost:11434"),
    ],
)
def test_ollama_host_in_all_its_forms(written: str, url: str) -> None:
    assert _ollama_host.ollama_url({"OLLAMA_HOST": written}) == url


def test_the_vendors_own_sdk_reads_ollama_host_alike() -> None:
    from ollama._client import _parse_host

    for written in ("", "1.2.3.4", ":56789", "1.2.3.4:5", "example.com/path", "[::1]", "[::1]:5", "https://x.org:5/p"):
        assert _ollama_host.server_url(written) == _parse_host(written)


def test_an_agents_own_address_wins_and_the_variable_comes_next() -> None:
    environ = {"OLLAMA_HOST": "desk:1234"}
    assert _ollama_host.address(agent(), environ) == "http://desk:1234"
    assert _ollama_host.address(agent(base_url="http://box:5/"), environ) == "http://box:5"
    assert _ollama_host.address(agent(), {}) == "http://127.0.0.1:11434"


OURS = Lane(name="device:local", width=1, device="local")
THEIRS = Lane(name="device:192.168.1.9", width=1, device="192.168.1.9")


def hosted(model: str, place: str) -> Lane:
    return Lane(name=f"ollama:ollama.com {model}", width=16, place=place, model=model)


@pytest.mark.parametrize(
    ("settings", "environ", "device", "lane"),
    [
        ({}, {}, True, OURS),
        ({"base_url": "http://localhost:5"}, {}, True, OURS),
        ({}, {"OLLAMA_HOST": "0.0.0.0"}, True, OURS),
        ({}, {"OLLAMA_HOST": "192.168.1.9"}, False, THEIRS),
        ({"base_url": "http://192.168.1.9:11434", "on_device": True}, {}, True, THEIRS),
        ({"on_device": False}, {}, False, OURS),
        ({"base_url": "https://ollama.com", "model": "m"}, {}, False, hosted("m", "ollama.com")),
        ({"model": "gpt-oss:120b-cloud"}, {}, False, hosted("gpt-oss:120b-cloud", "127.0.0.1:11434")),
        ({"model": "glm-4.6:cloud"}, {}, False, hosted("glm-4.6:cloud", "127.0.0.1:11434")),
        ({"model": "my-cloud"}, {}, True, OURS),
    ],
)
def test_device_and_lane(settings: dict[str, Any], environ: dict[str, str], device: bool, lane: Lane) -> None:
    config = agent(**settings)
    assert _ollama_host.on_device(config, environ) is device
    assert _ollama_host.lane(config, environ) == lane


def test_a_key_goes_to_ollamas_service_and_where_it_is_asked_for() -> None:
    environ = {"OLLAMA_API_KEY": "planted", "OTHER": "other-key"}
    assert _ollama_host.endpoint_of(agent(), environ).headers == {}
    hosted = _ollama_host.endpoint_of(agent(base_url="https://ollama.com"), environ)
    assert (hosted.headers, hosted.remote) == ({"Authorization": "Bearer planted"}, True)
    gateway = _ollama_host.endpoint_of(agent(base_url="http://gate", api_key_env="OTHER", headers={"X": "1"}), environ)
    assert (gateway.headers, gateway.remote) == ({"X": "1", "Authorization": "Bearer other-key"}, False)
    with pytest.raises(NotReady, match="OLLAMA_API_KEY"):
        _ollama_host.endpoint_of(agent(base_url="https://ollama.com"), {})
