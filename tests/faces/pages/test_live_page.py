"""`flatfield view` as it is started, and a page in real Chromium while its run is under way in another process."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from flatfield.children.running import blocking
from flatfield.faces.storing import save_imported
from flatfield.machine.models import cache_folder
from flatfield.records import Evaluation, Imported
from flatfield.runs.scratch import claimed
from flatfield.runs.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from flatfield.records import RunResult

pytestmark = [pytest.mark.whole, pytest.mark.needs("chromium"), pytest.mark.slow]

ANSWERED = "document.querySelector('#answer').textContent"


@contextmanager
def viewing(folder: Path) -> Iterator[str]:
    """The address that `flatfield view` prints; Ctrl-C ends it, with nothing to be said of that."""
    argv = (sys.executable, "-P", "-m", "flatfield", "view", "--no-open", "--port", "0")
    program = subprocess.Popen(argv, cwd=folder, stderr=subprocess.PIPE, text=True)
    assert program.stderr is not None
    try:
        told = re.search(r"http://\S+", program.stderr.readline())
        assert told is not None
        yield told[0]
        program.send_signal(signal.SIGINT)
        assert program.communicate(timeout=30)[1] == ""
        assert program.returncode == 0
    finally:
        program.kill()
        program.communicate()


def save(store: Store, result: RunResult, until: int) -> None:
    """Store the run's trials up to this one, as the process does that carries it out."""
    blocking(save_imported(store, Imported(run=result.run, trials=result.trials[:until])))


def test_a_run_under_way_is_followed_to_its_end(
    chromium: Any, tmp_path: Path, make_result: Callable[..., RunResult], trial: Callable[..., Any]
) -> None:
    cells = [(a, f"t{t}", s) for t in (1, 2, 3) for a, s in (("a", 1.0), ("b", 0.0))]
    made = make_result([trial(agent=a, task=t, score=s) for a, t, s in cells], evaluation=Evaluation(title="Race"))
    result = replace(made, trials=tuple(replace(one, attempt=one.id) for one in made.trials))
    folder, run = tmp_path / ".flatfield", made.run.id
    store = Store(folder)
    save(store, result, 2)
    problems: list[str] = []
    with viewing(tmp_path) as address:
        page = chromium.new_context(viewport={"width": 1100, "height": 900}).new_page()
        page.on("console", lambda said: problems.append(said.text) if said.type in {"warning", "error"} else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda sent: problems.append(sent.url) if not sent.url.startswith(address) else None)
        page.goto(address)
        with claimed(run, folder):
            page.wait_for_selector("#runs .live")
            page.click("text=Race")
            page.wait_for_selector("#race:not([hidden]) #dots svg")
            assert page.text_content("#race-said").startswith("2 of 6 trials done, 1 passed")
            assert page.text_content("#answer").startswith("So far,")
            save(store, result, 5)
            page.wait_for_function("() => document.querySelector('#race-said').textContent.startsWith('5 of 6')")
            page.wait_for_function("() => document.querySelectorAll('#dots path[aria-label]').length === 5")
            row = page.locator("#race-table tr[data-agent=a]")
            assert "3/3" in row.inner_text()
            page.fill("#w0", "80")
            page.evaluate((cache_folder(os.environ) / "tests" / "axe.min.js").read_text("utf-8"))
            found = page.evaluate("axe.run({resultTypes: ['violations']})")
            assert [one["id"] for one in found["violations"] if one["impact"] in {"serious", "critical"}] == []
            save(store, result, 6)
        page.wait_for_function("() => document.querySelector('#race-title').textContent === 'It has ended'")
        page.wait_for_function(f"() => !{ANSWERED}.startsWith('So far,')")
        assert page.input_value("#w0") == "80"
        assert "6 of 6 trials measured" in page.text_content("#run")
        page.context.close()
    assert problems == []
