"""Which parameters of a request the fairness manifest shows, and why agents may differ in them."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

DEFAULT = "vendor's default"
NOT_SENT = "not sent"
UNKNOWN = "not known"

Heading = Literal["context", "model", "prompt"]


class Property(Struct, frozen=True, kw_only=True):
    """One row: the request's keys that carry it, the configuration's field behind it, and why agents may differ.

    `absent` is what a request without these keys means.
    """

    heading: Heading
    label: str
    keys: tuple[str, ...]
    configured: str = ""
    absent: str = UNKNOWN
    why: str = ""


PROPERTIES = (
    Property(
        heading="context",
        label="tools",
        keys=("tool_names",),
        why="the agents' `tools` settings take tools away, or the tasks offer different ones",
    ),
    Property(
        heading="context",
        label="tool schemas (digest)",
        keys=("tools_digest",),
        why="other tools have other schemas",
    ),
    Property(
        heading="context",
        label="tool protocol",
        keys=("protocol",),
        configured="protocol",
        why="a small model may be configured to call tools as json; its grades are of model and protocol",
    ),
    Property(
        heading="context",
        label="tool template",
        keys=("tool_template",),
        absent="the API's own",
        why="a local model's chat template, or one brought for it, writes its tools into the prompt",
    ),
    Property(
        heading="context",
        label="context length (tokens)",
        keys=("context_tokens", "num_ctx"),
        configured="context_tokens",
        absent="the model's own",
        why="models have different contexts; a local one has what it was loaded with",
    ),
    Property(heading="model", label="API", keys=("api",), configured="provider", why="each vendor's own API is spoken"),
    Property(heading="model", label="model", keys=("model",), configured="model", why="this is what the run compares"),
    Property(
        heading="model",
        label="answered by",
        keys=("model_version",),
        absent="the model asked for, as far as the API says",
        why="the version that the API says it answered with; a retired name may be answered by a successor",
    ),
    Property(
        heading="model",
        label="API version",
        keys=("anthropic_version",),
        absent="in the address, or none",
        why="an API whose version is a header: some settings are taken in one version only",
    ),
    Property(
        heading="model",
        label="service tier",
        keys=("service_tier",),
        absent="not reported",
        why="which tier the API says it served at: tiers differ in speed and price",
    ),
    Property(
        heading="model",
        label="address",
        keys=("base_url", "host"),
        configured="base_url",
        absent="the vendor's",
        why="each model is asked where it is served",
    ),
    Property(
        heading="model",
        label="model file (digest)",
        keys=("model_file",),
        absent="not on this device",
        why="a model on this device is the file that it was read from",
    ),
    Property(heading="model", label="temperature", keys=("temperature",), configured="temperature", absent=DEFAULT),
    Property(
        heading="model",
        label="reasoning effort",
        keys=("reasoning_effort", "effort"),
        configured="reasoning_effort",
        absent=DEFAULT,
    ),
    Property(
        heading="model",
        label="thinking, as sent",
        keys=("thinking", "thinkingConfig", "think"),
        absent="nothing but the effort",
        why="some APIs take a budget or a switch for what others take as a word of effort",
    ),
    Property(heading="model", label="streaming", keys=("stream",), why="an API that cannot stream its replies"),
)

CAP = Property(
    heading="model",
    label="output cap (tokens)",
    keys=("max_tokens", "max_output_tokens", "max_completion_tokens", "maxOutputTokens", "num_predict"),
    configured="max_output_tokens",
    absent=NOT_SENT,
)
"""What a trial's first turn is sent; later turns are sent what is left of it."""

SETTINGS = frozenset({"temperature", "reasoning_effort", "max_output_tokens", "context_tokens"})
"""Fields of the configuration that an API may not accept."""
