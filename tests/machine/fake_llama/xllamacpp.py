"""Stands in for llama.cpp: the same doors, and the faults that a model file's text asks for.

The text after GGUF: "refuse" (bad file), "crash" (dies while loading), "hang" (never loads), "noise" (prints),
"gpu" (there is one, which takes 20 of 25 layers, or as many as it is told).
A pid is written to the FIFO named by FAKE_LLAMA_FIFO when loading begins. A prompt with "wait" is never answered.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from enum import IntEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any


class DeviceType(IntEnum):
    """As the library has it: a text of one is its number."""

    GGML_BACKEND_DEVICE_TYPE_CPU = 0
    GGML_BACKEND_DEVICE_TYPE_GPU = 1


def get_device_info() -> list[dict[str, Any]]:
    """The devices: the processor, and a GPU where the model that is to be loaded asks for one."""
    has_gpu = Path(sys.argv[1]).read_text(encoding="utf-8") == "GGUFgpu"
    kinds = (DeviceType.GGML_BACKEND_DEVICE_TYPE_CPU, DeviceType.GGML_BACKEND_DEVICE_TYPE_GPU)
    return [{"name": "CPU", "type": kinds[0]}, {"name": "Metal", "type": kinds[1]}][: 1 + has_gpu]


class CommonParams(SimpleNamespace):
    def __init__(self) -> None:
        super().__init__(model=SimpleNamespace(), cpuparams=SimpleNamespace(), cpuparams_batch=SimpleNamespace())


class Server:
    def __init__(self, parameters: CommonParams) -> None:
        told = Path(parameters.model.path).read_text(encoding="utf-8").removeprefix("GGUF")
        if fifo := os.environ.get("FAKE_LLAMA_FIFO"):
            Path(fifo).write_text(str(os.getpid()), encoding="utf-8")
        _misbehave(told)
        if told == "gpu" and parameters.verbosity >= 3:
            layers = 20 if parameters.n_gpu_layers < 0 else parameters.n_gpu_layers
            sys.stderr.write(f"0.00.000.001 I load_tensors: offloaded {layers}/25 layers to GPU\n")
            sys.stderr.flush()
        handler = type("Handler", (_Handler,), {"parameters": parameters})
        server = ThreadingHTTPServer((parameters.hostnames[0], parameters.port), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.listening_address = f"http://127.0.0.1:{server.server_port}"


def _misbehave(told: str) -> None:
    if told == "refuse":
        sys.stderr.write("0.00.000.001 E llama_model_load: error loading model: tensor 7 is missing\n")
        sys.stderr.write("0.00.000.002 E srv init: exiting due to model loading error\n")
        raise RuntimeError("Failed to init server, please check the input params.")
    if told == "crash":
        sys.stderr.write("GGML_ASSERT failed\n")
        sys.stderr.flush()
        os._exit(3)
    if told == "hang":
        time.sleep(60)
    if told == "noise":
        os.write(1, b"loading ...\n")


class _Handler(BaseHTTPRequestHandler):
    parameters: CommonParams

    def do_GET(self) -> None:
        if self.path == "/health":
            self._answer(200, {"status": "ok"})
        elif self._may():
            size = self.parameters.n_ctx
            caps = {"supports_tools": self.parameters.n_ctx > 10_000}
            self._answer(200, {"default_generation_settings": {"n_ctx": size}, "chat_template_caps": caps})

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self._may():
            return
        if "wait" in request["messages"][-1]["content"]:
            time.sleep(60)
        usage = {"prompt_tokens": 7, "completion_tokens": 1, "total_tokens": 8}
        if not request.get("stream"):
            self._answer(200, {"choices": [{"message": {"content": "hi"}}], "usage": usage})
            return
        said: dict[str, Any] = {
            "choices": [{"index": 0, "delta": {"content": json.dumps(request.get("cache_prompt"))}}]
        }
        end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        if request.get("timings_per_token"):
            said["timings"] = {"cache_n": 2, "prompt_n": 5, "prompt_ms": 50.0, "predicted_n": 1, "predicted_ms": 20.0}
        chunks = [json.dumps(event) for event in (said, end, {"choices": [], "usage": usage})]
        body = "".join(f"data: {chunk}\n\n" for chunk in (*chunks, "[DONE]")).encode()
        self._send(200, body, "text/event-stream")

    def _may(self) -> bool:
        allowed = self.headers.get("Authorization") == f"Bearer {self.parameters.api_keys[0]}"
        if not allowed:
            self._answer(401, {"error": {"message": "Invalid API Key"}})
        return allowed

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        self._send(status, json.dumps(content).encode(), "application/json")

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass
