"""Which parameters of a request the fairness manifest shows, and why agents may differ in them."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

DEFAULT = "vendor's default"
NOT_SENT = "not sent"
UNKNOWN = "not known"

Heading = Literal["context", "model", "prompt"]


class Property(Struct, frozen=True, kw_only=True):
    """One row: the field `name` of `Sent`, the configuration's field behind it, and why agents may differ.

    `absent` is what a request means that says nothing of it.
    """

    heading: Heading
    label: str
    name: str
    configured: str = ""
    absent: str = UNKNOWN
    why: str = ""


PROPERTIES = (
    Property(
        heading="context",
        label="tools",
        name="tools",
        why="the agents' `tools` settings take tools away, or the tasks offer different ones",
    ),
    Property(
        heading="context",
        label="tool schemas (digest)",
        name="tools_digest",
        why="other tools have other schemas",
    ),
    Property(
        heading="context",
        label="tool protocol",
        name="protocol",
        configured="protocol",
        why="some models write their calls as text or as json; grades are of model and protocol",
    ),
    Property(
        heading="context",
        label="tool template",
        name="tool_template",
        absent="the API's own",
        why="a local model's chat template, or one brought for it, writes its tools into the prompt",
    ),
    Property(
        heading="context",
        label="context length (tokens)",
        name="context_tokens",
        configured="context_tokens",
        absent="the model's own",
        why="models have different contexts; a local one has what it was loaded with",
    ),
    Property(heading="model", label="API", name="api", configured="provider", why="each vendor's own API is spoken"),
    Property(heading="model", label="model", name="model", configured="model", why="this is what the run compares"),
    Property(
        heading="model",
        label="answered by",
        name="answered_by",
        absent="not reported",
        why="the version that the API says it answered with; a retired name may be answered by a successor",
    ),
    Property(
        heading="model",
        label="API version",
        name="api_version",
        absent="in the address, or none",
        why="an API whose version is a header: some settings are taken in one version only",
    ),
    Property(
        heading="model",
        label="service tier",
        name="service_tier",
        absent="not reported",
        why="which tier the API says it served at: tiers differ in speed and price",
    ),
    Property(
        heading="model",
        label="address",
        name="base_url",
        configured="base_url",
        absent="the vendor's",
        why="each model is asked where it is served",
    ),
    Property(
        heading="model",
        label="model file (digest)",
        name="model_file",
        absent="not on this device",
        why="a model on this device is the file that it was read from",
    ),
    Property(
        heading="model",
        label="layers on a GPU",
        name="gpu_layers",
        absent="not told",
        why="a model on this device is as fast as what it runs on; gpu_layers says how much of it goes to the GPU",
    ),
    Property(heading="model", label="temperature", name="temperature", configured="temperature", absent=DEFAULT),
    Property(
        heading="model",
        label="reasoning effort",
        name="reasoning_effort",
        configured="reasoning_effort",
        absent=DEFAULT,
    ),
    Property(
        heading="model",
        label="thinking, as sent",
        name="thinking",
        absent="nothing but the effort",
        why="some APIs take a budget or a switch for what others take as a word of effort",
    ),
    Property(heading="model", label="streaming", name="stream", why="an API that cannot stream its replies"),
)

CAP = Property(
    heading="model",
    label="output cap (tokens)",
    name="output_cap_tokens",
    configured="max_output_tokens",
    absent=NOT_SENT,
)
"""What a trial's first turn is sent; later turns are sent what is left of it."""

SETTINGS = frozenset({"temperature", "reasoning_effort", "max_output_tokens", "context_tokens"})
"""Fields of the configuration that an API may not accept."""
