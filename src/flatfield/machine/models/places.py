"""Where model files lie: names and paths to files, and what has been pulled."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from flatfield.errors import NotReady
from flatfield.machine.hardware import machine_memory
from flatfield.machine.models import known
from flatfield.machine.models.known import Fit, HubSource, fit, known_model, memory_need

if TYPE_CHECKING:
    from flatfield.machine.hardware import Memory
    from flatfield.machine.models.known import KnownModel


_MAGIC = b"GGUF"
_HUB_NAME = re.compile(r"hf:(?P<repository>[\w.-]+/[\w.-]+)/(?P<file>(?:[\w.-]+/)*[\w.-]+\.gguf)", re.ASCII)
_WORD = re.compile(r"[a-z]+|\d+(?:\.\d+)?[a-z]*")


class ModelEntry(Struct, frozen=True, kw_only=True):
    """One model that is known or pulled; `path` is where its file is or would be.

    `arrived_bytes`: what a pull that was broken off has left; `memory_bytes`: what it is estimated to take at work, and
    `fits`: whether this machine has that ("yes", "not now", "no"; None: nobody counts it).
    """

    name: str
    path: str
    pulled: bool
    size_bytes: int
    title: str = ""
    license: str = ""
    arrived_bytes: int = 0
    memory_bytes: int = 0
    fits: Fit | None = None


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
    model = known_model(name)
    if model is not None and pulled.stat().st_size != model.size_bytes:
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
    """What to tell a user who named no model that there is: the ones that come near, or all."""
    near = near_models(name)
    if near:
        return f"there is no model {name!r}; did you mean {' or '.join(near)}? All of them: flatfield models list"
    names = ", ".join(model.name for model in known.KNOWN)
    return f"there is no model {name!r}; use one of {names}, hf:OWNER/REPO/FILE.gguf, or a path to a .gguf file"


def near_models(name: str) -> tuple[str, ...]:
    """Known models that somebody may have meant: name, title and repository have all its words, or it looks alike."""
    wanted = set(_words(name))
    words = {model.name: set(_words(f"{model.name} {model.title} {model.hub.repository}")) for model in known.KNOWN}
    having = tuple(each for each, own in words.items() if wanted and wanted <= own)
    return having or tuple(get_close_matches(name.lower(), words, n=3, cutoff=0.6))


def _words(text: str) -> list[str]:
    """`Qwen2.5-Coder-1.5B` is qwen, 2.5, coder, 1.5b."""
    return _WORD.findall(text.lower())


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
    memory = machine_memory()
    entries = [_known_entry(model, models_folder(cache) / f"{model.name}.gguf", memory) for model in known.KNOWN]
    hub = models_folder(cache) / "hf"
    for path in hub.rglob("*.gguf"):
        if path.is_file():
            name, size_bytes = f"hf:{path.relative_to(hub).as_posix()}", path.stat().st_size
            need = memory_need(name, size_bytes)
            entry = ModelEntry(name=name, path=str(path), pulled=True, size_bytes=size_bytes)
            entries.append(replace(entry, memory_bytes=need.total_bytes, fits=fit(need, memory)))
    return tuple(sorted(entries, key=lambda entry: entry.name))


def arrived_bytes(target: Path) -> int:
    """How much of a file that is being pulled, or was until it was broken off, is here."""
    parts = (part for part in target.parent.glob("*.part") if part.name.startswith(f"{target.name}."))
    return max((part.stat().st_size for part in parts), default=0)


def _known_entry(model: KnownModel, path: Path, memory: Memory | None) -> ModelEntry:
    need = memory_need(model.name, model.size_bytes)
    return ModelEntry(
        name=model.name,
        path=str(path),
        pulled=path.is_file() and path.stat().st_size == model.size_bytes,
        size_bytes=model.size_bytes,
        title=model.title,
        license=model.license,
        arrived_bytes=arrived_bytes(path),
        memory_bytes=need.total_bytes,
        fits=fit(need, memory),
    )
