"""The service tier that a reply's usage names, or what it names in its place that makes the reply dearer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def tier_of(usage: Mapping[str, Any]) -> str:
    """As Anthropic's API names them, and doors to its models: a region and a speed other than the usual cost more."""
    speed, geo = str(usage.get("speed") or ""), str(usage.get("inference_geo") or "")
    dearer = [speed] if speed not in {"", "standard"} else []
    dearer += [f"inference_geo {geo}"] if geo not in {"", "global", "not_available"} else []
    return ", ".join(dearer) or str(usage.get("service_tier") or "")
