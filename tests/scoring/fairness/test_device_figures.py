"""What a model on the desk took of its device, added up from what its server told of each reply."""

from __future__ import annotations

import pytest

from flatfield.records import DeviceWork, Reply, Sent, TrialRecord, Turn, Usage
from flatfield.scoring.fairness.conditions import device_figures


def turn(device: DeviceWork | None, *, load_seconds: float = 0.0, tokens: tuple[int, int] = (100, 10)) -> Turn:
    usage = Usage(input_tokens=tokens[0], output_tokens=tokens[1])
    request = Sent(context_tokens=8192, gpu_layers=20, model_layers=25)
    return Turn(reply=Reply(text="", usage=usage, device=device, load_seconds=load_seconds, request=request))


def trial(agent: str, *turns: Turn, stop: str = "answered") -> TrialRecord:
    ids = {"run": "r", "agent": agent, "task": "t", "task_digest": "", "agent_fingerprint": ""}
    return TrialRecord(**ids, repeat=1, stop=stop, turns=turns)  # type: ignore[arg-type]  # all texts


def test_rates_are_of_all_tokens_over_all_seconds() -> None:
    first = DeviceWork(read_tokens=90, read_seconds=1.0, written_tokens=10, written_seconds=0.5, peak_memory_bytes=900)
    second = DeviceWork(
        read_tokens=10,
        read_seconds=1.0,
        written_tokens=20,
        written_seconds=1.5,
        peak_memory_bytes=950,
        gpu_memory_bytes=50,
    )
    (found,) = device_figures(
        [
            trial("a", turn(first, load_seconds=3.0), turn(second, tokens=(200, 30))),
            trial("a", turn(first, load_seconds=1.0), stop="context_limit"),
            trial("hosted", turn(None)),
        ]
    )
    assert found.agent == "a"
    assert found.read_tokens_per_second == pytest.approx(190 / 3.0)
    assert found.written_tokens_per_second == pytest.approx(40 / 2.5)
    assert (found.loads, found.load_seconds, found.peak_memory_bytes) == (2, 4.0, 950)
    assert found.gpu_memory_bytes == 50
    assert (found.context_tokens, found.most_context_tokens, found.did_not_fit) == (8192, 230, 1)
    assert (found.gpu_layers, found.model_layers) == (20, 25)


def test_what_nobody_told_is_not_known() -> None:
    assert device_figures([trial("hosted", turn(None))]) == ()
    (found,) = device_figures([trial("a", turn(DeviceWork()))])
    assert (found.read_tokens_per_second, found.written_tokens_per_second, found.peak_memory_bytes) == (
        None,
        None,
        None,
    )
    assert found.loads == 0
