"""Says what a real server does otherwise than the test kit believes: fields, events, words, ids, counts, statuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from msgspec import Struct

from flatfield.saying import few
from flatfield.testing.real.forms import ERROR, ROOT, at_field

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from flatfield.testing.real.forms import Form, Look

DifferenceKind = Literal[
    "status", "error", "framing", "event", "missing", "type", "word", "count", "id", "header", "more"
]
"""What differs, the gravest first; `more` is what the kit never sends, which a reader passes over."""
KINDS: tuple[DifferenceKind, ...] = get_args(DifferenceKind)


class Difference(Struct, frozen=True, kw_only=True):
    """One thing that the server did otherwise; `step` is when ("" for all of them), `at` where, `found` in words."""

    kind: DifferenceKind
    at: str
    found: str
    step: str = ""


def of_forms(real: Look, kit: Look, known: Look, optional: Sequence[str] = ()) -> Iterator[Difference]:
    """Events and fields: what the server has more, what it lacks, and what is of another type.

    `kit` answered the same with the same words; `known` is all that the kit can send at all. What begins as one of
    `optional` is not missed.
    """
    yield from _more(real.forms, known.forms)
    yield from (each for each in _missing(real.forms, kit.forms) if not each.at.startswith((*optional, "\0")))
    for place, form in real.forms.items():
        for name, types in form.types.items():
            believed = known.forms[place].types.get(name) if place in known.forms else None
            if believed is not None and (odd := types - believed):
                said = f"{_listed(odd)}, where the kit has {_listed(believed)}"
                yield Difference(kind="type", at=at_field(place, name), found=f"it is {said}")
    if real.framing != kit.framing:
        said = f"the server sends {_listed(real.framing)}, the kit {_listed(kit.framing)}"
        yield Difference(kind="framing", at="stream", found=said)


def of_errors(step: str, real: Look, kit: Look) -> Iterator[Difference]:
    """How a refusal is written."""
    if real.framing:
        yield Difference(kind="error", at=ERROR, step=step, found="its body is no JSON object")
        return
    for each in (*_more(real.forms, kit.forms), *_missing(real.forms, kit.forms)):
        yield Difference(kind="error", at=each.at, found=each.found, step=step)
    for each in of_words(step, real, kit):
        yield Difference(kind="error", at=each.at, found=each.found, step=step)


def of_words(step: str, real: Look, kit: Look) -> Iterator[Difference]:
    """Words of the protocol, such as why a reply ended, where the kit says another one in the same place."""
    for at, words in sorted(real.words.items()):
        believed = kit.words.get(at)
        if believed is not None and (odd := words - believed):
            said = f"the server says {_listed(odd)}, the kit {_listed(believed)}"
            yield Difference(kind="word", at=at, found=said, step=step)


def of_ids(real: Look, kit: Look) -> Iterator[Difference]:
    """Marks that ids begin with, where the kit's have some."""
    for at, marks in sorted(real.marks.items()):
        believed = kit.marks.get(at, set()) - {""}
        if believed and (odd := marks - believed):
            shown = [f"{mark}…" if mark else "something else" for mark in sorted(odd)]
            said = f"it begins with {few(shown)}, the kit's with {few([f'{mark}…' for mark in sorted(believed)])}"
            yield Difference(kind="id", at=at, found=said)


def of_counts(step: str, real: Look, kit: Look) -> Iterator[Difference]:
    """Counts that our reader, and the kit after it, would write otherwise: their sums are made in another way."""
    for at, count in sorted(real.counts.items()):
        believed = kit.counts.get(at)
        if believed is not None and believed != count:
            said = (
                f"the server counts {count:,.10g}, where its other counts, as they are read, make it {believed:,.10g}"
            )
            yield Difference(kind="count", at=at, found=said, step=step)


def in_order(found: Iterable[Difference]) -> tuple[Difference, ...]:
    """The gravest first, and each once: what several steps show alike is said of the first, but for refusals."""
    once: dict[tuple[str, ...], Difference] = {}
    for each in found:
        once.setdefault((each.kind, each.at, each.found, each.step if each.kind == "status" else ""), each)
    return tuple(sorted(once.values(), key=lambda each: KINDS.index(each.kind)))


def _more(real: Mapping[str, Form], known: Mapping[str, Form]) -> Iterator[Difference]:
    unknown: list[str] = []
    for place, form in real.items():
        if _is_below(place, unknown):
            continue
        if place in known:
            for name in sorted(form.fields.keys() - known[place].fields.keys()):
                types = _listed(form.types[name])
                unknown.append(at_field(place, name))
                yield Difference(kind="more", at=at_field(place, name), found=f"the kit never sends it ({types})")
        else:
            unknown.append(place)
            kind: DifferenceKind = "event" if place.endswith(ROOT) else "more"
            yield Difference(kind=kind, at=place, found="the kit never sends anything of this kind")


def _missing(real: Mapping[str, Form], kit: Mapping[str, Form]) -> Iterator[Difference]:
    absent: list[str] = []
    for place, form in kit.items():
        if _is_below(place, absent):
            continue
        if place not in real:
            absent.append(place)
            kind: DifferenceKind = "event" if place.endswith(ROOT) else "missing"
            yield Difference(kind=kind, at=place, found="the kit sends something of this kind, the server does not")
            continue
        for name, times in sorted(form.fields.items()):
            seen, objects = real[place].fields.get(name, 0), real[place].objects
            if seen == 0:
                absent.append(at_field(place, name))
                yield Difference(kind="missing", at=absent[-1], found="the kit sends it, the server does not")
            elif times == form.objects and seen < objects:
                said = f"the kit always sends it, the server {seen:,} of {objects:,} times"
                yield Difference(kind="missing", at=at_field(place, name), found=said)


def _is_below(place: str, places: Sequence[str]) -> bool:
    """Whether it is a part of one of them, which is named already."""
    return any(place == each or place.startswith(tuple(f"{each}{end}" for end in ".[(")) for each in places) or any(
        each.endswith(ROOT) and place.startswith(each) for each in places
    )


def _listed(words: set[str]) -> str:
    return few(sorted(words))
