"""What real servers do otherwise than the test kit believes, as Markdown that can be attached to a bug."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flatfield.faces.reports._escape import markdown
from flatfield.faces.wording import UNKNOWN, count, dollars, many, seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from flatfield.testing.real.differing import Difference, DifferenceKind
    from flatfield.testing.real.examining import LiveReport, StepTold, VendorReport

TITLE = "Real servers, held against flatfield's test kit"
PRIVACY = (
    "Keys, accounts, mail addresses, names of users, hosts of one's own and everything that the model wrote are left "
    "out; please look through it all the same before you send it to anybody."
)
MEANT: dict[DifferenceKind, str] = {
    "status": "taken or refused",
    "error": "form of an error",
    "framing": "stream",
    "event": "kind of event",
    "missing": "field that is missing",
    "type": "type of a field",
    "word": "word of the protocol",
    "count": "counts of tokens",
    "id": "ids",
    "header": "headers of limits",
    "more": "field more",
}
"""What a kind of difference is about, for people."""


def render(report: LiveReport) -> str:
    """The report."""
    lines = [
        f"# {TITLE}",
        "",
        f"flatfield {report.flatfield}, {report.asked_at[:10]}; {_spent(report)}. {PRIVACY}",
        "",
        *(f"- {summary(vendor)}" for vendor in report.vendors),
    ]
    for vendor in report.vendors:
        if vendor.state != "not asked":
            lines += ["", *_vendor(vendor)]
    return "\n".join(lines) + "\n"


def _spent(report: LiveReport) -> str:
    said = f"{dollars(report.spent_usd)} of {dollars(report.budget_usd)} spent"
    unknown = any(vendor.cost_usd is None for vendor in report.vendors)
    return f"{said}, without what has no known price" if unknown else said


def summary(vendor: VendorReport) -> str:
    """One vendor in one sentence."""
    who = f"**{markdown(vendor.provider)}** ({markdown(vendor.model)}{_at(vendor)})"
    if vendor.state == "not asked":
        return f"{who}: not asked: {markdown(vendor.why)}"
    grave = sum(each.kind != "more" for each in vendor.differences)
    more = len(vendor.differences) - grave
    found = [many(grave, "difference")] if grave else []
    found += [f"{many(more, 'field')} that the test kit does not know"] if more else []
    told = " and ".join(found) or "as the test kit believes"
    return f"{who}: {told}" + (f"; asked in part: {markdown(vendor.why)}" if vendor.state == "partly" else "")


def _at(vendor: VendorReport) -> str:
    return f", {vendor.place}" if vendor.place else ""


def _vendor(vendor: VendorReport) -> Iterator[str]:
    yield f"## {markdown(vendor.provider)}: {markdown(vendor.model)}"
    yield ""
    said = markdown(vendor.answered_by) or "nobody: the replies name no model"
    yield f"Answered by {said}. Cost: {dollars(vendor.cost_usd)}."
    yield ""
    yield "| step | answer | calls | tokens in (cached) | out (reasoning) | first token | cost |"
    yield "|---|---|--:|--:|--:|--:|--:|"
    yield from map(_step, vendor.steps)
    grave = [each for each in vendor.differences if each.kind != "more"]
    if grave:
        yield ""
        yield "| difference | when | where | what was found |"
        yield "|---|---|---|---|"
        yield from map(_difference, grave)
    more = [each for each in vendor.differences if each.kind == "more"]
    if more:
        yield ""
        yield f"Never sent by the test kit, and passed over by flatfield: {_listed(each.at for each in more)}."
    for note in vendor.notes:
        yield ""
        yield f"Note: {markdown(note)}."


def _step(step: StepTold) -> str:
    answer = step.finish.replace("_", " ") if step.finish else "no answer" if step.status is None else str(step.status)
    cells = [step.step, answer, str(step.calls) if step.finish else UNKNOWN]
    usage = step.usage
    if usage is None:
        cells += [UNKNOWN, UNKNOWN]
    else:
        cells.append(f"{count(usage.input_tokens)} ({count(usage.cache_read_tokens)})")
        cells.append(f"{count(usage.output_tokens)} ({count(usage.reasoning_tokens)})")
    cells += [seconds(step.first_token_seconds), dollars(step.cost_usd)]
    return f"| {' | '.join(cells)} |"


def _difference(found: Difference) -> str:
    cells = (MEANT[found.kind], found.step or "always", markdown(found.at), markdown(found.found))
    return f"| {' | '.join(cells)} |"


def _listed(places: Iterable[str]) -> str:
    return ", ".join(map(markdown, places))
