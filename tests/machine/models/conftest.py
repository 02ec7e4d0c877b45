"""A small model that is known by name for a test, and what watches a pull."""

from __future__ import annotations

import hashlib
import random
from typing import TYPE_CHECKING

import pytest

from flatfield.machine.models import known
from flatfield.machine.models.known import HubSource, KnownModel, Wheel

if TYPE_CHECKING:
    from collections.abc import Callable

    Seen = list[tuple[int, int | None]]


@pytest.fixture(scope="session")
def content() -> bytes:
    """A file that begins as a model does, and is longer than one chunk."""
    return b"GGUF\3\0\0\0" + random.Random(7).randbytes(2_500_000)


@pytest.fixture
def model(content: bytes, monkeypatch: pytest.MonkeyPatch) -> KnownModel:
    """Known as "tiny" while the test runs."""
    tiny = KnownModel(
        name="tiny",
        title="Tiny",
        license="CC0-1.0",
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        hub=HubSource(repository="owner/tiny", file="tiny.gguf", revision="0a1b"),
        wheels=(
            Wheel(
                project="tiny-model",
                version="1.0",
                member="tiny_model/tiny.gguf",
                wheel_bytes=len(content) + 1000,
                end_bytes=len(content),
                end_sha256=hashlib.sha256(content).hexdigest(),
            ),
        ),
        context_token_bytes=1000,
        beside_bytes=1_000_000,
    )
    monkeypatch.setattr(known, "KNOWN", (tiny,))

    return tiny


@pytest.fixture
def seen() -> Seen:
    return []


@pytest.fixture
def progress(seen: Seen) -> Callable[[int, int | None], None]:
    return lambda done, total: seen.append((done, total))
