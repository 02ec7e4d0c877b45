"""Every model of one machine is in one lane, whatever serves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from flatfield import plugins
from flatfield.records import AgentConfig
from flatfield.vendors.base import device_lane

if TYPE_CHECKING:
    from flatfield.http.services import Services

LAN = "http://192.168.1.5"


def agent(provider: str, url: str | None, *on_device: None) -> AgentConfig:
    return AgentConfig(name="a", provider=provider, model="m", base_url=url, on_device=None if on_device else True)


@pytest.mark.parametrize(
    ("url", "device"),
    [
        ("", "local"),
        ("http://127.0.0.1:8080/v1", "local"),
        ("http://localhost:1234/v1", "local"),
        ("http://[::1]:11434", "local"),
        (f"{LAN}:11434", "192.168.1.5"),
        ("http://desk.lan/v1", "desk.lan"),
    ],
)
def test_a_device_is_a_host_whatever_the_port(url: str, device: str) -> None:
    lane = device_lane(url)
    assert (lane.name, lane.width, lane.device, lane.place) == (f"device:{device}", 1, device, "")


@pytest.mark.parametrize(
    ("agents", "name"),
    [
        (
            (
                agent("local", None),
                agent("ollama", None, None),
                agent("ollama", "http://127.0.0.1:9999"),
                agent("openai-chat", "http://localhost:8080/v1"),
                agent("openai", "http://127.0.0.1:8080/v1"),
                agent("anthropic", "http://127.0.0.1:8080"),
            ),
            "device:local",
        ),
        (
            (
                agent("ollama", f"{LAN}:11434", None),
                agent("ollama", f"{LAN}:11434"),
                agent("openai-chat", f"{LAN}:8080/v1"),
                agent("gemini", f"{LAN}:8080"),
            ),
            "device:192.168.1.5",
        ),
    ],
)
def test_models_on_one_machine_never_compete(services: Services, agents: tuple[AgentConfig, ...], name: str) -> None:
    lanes = [plugins.load("provider", each.provider).create(services).lane(each) for each in agents]
    assert {(lane.name, lane.width) for lane in lanes} == {(name, 1)}


def test_servers_that_are_no_device_of_the_users_stay_as_wide_as_they_are(services: Services) -> None:
    shared = agent("openai-chat", f"{LAN}:8000/v1", None)
    lane = plugins.load("provider", "openai-chat").create(services).lane(shared)
    assert (lane.width > 1, lane.device, lane.place) == (True, "", "192.168.1.5:8000")
