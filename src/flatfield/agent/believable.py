"""Leaves out of a reply the numbers that cannot be right: what a server counts wrongly is "not reported"."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from msgspec import structs

from flatfield.records import MOST, Abandoned, Usage

if TYPE_CHECKING:
    from flatfield.records import Reply

MOST_TOKENS = 2**53
_SECONDS = ("model_seconds", "retry_seconds", "queue_seconds", "load_seconds")


def believable(reply: Reply) -> Reply:
    """The reply; its tokens and dollars None, and its seconds 0, where they are negative or beyond all bounds."""
    changes: dict[str, object] = {name: 0.0 for name in _SECONDS if not _is_amount(getattr(reply, name))}
    changes |= {
        name: None for name in ("first_token_seconds", "reported_cost_usd") if not _is_known(getattr(reply, name))
    }
    if reply.usage is not None and not _is_count(reply.usage):
        changes["usage"] = None
    if not all(_is_count(item.usage) for item in reply.abandoned_usage):
        changes["abandoned_usage"] = tuple(map(_counted, reply.abandoned_usage))
    return structs.replace(reply, **changes) if changes else reply


def _is_count(usage: Usage) -> bool:
    return all(0 <= getattr(usage, name) <= MOST_TOKENS for name in usage.__struct_fields__)


def _counted(item: Abandoned) -> Abandoned:
    return item if _is_count(item.usage) else structs.replace(item, usage=Usage(), estimated=True)


def _is_known(amount: float | None) -> bool:
    return amount is None or _is_amount(amount)


def _is_amount(amount: float) -> bool:
    return math.isfinite(amount) and 0.0 <= amount <= MOST
