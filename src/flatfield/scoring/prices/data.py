"""The data of genai-prices: the package's own, or newer that was downloaded into flatfield's cache."""

from __future__ import annotations

from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from flatfield.errors import FlatfieldError
from flatfield.tasks.cache import replace_whole

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from genai_prices.data_snapshot import DataSnapshot

PACKAGE = "genai-prices"


class Downloaded(Struct, frozen=True, kw_only=True):
    """Newer data: when it was taken from where, by which version of the package, and the providers as they came."""

    package: str
    downloaded_at: str
    source: str
    providers: msgspec.Raw


class DataFile:
    """The downloaded data of one cache folder, if there is any that counts.

    It counts for the version of the package that downloaded it: a newer package brings its own data, and may read it
    otherwise.
    """

    def __init__(self, cache: Path | None) -> None:
        self.path = cache / "prices" / f"{PACKAGE}.json" if cache is not None else None

    @cached_property
    def downloaded(self) -> Downloaded | None:
        """What was downloaded; None when there is none, when it is damaged, or when it no longer counts."""
        if self.path is None:
            return None
        try:
            found = msgspec.json.decode(self.path.read_bytes(), type=Downloaded)
        except (OSError, msgspec.MsgspecError):
            return None
        return found if found.package == version(PACKAGE) else None

    def version(self) -> str:
        """`genai-prices 0.2.3`, and the date of the data when it is newer than the package's."""
        newer = f" with data of {self.downloaded.downloaded_at[:10]}" if self.downloaded else ""
        return f"{PACKAGE} {version(PACKAGE)}{newer}"

    def save(self, data: bytes, source: str, now: datetime) -> int:
        """Keep new data, after reading it; returns how many models have a price in it.

        Raises:
            FlatfieldError: it is no such data, or it cannot be stored; what was there before stays.
        """
        if self.path is None:
            raise FlatfieldError("there is no cache folder to keep prices in; set FLATFIELD_CACHE")
        try:
            count = sum(len(provider.models) for provider in read(data).providers)
        except ValueError as error:  # pydantic's and json's errors are ValueErrors
            raise FlatfieldError(f"{source} holds no data of {PACKAGE} ({str(error).splitlines()[0]})") from None
        taken = Downloaded(
            package=version(PACKAGE),
            downloaded_at=now.isoformat(timespec="seconds"),
            source=source,
            providers=msgspec.Raw(data),
        )
        try:
            replace_whole(self.path, msgspec.json.encode(taken))
        except OSError as error:
            raise FlatfieldError(f"prices cannot be kept at {self.path}: {error.strerror}; make it writable") from None
        return count


def load(file: DataFile) -> DataSnapshot:
    """The data that is in force: the downloaded, else the package's own, also when the downloaded cannot be read."""
    from genai_prices.data_snapshot import get_snapshot

    if file.downloaded is None:
        return get_snapshot()
    try:
        return read(bytes(file.downloaded.providers))
    except ValueError:
        return get_snapshot()


def read(data: bytes) -> DataSnapshot:
    """Data as its publisher serves it: a JSON list of providers.

    Raises:
        ValueError: it is something else.
    """
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import _providers_from_raw  # the package's updater has no public door that takes data

    try:
        raw: Any = msgspec.json.decode(data)
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from None
    if not isinstance(raw, list) or not raw:
        raise ValueError("it is no list of providers")
    return DataSnapshot(_providers_from_raw(raw), from_auto_update=True)
