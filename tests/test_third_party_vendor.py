"""A vendor of a third party, added by an entry point, is known wherever our own are: what it states is asked."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import entry_points
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from genai_prices.data_snapshot import get_snapshot

from flatfield import plugins
from flatfield.errors import InvalidFiles, NotFound, NotReady
from flatfield.faces.claude_code.parts import PROJECT, sub_agent
from flatfield.faces.cli.common import read_environment
from flatfield.records import AgentConfig, Price, Sent, Traits, Usage
from flatfield.runs import readiness
from flatfield.runs.readiness import RunningServer, agent_spec
from flatfield.scoring.fairness.manifest import accepts_effort, accepts_temperature
from flatfield.scoring.judge.blinding import Blinder
from flatfield.scoring.judge.judge import maker_of
from flatfield.scoring.judge.request import is_small
from flatfield.scoring.prices.price_list import listings, vendor_rates
from flatfield.scoring.prices.pricing import Prices
from flatfield.tasks.agents import Roster, select_agents
from flatfield.tasks.config import read_config
from flatfield.tasks.project import Project
from flatfield.testing.wires import new_wire
from flatfield.vendors.base import UsualServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TRAITS = Traits(
    name="owl-works",
    url="https://api.owl.example/v2",
    url_variable="OWL_PLACE",
    key_variables=("OWL_SECRET",),
    price_name="mistral",
    model_prefix="owl/",
    maker="owlworks",
    makes="hoot|screech",
    known_as=("Hooter",),
    unsupported=("temperature",),
    color="pink",
)
SCAFFOLD = Traits(name="owl-agent", is_scaffold=True, outputs=("owl-lines",), runs_code=True, takes_subscriptions=True)
AT_HOME = Traits(name="owl-home", device="always", asks_server=False, is_word=True)
CONTROL = Traits(name="owl-control", is_control=True, asks_server=False)
AGENT = AgentConfig(name="owl", provider="owl-works", model="owl/mistral-large")
MILLION = Usage(input_tokens=1_000_000)


class Told:
    """The server's wire, without its insides."""


@pytest.fixture(autouse=True)
def vendors(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Four vendors, one that cannot be imported, and the wire of the first."""

    def broken() -> ModuleType:
        raise ImportError("No module named 'owl_lib'")

    def vendor(traits: Traits, **functions: Any) -> Any:
        module = SimpleNamespace(TRAITS=traits, **functions)
        return SimpleNamespace(name=traits.name, value=f"owls:{traits.name}", load=lambda: module)

    server = UsualServer(name="Owl Box", base_url="http://127.0.0.1:7/v2", provider="owl-works", address="")
    ours = vendor(
        TRAITS,
        refused=lambda agent: frozenset({"reasoning_effort"} if agent.model == "owl/plain" else ()),
        usual_servers=lambda _: (server,),
        PRICES={
            "owl-1": Price(input_mtok=3.0, output_mtok=9.0, source="owl.example/prices, November 2026"),
            "owl/mistral-large": Price(input_mtok=99.0, output_mtok=99.0),
        },
    )
    wire = SimpleNamespace(name="owl-works", value="owls:wire", load=lambda: SimpleNamespace(create=Told))
    points = {
        "flatfield.providers": [
            ours,
            *map(vendor, (SCAFFOLD, AT_HOME, CONTROL)),
            SimpleNamespace(name="owl-broken", value="owls:broken", load=broken),
        ],
        "flatfield.wires": [wire],
    }
    monkeypatch.setattr(plugins, "entry_points", lambda *, group: [*entry_points(group=group), *points.get(group, ())])
    plugins.look_again()
    yield
    plugins.look_again()


def test_what_it_states_is_found_and_one_that_cannot_be_imported_stands_in_nobodys_way() -> None:
    assert plugins.traits_of("owl-works") == TRAITS
    assert {traits.name for traits in plugins.all_traits()} >= {"owl-works", "owl-agent", "anthropic", "cli"}
    with pytest.raises(NotReady, match="owl_lib"):
        plugins.traits_of("owl-broken")
    with pytest.raises(NotFound, match="there is no provider 'owl-gone'"):
        plugins.traits_of("owl-gone")
    for name in ("owl-broken", "owl-gone"):
        assert plugins.traits_or_usual(name) == Traits(name=name)


def test_it_is_priced_by_the_name_that_price_lists_have_for_it() -> None:
    assert Prices().usd(AGENT, MILLION, on_device=False) == 2.0
    stranger = AgentConfig(name="x", provider="owl-gone", model="mistral-large")
    assert Prices().usd(stranger, MILLION, on_device=False) is None


def test_what_no_list_prices_costs_what_it_states_itself_at_its_own_host() -> None:
    own = AgentConfig(name="owl", provider="owl-works", model="owl-1")
    assert Prices().usd(own, MILLION, on_device=False) == 3.0
    here, elsewhere = Sent(base_url="https://api.owl.example/v2"), Sent(base_url="http://127.0.0.1:9")
    assert Prices().usd(own, MILLION, on_device=False, sent=here) == 3.0
    assert Prices().usd(own, MILLION, on_device=False, sent=elsewhere) is None
    assert Prices().usd(own, MILLION, on_device=False, sent=Sent(service_tier="flex")) is None
    assert Prices({"owl-1": Price(input_mtok=5.0, output_mtok=5.0)}).usd(own, MILLION, on_device=False) == 5.0
    said = Prices().described(own, here)
    assert said == "$3 in, $9 out per million tokens: owl-works's own list (owl.example/prices, November 2026)"
    data, now = get_snapshot(), datetime(2026, 11, 29, tzinfo=UTC)
    for name in ("owl-1", "owl-works:owl-1"):
        (found,) = listings(name, {}, data, "1", now)
        assert (found.provider, found.model, found.rates.output_mtok) == ("owl-works", "owl-1", 9.0)
    rates = vendor_rates("owl-works", "owl-1", data, now)
    assert rates is not None
    assert rates.input_mtok == 3.0


def test_its_keys_and_its_usual_server_are_looked_for() -> None:
    (found,) = readiness._keys({"OWL_SECRET": "hidden", "OWL_PLACE": "https://owl.example"})
    assert (found.state, found.found) == ("ok", "OWL_SECRET")
    (missing,) = readiness._keys({})
    assert "OWL_SECRET" in missing.fix
    (server,) = (each for each in readiness._usual_servers({}) if each.provider == "owl-works")
    assert agent_spec(RunningServer(usual=server, models=("hoot-2",))) == "owl-works:hoot-2"


def test_its_variables_are_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("OWL_SECRET=hidden\nOWL_PLACE=https://owl.example\nOWL_OTHER=1\n")
    project = Project(folder=tmp_path, config=None, data=tmp_path, roster=Roster(), notes=())
    environ, _ = read_environment(project, tmp_path, {})
    assert environ.get("OWL_SECRET") == "hidden"
    assert environ.get("OWL_PLACE") == "https://owl.example"
    assert environ.get("OWL_OTHER") is None


def test_it_may_have_a_lane_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "flatfield.toml"
    path.write_text('[lanes."owl-works"]\nconcurrent = 3\n')
    assert read_config(path, "flatfield.toml").lanes["owl-works"].concurrent == 3
    path.write_text('[lanes."owl-home"]\nconcurrent = 3\n')
    with pytest.raises(InvalidFiles, match="owl-home has no server that is asked"):
        read_config(path, "flatfield.toml")


def test_its_program_is_configured_like_ours(tmp_path: Path) -> None:
    path = tmp_path / "flatfield.toml"
    path.write_text('[agents.a]\nprovider = "owl-agent"\ncommand = ["owl"]\noutput = "owl-lines"\n')
    (agent,) = read_config(path, "flatfield.toml").agents
    assert (agent.provider, agent.output) == ("owl-agent", "owl-lines")
    path.write_text('[agents.a]\nprovider = "owl-works"\nmodel = "m"\ncommand = ["owl"]\n')
    with pytest.raises(InvalidFiles, match='write provider = "cli" or "owl-agent", or remove it'):
        read_config(path, "flatfield.toml")


def test_a_control_of_theirs_needs_no_model_and_no_glob_selects_it(tmp_path: Path) -> None:
    path = tmp_path / "flatfield.toml"
    path.write_text('[agents.owl-none]\nprovider = "owl-control"\n')
    (control,) = read_config(path, "flatfield.toml").agents
    assert [agent.name for agent in select_agents(["owl*"], (control, AGENT))] == ["owl"]


def test_what_its_models_do_not_take_is_no_unfairness() -> None:
    plain = AgentConfig(name="plain", provider="owl-works", model="owl/plain")
    assert (accepts_temperature(AGENT), accepts_effort(AGENT), accepts_effort(plain)) == (False, True, False)


def test_it_is_hidden_from_a_judge() -> None:
    text = "I am Hooter 3 of owl-works (Owl Works), at hooter.ai"
    assert Blinder(()).scrub(text) == "I am agent_x of agent_x (agent_x), at agent_x"
    at_home = AgentConfig(name="x1", provider="owl-home", model="nest-1")
    assert Blinder((at_home,)).scrub("the owl home stays") == "the owl home stays"


def test_who_made_its_models_is_known_wherever_they_are_served() -> None:
    assert maker_of(AgentConfig(name="a", provider="openai-chat", model="nest/Hoot-7B")) == "owlworks"
    assert maker_of(AgentConfig(name="a", provider="owl-works", model="nightly")) == "owlworks"


def test_a_judge_on_its_device_is_held_to_a_short_form() -> None:
    assert is_small(AgentConfig(name="j", provider="owl-home", model="m"))
    assert not is_small(AGENT)


def test_its_sub_agents_have_its_color() -> None:
    assert "\ncolor: pink\n" in sub_agent(AGENT, PROJECT)


def test_its_wire_is_found() -> None:
    assert isinstance(new_wire("owl-works"), Told)
