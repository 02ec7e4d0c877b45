"""One self-contained file: a run's answer, charts and transcripts; it opens from disk and asks no network for more."""

from __future__ import annotations

import base64
import hashlib
import html
import importlib.util
import zlib
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from flatfield.errors import NotReady
from flatfield.faces.pages.charts import Frame, differences, dots, scatter, timelines
from flatfield.faces.pages.colors import LETTERS, looks
from flatfield.faces.pages.payload import packed
from flatfield.faces.pages.talks import pack, portions
from flatfield.faces.wording import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from flatfield.records import RunResult, TrialRecord

WIDTHS = (215, 290, 400, 560, 690, 860, 1060, 1150, 1230)
"""Charts are made as wide as these, in pixels; a page shows the widest that it has room for."""
LIBRARY_FIX = "pictures and pages need vl-convert-python; run: pip install 'flatfield[pages]'"
POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; style-src 'unsafe-inline'; script-src {}"
)
"""No network, no frames, no forms; scripts are those whose digests stand here, and none may make code of text."""


class PageParts(Struct, frozen=True, kw_only=True):
    """What a page of a run is made of: its title, its answer, and packed parts by name."""

    title: str
    answer: str
    parts: Mapping[str, bytes]


class Served(Struct, frozen=True, kw_only=True):
    """What a page from a server is told: where the list of runs is, whether the run is under way, what it was made of.

    `stamp` tells the state of the run that the page was made of from others.
    """

    runs: str = "../../"
    underway: bool = False
    stamp: str = ""


def document(result: RunResult, records: Iterable[TrialRecord] = ()) -> str:
    """The page of a run; `records`: its trials with their transcripts, as many as are to be in it."""
    told = portions(records)
    return assembled(content(result, told.index, told.left_out), told.packed)


def content(result: RunResult, talks: Sequence[tuple[str, str, int, int]] = (), left_out: int = 0) -> PageParts:
    """What the page of a run is made of; `talks`: each transcript's agent, task, repeat, and the portion it is in."""
    known = packed(result, looks(result.run.agents))
    figures = {**known.figures, "charts": specs(known.figures["agents"]), "talksLeftOut": left_out}
    parts = {
        "figures": pack(figures),
        "draws": pack_bytes(known.draws),
        "reasons": pack(known.reasons),
        "talks": pack(talks),
    }
    return PageParts(title=result.run.evaluation.title, answer=known.figures["said"]["answer"], parts=parts)


def assembled(page: PageParts, talks: Sequence[bytes] = (), served: Served | None = None) -> str:
    """The file, of packed parts: what is seen first stands first, transcripts last. A server's page may ask it back."""
    code = asset("weigh.js") + asset("page.js") + (asset("live.js") if served else "") + "begin();\n"
    body = asset("page.html").replace("{{live}}", asset("live.html") if served else "")
    return "".join(
        (
            _head(page.title, (code, vega()), connects=served is not None),
            body.replace("{{answer}}", _escaped(page.answer)).replace("{{title}}", _escaped(page.title)),
            *(_template(f"data-{name}", data) for name, data in page.parts.items()),
            _template("served", pack(served)) if served else "",
            f"<script>{code}</script>\n",
            _template("library", _library()),
            *(_template(f"talk-{number}", data) for number, data in enumerate(talks)),
            "</body>\n</html>\n",
        )
    )


def _head(title: str, scripts: Sequence[str], *, connects: bool) -> str:
    known = " ".join(f"'sha256-{digest(script)}'" for script in scripts)
    policy = POLICY.format(known) + ("; connect-src 'self'" if connects else "")
    return "".join(
        (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
            f'<meta http-equiv="Content-Security-Policy" content="{html.escape(policy)}">\n',
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
            '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">\n',
            f"<title>{_escaped(title)} · flatfield</title>\n<style>{asset('page.css')}{_letter_styles()}</style>\n",
            "</head>\n<body>\n",
        )
    )


def shelf(rows: str) -> str:
    """The list of a store's runs, as a server hands it out; `rows`: what is in its table, as markup."""
    code = asset("runs.js")
    body = asset("runs.html").replace("{{rows}}", rows)
    return f"{_head('Runs', (code,), connects=True)}{body}<script>{code}</script>\n</body>\n</html>\n"


def waiting(title: str, said: str) -> str:
    """A page that says why there is nothing yet, and looks again by itself."""
    body = (
        f'<main class="waiting"><p class="brand">flatfield</p><h1>{_escaped(title)}</h1><p>{_escaped(said)}</p></main>'
    )
    again = '<meta http-equiv="refresh" content="1">\n</head>'
    return f"{_head(title, (), connects=False).replace('</head>', again)}{body}</body>\n</html>\n"


def specs(agents: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """All charts, by ground and width: `light` and `dark`, each a list in the order of WIDTHS."""
    return {
        "widths": WIDTHS,
        **{
            name: [dict(_charts(agents, Frame(width=width, height=_height(width), dark=dark))) for width in WIDTHS]
            for name, dark in (("light", False), ("dark", True))
        },
    }


def _charts(agents: Sequence[dict[str, Any]], frame: Frame) -> Iterator[tuple[str, Any]]:
    yield "usd", scatter(agents, "usd", frame)
    yield "seconds", scatter(agents, "seconds", frame)
    yield "differences", differences(frame)
    yield "timelines", timelines(frame)
    yield "dots-seconds", dots("seconds", frame)
    yield "dots-usd", dots("usd", frame)


def _height(width: int) -> int:
    return min(max(width * 6 // 10, 270), 440)


def pack_bytes(data: bytes) -> bytes:
    """Bytes, compressed as a browser's DecompressionStream reads them."""
    return zlib.compress(data, 6)


def need_library() -> None:
    """Raise where what pictures and pages are drawn with is not there.

    Raises:
        NotReady: with the one thing to do.
    """
    if importlib.util.find_spec("vl_convert") is None:
        raise NotReady(LIBRARY_FIX)


@cache
def vega() -> str:
    """The script that draws charts: Vega, Vega-Lite and Vega-Embed in one, from the library's own copy.

    Raises:
        NotReady: the library is not there.
    """
    need_library()
    import vl_convert

    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return f"(()=>{{{bundle}}})();"  # in a function, so that its names are its own


@cache
def _library() -> bytes:
    """The same as it travels: a third of its size, and no browser reads it before the page is seen."""
    return zlib.compress(vega().encode(), 9)


@cache
def asset(name: str) -> str:
    """One of the files that pages are made of."""
    return resources.files("flatfield.faces.pages").joinpath("assets", name).read_text("utf-8")


def _letter_styles() -> str:
    return "".join(f".letter-{one}{{background:{ground};color:{text}}}" for one, (ground, text) in LETTERS.items())


def _template(name: str, data: bytes) -> str:
    """Compressed data as text that ends no element and runs as nothing: letters, digits, `+`, `/` and `=`."""
    return f'<template id="{name}">{base64.b64encode(data).decode()}</template>\n'


def digest(script: str) -> str:
    """What a policy knows a script by."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _escaped(text: str) -> str:
    return html.escape(" ".join(printable(text).split()))
