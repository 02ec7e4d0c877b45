"""A check hashes the file and asks the model for a token."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from flatfield.errors import NotReady
from flatfield.http.services import Services
from flatfield.machine.models import check_model
from flatfield.machine.models.incoming import ExpectedFile, Incoming
from flatfield.machine.models.places import pulled_path

pytestmark = pytest.mark.whole

FAKE = Path(__file__).parent.parent / "fake_llama"
NAME = "hf:owner/repo/file.gguf"


@pytest.fixture
def fake(services: Services) -> Services:
    environ = {**os.environ, "PYTHONPATH": str(FAKE)}
    return Services(session=services.session, clock=services.clock, environ=environ, cache=services.cache)


def gguf(path: Path, told: str = "") -> Path:
    path.write_text(f"GGUF{told}", encoding="utf-8")
    return path


@pytest.fixture
def pulled(services: Services) -> Path:
    target = pulled_path(NAME, services.cache)
    assert target
    target.parent.mkdir(parents=True)
    with Incoming(target.with_name("part")) as incoming:
        incoming.write(b"GGUF")
        incoming.commit(target, ExpectedFile())
    return target


async def test_a_pulled_model_is_verified(fake: Services, pulled: Path) -> None:
    found = await check_model(NAME, fake)
    assert found.verified
    assert found.path == str(pulled)
    assert found.size_bytes == 4
    assert found.load_seconds > 0
    assert found.token_seconds > 0


async def test_a_file_of_the_users_own_has_no_hash_to_compare_with(fake: Services, tmp_path: Path) -> None:
    path = gguf(tmp_path / "own.gguf")
    assert (await check_model(str(path), fake)).verified is False


async def test_a_model_that_changed_is_not_run(fake: Services, pulled: Path) -> None:
    gguf(pulled, "crash")
    with pytest.raises(NotReady, match=f"expected .* run: flatfield models pull {NAME}"):
        await check_model(NAME, fake)


async def test_a_model_that_cannot_be_loaded_fails(fake: Services, tmp_path: Path) -> None:
    path = gguf(tmp_path / "own.gguf", "refuse")
    with pytest.raises(NotReady, match="tensor 7 is missing"):
        await check_model(str(path), fake)


@pytest.mark.needs("model")
@pytest.mark.slow
async def test_a_real_model_gives_a_token(services: Services) -> None:
    real = Services(session=services.session, clock=services.clock, environ=os.environ, cache=services.cache)
    found = await check_model(os.environ["FLATFIELD_TEST_MODEL"], real)
    assert (found.context_tokens, found.supports_tools) == (8192, False)
