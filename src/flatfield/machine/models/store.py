"""Where model files lie: names and paths to files, and what has been pulled."""

from __future__ import annotations

import re
from pathlib import Path

from msgspec import Struct

from flatfield.errors import NotReady
from flatfield.machine.models.known import KNOWN, HubSource, known_model

_MAGIC = b"GGUF"
_HUB_NAME = re.compile(r"hf:(?P<repository>[\w.-]+/[\w.-]+)/(?P<file>(?:[\w.-]+/)*[\w.-]+\.gguf)", re.ASCII)


class ModelEntry(Struct, frozen=True, kw_only=True):
    """One model that is known or pulled; `path` is where its file is or would be."""

    name: str
    path: str
    pulled: bool
    size_bytes: int
    title: str = ""
    license: str = ""


def models_folder(cache: Path) -> Path:
    """Where pulled models lie."""
    return cache / "models"


def hub_source(name: str) -> HubSource | None:
    """What `hf:OWNER/REPO/FILE.gguf` names; None when `name` is not of that form."""
    match = _HUB_NAME.fullmatch(name)
    if match is None or any(set(part) == {"."} for part in name[3:].split("/")):
        return None
    return HubSource(repository=match["repository"], file=match["file"])


def pulled_path(name: str, cache: Path) -> Path | None:
    """Where the file of a known model or an `hf:` name lies once pulled; None for any other name."""
    if known_model(name) is not None:
        return models_folder(cache) / f"{name}.gguf"
    if source := hub_source(name):
        return models_folder(cache) / "hf" / source.repository / source.file
    return None


def is_path(name: str) -> bool:
    """Whether an agent's model is a file of the user's own."""
    return not name.startswith("hf:") and (name.endswith(".gguf") or "/" in name or name.startswith("~"))


def find_model(name: str, cache: Path) -> Path:
    """The GGUF file behind an agent's `model`: a known name, `hf:OWNER/REPO/FILE.gguf`, or a path to any GGUF file.

    Raises:
        NotReady: it is not pulled, not there, or no GGUF file; the message says what to run.
    """
    if is_path(name):
        path = own_path(name)
        require_gguf(path)
        return path
    pulled = pulled_path(name, cache)
    if pulled is None:
        raise NotReady(unknown_model(name))
    if not pulled.is_file():
        raise NotReady(f"model {name!r} is not pulled; run: flatfield models pull {name}")
    known = known_model(name)
    if known is not None and pulled.stat().st_size != known.size_bytes:
        raise NotReady(f"model {name!r} is damaged ({pulled} has the wrong size); run: flatfield models pull {name}")
    require_gguf(pulled)
    return pulled


def own_path(name: str) -> Path:
    """A path as the user wrote it, made absolute."""
    try:
        return Path(name).expanduser().absolute()
    except RuntimeError as error:  # ~nobody
        raise NotReady(f"model {name!r}: {error}; write the path out") from None


def unknown_model(name: str) -> str:
    """What to tell a user who named no model that there is."""
    known = ", ".join(model.name for model in KNOWN)
    return f"there is no model {name!r}; use one of {known}, hf:OWNER/REPO/FILE.gguf, or a path to a .gguf file"


def require_gguf(path: Path) -> None:
    """Check the first bytes of a file.

    Raises:
        NotReady: there is no such file, it cannot be read, or it is not GGUF.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(len(_MAGIC))
    except OSError as error:
        raise NotReady(f"model file {path} cannot be read ({error.strerror}); give a path to a .gguf file") from None
    if magic != _MAGIC:
        raise NotReady(f"{path} is not a GGUF file (it does not begin with GGUF); give a path to a .gguf file")


def list_models(cache: Path) -> tuple[ModelEntry, ...]:
    """All known models, pulled or not, and all others that were pulled, by name."""
    entries = []
    for model in KNOWN:
        path = models_folder(cache) / f"{model.name}.gguf"
        pulled = path.is_file() and path.stat().st_size == model.size_bytes
        entries.append(
            ModelEntry(
                name=model.name,
                path=str(path),
                pulled=pulled,
                size_bytes=model.size_bytes,
                title=model.title,
                license=model.license,
            )
        )
    hub = models_folder(cache) / "hf"
    entries.extend(
        ModelEntry(name=f"hf:{path.relative_to(hub).as_posix()}", path=str(path), pulled=True, size_bytes=_size(path))
        for path in hub.rglob("*.gguf")
        if path.is_file()
    )
    return tuple(sorted(entries, key=lambda entry: entry.name))


def _size(path: Path) -> int:
    return path.stat().st_size
