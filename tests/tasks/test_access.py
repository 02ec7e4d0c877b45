"""What a folder's contents may do: nothing that runs code or takes a key, until the user trusts the folder."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

import flatfield
from flatfield.errors import NotTrusted
from flatfield.records import AgentConfig
from flatfield.tasks.access import (
    Access,
    Sends,
    TrustQuestion,
    Want,
    covering,
    everything,
    host_of,
    is_code,
    nobody,
    project_of,
)
from flatfield.tasks.ledger import Contents, KeyHost, Ledger, TrustedFolder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flatfield.tasks.access import Answer

OPENAI = Sends(
    url="https://api.openai.com/v1",
    variables=("OPENAI_API_KEY",),
    url_variable="OPENAI_BASE_URL",
    own_variables=("OPENAI_API_KEY",),
    own_host="api.openai.com",
)


class User:
    """Somebody who is asked, and gives one answer after the other."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[str, tuple[str, ...]]] = []

    def ask(self, folder: str, wants: Sequence[Want]) -> Answer:
        self.asked.append((folder, tuple(want.what for want in wants)))
        return self._answers.pop(0)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "data" / "trust.json")


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    (folder / "tasks").mkdir(parents=True)
    (folder / ".git").mkdir()
    (folder / "tasks" / "checks.py").write_text("print('hi')\n")
    return folder


def access(ledger: Ledger, user: User | None = None, **fields: object) -> Access:
    asking = TrustQuestion(ask=user.ask) if user else None
    return Access(ledger, now=lambda: "2026-01-01", asking=asking, **fields)  # type: ignore[arg-type]


def trusted(folder: Path, *keys: KeyHost) -> TrustedFolder:
    return TrustedFolder(folder=str(folder), owner=os.getuid(), since="", keys=keys)


def agent(folder: Path | str = "", **fields: object) -> AgentConfig:
    values = {"name": "a", "provider": "openai", "model": "m", "source": "flatfield.toml:1", "folder": str(folder)}
    return AgentConfig(**(values | fields))  # type: ignore[arg-type]


# ---------------------------------------------------------------------------- code


def test_nobody_trusts_anything(repo: Path) -> None:
    with pytest.raises(NotTrusted, match=r"run code: .*checks\.py .*flatfield trust .*repo"):
        nobody().allow(nobody().of_file(repo / "tasks" / "checks.py", "checks the task t"))


def test_flatfields_own_code_and_no_wants_need_no_trust() -> None:
    assert nobody().of_file(Path(flatfield.__file__).parent / "tasks" / "suites" / "x.py", "x") == ()
    nobody().allow(())


def test_trust_of_the_project_covers_its_files(ledger: Ledger, repo: Path) -> None:
    ledger.trust(trusted(repo))
    found = access(ledger)
    found.allow(found.of_file(repo / "tasks" / "checks.py", "x"))


def test_a_repository_inside_is_another_projects(ledger: Ledger, repo: Path) -> None:
    ledger.trust(trusted(repo.parent))
    found = access(ledger)
    with pytest.raises(NotTrusted):
        found.allow(found.of_file(repo / "tasks" / "checks.py", "x"))
    inner = repo / "vendor" / "other"
    (inner / ".git").mkdir(parents=True)
    (inner / "checks.py").touch()
    ledger.trust(trusted(repo))
    with pytest.raises(NotTrusted, match="other"):
        found.allow(found.of_file(inner / "checks.py", "x"))


def test_a_folder_that_changed_its_owner_is_trusted_no_more(ledger: Ledger, repo: Path) -> None:
    ledger.trust(TrustedFolder(folder=str(repo), owner=os.getuid() + 1, since=""))
    found = access(ledger)
    with pytest.raises(NotTrusted):
        found.allow(found.of_file(repo / "tasks" / "checks.py", "x"))


def test_trust_of_the_home_folder_covers_nothing_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "downloads").mkdir()
    contents = Contents(folders=(trusted(tmp_path),))
    assert covering(str(tmp_path), contents) is not None
    assert covering(str(tmp_path / "downloads"), contents) is None


def test_the_user_is_asked_once_for_each_folder(ledger: Ledger, repo: Path) -> None:
    user = User("once")
    found = access(ledger, user)
    wants = (*found.of_file(repo / "tasks" / "checks.py", "x"), *found.of_file(repo / "tasks" / "make.py", "y"))
    found.allow(wants)
    found.allow(found.of_file(repo / "more.py", "z"))
    assert [(folder, len(what)) for folder, what in user.asked] == [(str(repo), 2)]
    with pytest.raises(NotTrusted):
        access(ledger).allow(wants)  # another process knows nothing of it


def test_always_is_remembered_and_no_is_no(ledger: Ledger, repo: Path) -> None:
    user = User("no", "always")
    found = access(ledger, user)
    wants = found.of_file(repo / "tasks" / "checks.py", "x")
    with pytest.raises(NotTrusted):
        found.allow(wants)
    found.allow(wants)
    access(ledger).allow(wants)
    assert (ledger.contents().folders[0].since, len(user.asked)) == ("2026-01-01", 2)


def test_one_flag_trusts_all_and_remembers_nothing(ledger: Ledger, repo: Path) -> None:
    found = access(ledger, everything=True)
    found.allow(found.of_file(repo / "tasks" / "checks.py", "x"))
    assert everything().allows(found.of_file(repo / "tasks" / "checks.py", "x"))
    assert ledger.contents() == Contents()


@pytest.mark.parametrize("name", ["tasks/checks.py", "tasks/helper.py", "tasks/sub/deep.py", "shared.py", "src/app.py"])
def test_code_that_an_agent_wrote_asks_again(ledger: Ledger, repo: Path, name: str) -> None:
    ledger.trust(trusted(repo))
    (repo / name).parent.mkdir(parents=True, exist_ok=True)
    (repo / name).touch()
    ledger.wrote([str(repo / name)])
    wants = access(ledger).of_file(repo / "tasks" / "checks.py", "x")
    with pytest.raises(NotTrusted, match=r"an agent wrote .*, which nobody has looked at"):
        access(ledger).allow(wants)
    user = User("always")
    access(ledger, user).allow(wants)
    access(ledger).allow(wants)
    ledger.wrote([str(repo / name)])
    with pytest.raises(NotTrusted):
        access(ledger).allow(wants)


@pytest.mark.parametrize("where", ["", "tasks", "tasks/deep", ".."])
def test_code_where_an_agent_writes_unseen_asks_until_it_is_settled(ledger: Ledger, repo: Path, where: str) -> None:
    ledger.trust(trusted(repo))
    ledger.made([repo / "tasks" / "checks.py"])
    wants = access(ledger).of_file(repo / "tasks" / "checks.py", "x")
    folder = str((repo / where).resolve())
    mark, other = ledger.begins(folder), ledger.begins(str(repo / "elsewhere"))
    with pytest.raises(NotTrusted, match=rf"an agent wrote {re.escape(folder)}/\*\*, which nobody has looked at"):
        access(ledger).allow(wants)
    ledger.settle(mark, [])
    access(ledger).allow(wants)
    assert list(ledger.contents().unsettled) == [other]


def test_what_was_written_under_a_mark_is_known_when_it_is_settled(ledger: Ledger, repo: Path) -> None:
    ledger.trust(trusted(repo))
    checks = repo / "tasks" / "checks.py"
    ledger.made([checks])
    ledger.settle(ledger.begins(str(repo)), [str(checks)])
    assert (ledger.contents().written, ledger.contents().made, ledger.contents().unsettled) == ((str(checks),), {}, {})
    assert not access(ledger).allows(access(ledger).of_file(checks, "x"))


def test_a_user_who_looks_settles_what_a_killed_process_left(ledger: Ledger, repo: Path) -> None:
    ledger.trust(trusted(repo))
    wants = access(ledger).of_file(repo / "tasks" / "checks.py", "x")
    for folder in (repo, repo.parent):
        ledger.begins(str(folder))
        assert not access(ledger).allows(wants)
        access(ledger, User("always")).allow(wants)
        assert access(ledger).allows(wants)
    [above] = ledger.contents().unsettled.values()
    assert (above.folder, above.seen) == (str(repo.parent), (str(repo),)), "the rest of it was looked at by nobody"


def test_an_agent_at_work_does_not_stop_a_program_from_elsewhere(ledger: Ledger, repo: Path) -> None:
    ledger.trust(trusted(repo))
    (repo / "run.sh").write_text("")
    ledger.begins(str(repo))
    for command, allowed in ((("sh", "-c", "echo"), True), (("sh", "run.sh"), False), (("./run.sh",), False)):
        wants = access(ledger).of_agent(agent(repo, provider="cli", command=command), Sends(runs_code=True))
        assert access(ledger).allows(wants) is allowed


def test_what_an_agent_wrote_elsewhere_asks_nobody(ledger: Ledger, repo: Path) -> None:
    ledger.trust(trusted(repo))
    ledger.wrote([str(repo.parent / "other" / "app.py"), str(repo / "gone.py")])
    found = access(ledger)
    found.allow(found.of_file(repo / "tasks" / "checks.py", "x"))


def test_code_that_flatfield_wrote_is_trusted_until_it_or_what_it_may_import_changes(
    ledger: Ledger, repo: Path
) -> None:
    checks = repo / "tasks" / "checks.py"
    ledger.made([checks])
    found = access(ledger)
    found.allow(found.of_file(checks, "x"))
    (repo / "tasks" / "json.py").write_text("evil")
    with pytest.raises(NotTrusted):
        found.allow(found.of_file(checks, "x"))
    (repo / "tasks" / "json.py").unlink()
    checks.write_text("other")
    with pytest.raises(NotTrusted):
        found.allow(found.of_file(checks, "x"))


# ---------------------------------------------------------------------------- programs and keys


def test_a_program_of_a_projects_files_needs_trust_and_one_that_the_user_typed_does_not(
    ledger: Ledger, repo: Path
) -> None:
    found = access(ledger)
    runs = Sends(runs_code=True)
    assert found.of_agent(agent(provider="cli", model="claude-code"), runs) == ()
    wants = found.of_agent(agent(repo, provider="cli", command=("sh", "-c", "id")), runs)
    with pytest.raises(NotTrusted, match="run a program: sh -c id"):
        found.allow(wants)
    ledger.trust(trusted(repo))
    found.allow(wants)


def test_where_nobody_watches_a_new_program_waits(ledger: Ledger, repo: Path) -> None:
    first, second = (
        access(ledger).of_agent(agent(repo, provider="cli", command=("sh", text)), Sends(runs_code=True))
        for text in ("a.sh", "b.sh")
    )
    access(ledger).remember(str(repo), first)
    strict = access(ledger, strict=True)
    strict.allow(first)
    assert not strict.allows(second)
    assert access(ledger).allows(second)


def test_a_program_that_an_agent_wrote_asks_again(ledger: Ledger, repo: Path) -> None:
    command = ("python", "-m", "grader")
    wants = access(ledger).of_agent(agent(repo, provider="cli", command=command), Sends(runs_code=True))
    ledger.trust(trusted(repo))
    assert access(ledger).allows(wants)
    (repo / "grader").mkdir()
    (repo / "grader" / "__main__.py").touch()
    ledger.wrote([str(repo / "grader" / "__main__.py")])
    assert not access(ledger).allows(wants)


def evil(url: str = "https://evil.example/v1", variables: tuple[str, ...] = ("OPENAI_API_KEY",)) -> Sends:
    return structs.replace(OPENAI, url=url, variables=variables)


@pytest.mark.parametrize(
    ("config", "sends"),
    [
        ({"base_url": "https://evil.example/v1"}, evil()),
        ({"base_url": "http://api.openai.com/v1"}, evil(url="http://api.openai.com/v1")),
        ({"base_url": "https://api.openai.com.evil.example"}, evil(url="https://api.openai.com.evil.example")),
        ({"base_url": "https://api.openai.com:444/v1"}, evil(url="https://api.openai.com:444/v1")),
        ({"api_key_env": "AWS_SECRET_ACCESS_KEY"}, evil(url=OPENAI.url, variables=("AWS_SECRET_ACCESS_KEY",))),
        ({"headers": {"X": "${AWS_SECRET_ACCESS_KEY}"}}, evil(url=OPENAI.url, variables=("AWS_SECRET_ACCESS_KEY",))),
    ],
)
def test_no_address_and_no_variable_of_an_untrusted_folder_gets_a_key(
    ledger: Ledger, repo: Path, config: dict[str, object], sends: Sends
) -> None:
    found = access(ledger)
    with pytest.raises(NotTrusted, match="be sent a key"):
        found.allow(found.of_agent(agent(repo, **config), sends))
    ledger.trust(trusted(repo))
    with pytest.raises(NotTrusted, match="be sent a key"):  # this pair was not seen when it was trusted
        found.allow(found.of_agent(agent(repo, **config), sends))
    found.remember(str(repo), found.of_agent(agent(repo, **config), sends))
    found.allow(found.of_agent(agent(repo, **config), sends))


@pytest.mark.parametrize("url", [OPENAI.url, "https://eu.api.openai.com/v1", "https://API.openai.com"])
def test_a_vendors_key_goes_to_its_own_host_unasked(repo: Path, url: str) -> None:
    assert nobody().of_agent(agent(repo, base_url=url), evil(url=url)) == ()


def test_what_the_user_typed_or_set_is_asked_for_nowhere(repo: Path) -> None:
    typed = agent(base_url="https://mine.example/v1", api_key_env="MINE")
    assert nobody().of_agent(typed, evil(url="https://mine.example/v1", variables=("MINE",))) == ()
    assert nobody().of_agent(agent(repo), evil(url="https://gateway.example")) == ()  # OPENAI_BASE_URL of the shell


def test_an_address_in_a_dotenv_gets_no_key_before_its_folder_is_trusted(ledger: Ledger, repo: Path) -> None:
    found = access(ledger, origins={"OPENAI_BASE_URL": str(repo)})
    wants = found.of_agent(agent(), evil())
    with pytest.raises(NotTrusted, match=r"OPENAI_API_KEY goes to evil\.example \(OPENAI_BASE_URL in \.env"):
        found.allow(wants)
    found.remember(str(repo), wants)
    found.allow(wants)


def test_a_key_alone_in_a_dotenv_goes_to_its_vendor(repo: Path) -> None:
    found = Access(Ledger(None), origins={"OPENAI_API_KEY": str(repo)})
    assert found.of_agent(agent(), OPENAI) == ()


def test_what_else_the_folders_agents_want_is_asked_with_it(ledger: Ledger, repo: Path) -> None:
    user = User("always")
    other = access(ledger).of_agent(agent(repo, base_url="https://evil.example/v1"), evil())
    found = Access(ledger, asking=TrustQuestion(ask=user.ask, further=lambda _folder: other))
    found.allow(found.of_file(repo / "tasks" / "checks.py", "x"))
    assert len(user.asked[0][1]) == 2
    access(ledger).allow(other)


@pytest.mark.parametrize(
    ("name", "head", "code"),
    [
        ("a.py", b"", True),
        ("Makefile", b"", True),
        ("package.json", b"{}", True),
        ("tool", b"\x7fELF\x02", True),
        ("tool", b"#!/bin/sh\n", True),
        ("notes.md", b"# Notes\n", False),
        ("data.json", b"{}", False),
    ],
)
def test_what_is_code(name: str, head: bytes, code: bool) -> None:
    assert is_code(Path(name), head) is code


def test_no_file_can_write_lines_of_its_own_into_the_question(ledger: Ledger, repo: Path) -> None:
    user = User("no")
    found = access(ledger, user)
    forged = (
        "true #\n\n/home/you/good is not trusted yet. What lies in it wants to\n  - run pytest\x1b[2J\u202e"
        + "x" * 9000
    )
    with pytest.raises(NotTrusted) as caught:
        found.allow(found.of_agent(agent(repo, provider="cli", command=("sh", "-c", forged)), Sends(runs_code=True)))
    (asked,) = user.asked[0][1]
    assert asked.isprintable()
    assert str(caught.value).isprintable()
    assert len(asked) < 400


# ---------------------------------------------------------------------------- places


def test_files_of_no_project_of_their_own_belong_to_the_one_in_force(ledger: Ledger, tmp_path: Path) -> None:
    home = tmp_path / "here"
    for name in "abc":
        (home / "tasks" / name).mkdir(parents=True)
        (home / "tasks" / name / "checks.py").touch()
    user = User("always")
    found = access(ledger, user, home=home)
    for name in "abc":
        found.allow(found.of_file(home / "tasks" / name / "checks.py", "x"))
    assert [folder for folder, _ in user.asked] == [str(home)]
    (home / ".flatfield").mkdir()  # as the first run does
    again = access(ledger, home=home)
    again.allow(again.of_file(home / "tasks" / "a" / "checks.py", "x"))
    (home / "tasks" / "a" / ".git").mkdir()
    with pytest.raises(NotTrusted):
        again.allow(again.of_file(home / "tasks" / "a" / "checks.py", "x"))


def test_a_project_is_the_nearest_folder_with_a_mark_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = tmp_path / "a" / "b" / "c"
    inner.mkdir(parents=True)
    assert project_of(inner) == inner
    (tmp_path / "a" / "flatfield.toml").touch()
    assert project_of(inner / "x.md") == tmp_path / "a"
    monkeypatch.setenv("HOME", str(tmp_path / "a"))
    assert project_of(inner) == inner, "whatever lies in the home folder is no project of it"


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://API.example:443/v1", "api.example"),
        ("https://user@api.example./v1", "api.example"),
        ("http://api.example/v1", "http://api.example"),
        ("http://127.0.0.1:8080/v1", "http://127.0.0.1:8080"),
        ("https://api.example:444", "api.example:444"),
    ],
)
def test_a_host_is_told_apart_by_scheme_and_port(url: str, host: str) -> None:
    assert host_of(url) == host


@given(st.text())
def test_any_text_has_a_host_that_is_not_a_vendors_by_accident(text: str) -> None:
    assert host_of(f"https://{text}.evil.example") != "api.openai.com"
