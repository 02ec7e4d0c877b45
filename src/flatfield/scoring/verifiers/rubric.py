"""`rubric`: items that the judge grades; nothing is measured here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from flatfield.records import Check, VerifierTraits

if TYPE_CHECKING:
    from flatfield.scoring.protocols import VerifyContext

TRAITS = VerifierTraits(runs_code=False, judged=True)


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the judge looks at, one sentence an item."""

    items: tuple[str, ...]


def parse(value: object) -> Options:
    """The list as written in a LOP; a single text is a list of one.

    Raises:
        ValueError: one sentence with what is wrong and what would be right.
    """
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not items:
        raise ValueError("`rubric` takes a list of texts, such as `rubric: [names the cause, proposes a fix]`")
    for number, item in enumerate(items, start=1):
        if not isinstance(item, str) or not item.strip():
            raise ValueError(f"`rubric`: item {number} is not a text; put it in quotes")
    return Options(items=tuple(items))


def create(options: Options) -> RubricVerifier:
    """The verifier for these options."""
    return RubricVerifier(options)


class RubricVerifier:
    """Leaves its items to the judge."""

    def __init__(self, options: Options) -> None:
        self._items = options.items

    async def verify(self, context: VerifyContext) -> Check:  # noqa: ARG002 - the seam's signature
        """Always "not measured": the judge grades it."""
        return Check(
            verifier="rubric", label="", score=None, reason="graded by the judge", output="\n".join(self._items)
        )
