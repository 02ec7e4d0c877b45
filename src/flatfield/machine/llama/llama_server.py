"""The child process that serves one GGUF model on loopback and ends with the process that started it.

`python -m flatfield.machine.llama.llama_server MODEL --alias NAME --context TOKENS --threads N [--port N] [--gpu-layers
N]`: the first line of stdin is the key that requests must bring; the end of stdin ends the process. Stdout gets one
JSON line: `{"url": …, "has_gpu": …}`, or `{"error": "library" | "port" | "model", "detail": …}` and exit code 1.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Sequence

HOST = "127.0.0.1"


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until stdin ends; returns 1 when serving could not begin."""
    arguments = _arguments(argv)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    answer = _own_stdout()
    api_key = sys.stdin.readline().strip()
    if arguments.port and (problem := _port_problem(arguments.port)):
        return _say(answer, error="port", detail=problem)
    # Waiting OpenMP threads must sleep: spinning ones slow a busy machine tenfold, and a quiet one by a quarter.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        import xllamacpp
    except ImportError as error:
        return _say(answer, error="library", detail=str(error))
    has_gpu = _has_gpu(xllamacpp)
    try:
        server = xllamacpp.Server(_parameters(arguments, api_key, has_gpu=has_gpu))
    except RuntimeError as error:
        return _say(answer, error="model", detail=str(error))
    _say(answer, url=server.listening_address, has_gpu=has_gpu)
    sys.stdin.read()
    # Leaving at once: the server's threads may be in the middle of a generation that nobody waits for any more.
    os._exit(0)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="flatfield.machine.llama.llama_server")
    parser.add_argument("model")
    parser.add_argument("--alias", required=True)
    parser.add_argument("--context", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--gpu-layers", type=int, default=-1)
    return parser.parse_args(argv)


def _has_gpu(library: Any) -> bool:  # noqa: ANN401 - the library has no types
    """Whether there is another device than the processor that this build of the library can use."""
    devices: list[dict[str, Any]] = getattr(library, "get_device_info", list)()
    kinds = (device.get("type", "CPU") for device in devices)
    return any("CPU" not in str(getattr(kind, "name", kind)) for kind in kinds)


def _parameters(arguments: argparse.Namespace, api_key: str, *, has_gpu: bool) -> Any:  # noqa: ANN401 - as above
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = arguments.model
    parameters.model_alias = {arguments.alias}
    parameters.n_ctx = arguments.context
    parameters.n_parallel = 1
    parameters.hostnames = [HOST]
    parameters.port = arguments.port
    parameters.api_keys = [api_key]
    parameters.ui = False
    parameters.offline = True
    # What was read is kept for the next request, in the one slot and nowhere else; a trial's first request forgets it.
    parameters.cache_prompt = True
    parameters.cache_ram_mib = 0
    # -1: as many as the GPU's memory holds, which the library measures when it loads the model.
    parameters.n_gpu_layers = arguments.gpu_layers
    # Level 1 is errors only: what the parent quotes when the model cannot be loaded. Level 3 tells what went to a GPU.
    parameters.verbosity = 3 if has_gpu else 1
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = arguments.threads
    return parameters


def _own_stdout() -> TextIO:
    """Keep stdout for the one line that is ours: whatever else the library prints goes to stderr."""
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answer


def _port_problem(port: int) -> str:
    """Why the port cannot be listened on; "" when it can. Asked before a load that may take minutes."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            return str(error)
    return ""


def _say(answer: TextIO, **message: str | bool) -> int:
    answer.write(json.dumps(message) + "\n")
    answer.close()
    return 1


if __name__ == "__main__":
    sys.exit(main())
