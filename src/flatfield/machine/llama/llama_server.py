"""The child process that serves one GGUF model on loopback and ends with the process that started it.

`python -m flatfield.machine.llama.llama_server MODEL --alias NAME --context TOKENS --threads N [--port N]`: the first
line of stdin is the key that requests must bring; the end of stdin ends the process. Stdout gets one JSON line:
`{"url": …}`, or `{"error": "library" | "port" | "model", "detail": …}` and exit code 1.
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
    try:
        server = xllamacpp.Server(_parameters(arguments, api_key))
    except RuntimeError as error:
        return _say(answer, error="model", detail=str(error))
    _say(answer, url=server.listening_address)
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
    return parser.parse_args(argv)


def _parameters(arguments: argparse.Namespace, api_key: str) -> Any:  # noqa: ANN401 - the library has no types
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
    # Nothing is kept between requests, so that a trial's time does not depend on the trial before it.
    parameters.cache_prompt = False
    parameters.cache_ram_mib = 0
    # Level 1 is errors only: what the parent quotes when the model cannot be loaded.
    parameters.verbosity = 1
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


def _say(answer: TextIO, **message: str) -> int:
    answer.write(json.dumps(message) + "\n")
    answer.close()
    return 1


if __name__ == "__main__":
    sys.exit(main())
