"""The ledger of trust: read and changed in one step, by several processes, and never read as trust when damaged."""

from __future__ import annotations

import stat
from multiprocessing import get_context
from typing import TYPE_CHECKING

import pytest

from flatfield.errors import FlatfieldError
from flatfield.tasks.cache import data_folder
from flatfield.tasks.ledger import Contents, KeyHost, Ledger, TrustedFolder

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.whole


def one(folder: str, **fields: object) -> TrustedFolder:
    values = {"folder": folder, "owner": 1, "since": "now"}
    return TrustedFolder(**(values | fields))  # type: ignore[arg-type]


def test_nothing_is_there_at_first_and_nothing_is_created_by_reading(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "a" / "trust.json")
    assert ledger.contents() == Contents()
    ledger.wrote([])
    assert not (tmp_path / "a").exists()


def test_a_folder_keeps_what_it_was_trusted_with(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "trust.json")
    first, second = KeyHost(variable="A", host="a"), KeyHost(variable="B", host="b")
    ledger.trust(one("/x", keys=(second,), programs=("p",)))
    ledger.trust(one("/x", keys=(first,)))
    ledger.trust(one("/y"))
    kept = ledger.contents().of("/x")
    assert kept is not None
    assert (kept.keys, kept.programs) == ((first, second), ("p",))
    ledger.trust(one("/x", owner=2))
    assert ledger.contents().of("/x") == one("/x", owner=2), "another owner begins anew"
    assert ledger.forget("/x")
    assert not ledger.forget("/x")
    assert [each.folder for each in ledger.contents().folders] == ["/y"]


def test_only_its_user_can_read_it(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "own" / "trust.json")
    ledger.trust(one("/x"))
    assert stat.S_IMODE((tmp_path / "own").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "own" / "trust.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "{", "[]", '{"folders": [{"folder": 1}]}', "\udc80"])
def test_a_damaged_one_is_said_and_trusts_nothing(tmp_path: Path, text: str) -> None:
    path = tmp_path / "trust.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(
        FlatfieldError, match=r"trust\.json, which says what folders are trusted, is damaged; delete it"
    ):
        Ledger(path).contents()


def test_one_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FlatfieldError, match="set XDG_DATA_HOME"):
        Ledger(tmp_path / "file" / "trust.json").trust(one("/x"))
    with pytest.raises(FlatfieldError, match="no place to remember"):
        Ledger(None).trust(one("/x"))


def _trust_ten(path: Path, name: str) -> None:
    for number in range(10):
        Ledger(path).trust(one(f"/{name}/{number}"))


def test_two_processes_lose_nothing_of_each_other(tmp_path: Path) -> None:
    context = get_context("spawn")
    children = [context.Process(target=_trust_ten, args=(tmp_path / "trust.json", name)) for name in "abc"]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert len(Ledger(tmp_path / "trust.json").contents().folders) == 30


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"XDG_DATA_HOME": "/data", "HOME": "/home/u"}, "/data/flatfield"),
        ({"XDG_DATA_HOME": "relative", "HOME": "/home/u"}, "/home/u/.local/share/flatfield"),
        ({"HOME": "/home/u"}, "/home/u/.local/share/flatfield"),
    ],
)
def test_it_lies_outside_of_every_project(environ: dict[str, str], folder: str) -> None:
    assert str(data_folder(environ)) == folder
