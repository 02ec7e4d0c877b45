"""Reads one reply of Gemini's generateContent, streamed or whole, and keeps its parts as they must go back."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw, Struct

from flatfield.errors import ProviderError
from flatfield.http.replies import RETRIED, PassingFailure, retry_info_seconds
from flatfield.records import Finish, Reply, Sent, ToolCall, Usage
from flatfield.vendors._counts import plain, tokens


class _Call(Struct):
    id: Any = None
    name: Any = ""
    args: Raw = Raw(b"{}")


class _Part(Struct, rename="camel"):
    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: _Call | None = None


class _Content(Struct):
    parts: list[Raw] | None = None


class _Candidate(Struct, rename="camel"):
    content: _Content | None = None
    finish_reason: Any = None
    finish_message: str | None = None


class _Feedback(Struct, rename="camel"):
    block_reason: str | None = None
    block_reason_message: str | None = None


class _Chunk(Struct, rename="camel"):
    candidates: list[_Candidate] | None = None
    prompt_feedback: _Feedback | None = None
    usage_metadata: Any = None
    model_version: str | None = None
    error: Any = None


_FINISH: dict[str, Finish] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    "SAFETY": "refused",
    "RECITATION": "refused",
    "PROHIBITED_CONTENT": "refused",
    "BLOCKLIST": "refused",
    "SPII": "refused",
    "LANGUAGE": "refused",
    "ESCALATION": "refused",
    "IMAGE_SAFETY": "refused",
    "IMAGE_PROHIBITED_CONTENT": "refused",
    "IMAGE_RECITATION": "refused",
    "MODEL_ARMOR": "refused",
}
_MISTAKES = frozenset({"MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL"})
"""The model wrote a call that the API could not hand on: its own mistake, which it is told, as it is told elsewhere."""
_NOT_THE_MODELS = frozenset({"MISSING_THOUGHT_SIGNATURE", "PUP_LIMITED_DISABLED"})
_SHOWN_LETTERS = 500
_CHUNK = msgspec.json.Decoder(_Chunk)
_CHUNKS = msgspec.json.Decoder(list[_Chunk])
_PART = msgspec.json.Decoder(_Part)


class GeminiReader:
    """Gathers text, thoughts, calls and usage; `complete` once a finish reason (or a blocked prompt) has come.

    `mistake` says in words for the model what was wrong with a call that the API did not accept from it.
    """

    __slots__ = (
        "_calls",
        "_covered",
        "_finish",
        "_parts",
        "_said",
        "_texts",
        "_thoughts",
        "_unsigned",
        "_usage",
        "begun",
        "complete",
        "letters",
        "mistake",
        "model_version",
    )

    def __init__(self) -> None:
        self.begun = False
        self.complete = False
        self.letters = self._covered = 0
        self.mistake = ""
        self.model_version = ""
        self._finish: Finish = "stop"
        self._said = ""
        self._usage: Any = None
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self._calls: list[_Call] = []
        self._parts: list[tuple[bytes, bool]] = []
        self._unsigned: list[str] = []

    @property
    def counted(self) -> tuple[Usage | None, int]:
        """The API counts all that came so far with every chunk, or nearly so."""
        return _usage(self._usage), self._covered

    @property
    def over(self) -> bool:
        """Never before the end of the stream: there is no mark, and a signature may come last."""
        return False

    def event(self, data: bytes) -> None:
        """Take one streamed chunk."""
        try:
            chunk = _CHUNK.decode(data)
        except msgspec.MsgspecError:
            raise _nonsense(data) from None
        self._take(chunk)

    def whole(self, body: bytes) -> None:
        """Take a reply that was not streamed: one object, or the array that the API sends without `alt=sse`."""
        try:
            chunks = _CHUNKS.decode(body) if body.lstrip().startswith(b"[") else [_CHUNK.decode(body)]
        except msgspec.MsgspecError:
            raise _nonsense(body) from None
        for chunk in chunks:
            self._take(chunk)
        if not self.complete:
            raise _nonsense(body)

    def told(self, turn: int) -> Reply:
        """What the reply says; calls without an id of the model's get one of ours, made of `turn`."""
        calls = tuple(
            ToolCall(
                id=plain(call.id) or f"call_{turn}_{number}", name=plain(call.name), arguments=_arguments(call.args)
            )
            for number, call in enumerate(self._calls, start=1)
        )
        if self.mistake:
            name = calls[0].name if calls else ""
            calls = (ToolCall(id=f"call_{turn}_0", name=name, arguments=msgspec.json.encode(self._said).decode()),)
        return Reply(
            text="".join(self._texts) or (self._said if self._finish == "refused" else ""),
            calls=calls,
            finish=self._finish,
            usage=_usage(self._usage),
            reasoning="".join(self._thoughts),
            # Google answers for retired models with their successors: a grade must not hide that.
            request=Sent(service_tier=_tier(self._usage), answered_by=self.model_version),
        )

    def native_ids(self) -> frozenset[str]:
        """The calls' ids that the model gave; older models give none."""
        return frozenset(plain(call.id) for call in self._calls if plain(call.id))

    def content(self) -> bytes | None:
        """The model's turn as it goes back: signed parts, calls and thoughts verbatim, unsigned text joined.

        None when nothing is left of it: the API refuses a content without parts, and the call of a `mistake`.
        """
        self._close_text()
        parts = [part for part, is_call in self._parts if not (is_call and self.mistake)]
        return b'{"role":"model","parts":[' + b",".join(parts) + b"]}" if parts else None

    def _take(self, chunk: _Chunk) -> None:
        if chunk.error is not None:
            raise _stream_error(chunk.error)
        if chunk.usage_metadata is not None:
            self._usage = chunk.usage_metadata
        if chunk.model_version:
            self.model_version = chunk.model_version
        if chunk.prompt_feedback is not None and chunk.prompt_feedback.block_reason:
            feedback = chunk.prompt_feedback
            self.complete, self._finish = True, "refused"
            self._said = feedback.block_reason_message or f"the prompt was blocked: {feedback.block_reason}"
        for candidate in (chunk.candidates or ())[:1]:
            if candidate.content is not None:
                for part in candidate.content.parts or ():
                    self._add(part)
                self._covered = self._covered if chunk.usage_metadata is None else self.letters
            if candidate.finish_reason is not None:
                self._end(plain(candidate.finish_reason), candidate.finish_message or "")

    def _add(self, raw: Raw) -> None:
        try:
            part = _PART.decode(raw)
        except msgspec.MsgspecError:
            raise _nonsense(bytes(raw)) from None
        text, call = part.text, part.function_call
        if text:
            self.begun = True
            self.letters += len(text)
            (self._thoughts if part.thought else self._texts).append(text)
        if text is not None and part.thought_signature is None and not part.thought and call is None:
            self._unsigned.append(text)
            return
        self._close_text()
        if call is not None:
            self.begun = True
            self._calls.append(call)
            self.letters += len(bytes(call.args))
        self._parts.append((_sendable(raw, part), call is not None))

    def _close_text(self) -> None:
        """Streamed unsigned text is one part again; text beside a signature is never joined with it."""
        text = "".join(self._unsigned)
        self._unsigned.clear()
        if text:
            self._parts.append((msgspec.json.encode({"text": text}), False))

    def _is_empty(self) -> bool:
        return not (self._texts or self._calls or self._thoughts or self._parts or self._unsigned)

    def _end(self, reason: str, message: str) -> None:
        said = f"{reason}: {message[:_SHOWN_LETTERS]}" if message else reason
        if reason in _NOT_THE_MODELS:
            raise ProviderError(f"the Gemini API ended the reply with {said}")
        if reason in _MISTAKES:
            self.mistake = (
                f"Your function call was not valid ({said}) and nothing was run. "
                "Call one of the declared functions with valid arguments, or answer."
            )
        elif self._is_empty() and (reason not in _FINISH or reason == "STOP"):  # a known fault of the API's
            raise PassingFailure(f"the Gemini API ended an empty reply with {said}")
        self.complete, self._finish, self._said = True, _FINISH.get(reason, "stop"), message[:_SHOWN_LETTERS] or reason


def _sendable(raw: Raw, part: _Part) -> bytes:
    """A part as it came; a lone signature gets the empty text that the API wants beside it."""
    data = bytes(raw)
    if part.text is None and part.function_call is None:
        value = msgspec.json.decode(data)
        if not value.keys() - {"thought", "thoughtSignature"}:
            return msgspec.json.encode({**value, "text": ""})
    return data


def _arguments(args: Raw) -> str:
    text = bytes(args).decode()
    if text.startswith('"'):  # some gateways send the object's text
        return str(msgspec.json.decode(text))
    return "{}" if text == "null" else text


def _tier(usage: Any) -> str:  # noqa: ANN401 - what a server reports
    """The service tier, which Vertex AI tells as a type of traffic: paid as one goes, or bought beforehand."""
    told = usage if isinstance(usage, dict) else {}
    tier = str(told.get("serviceTier") or told.get("trafficType") or "").lower()
    tier = tier.removeprefix("service_tier_").removeprefix("traffic_type_")
    return tier.removeprefix("on_demand_") if tier != "on_demand" else tier


def _usage(usage: Any) -> Usage | None:  # noqa: ANN401 - what a server reports
    """Prompt tokens include the cached ones, candidates' tokens not the thoughts, unless the total says so."""
    prompt, candidates = tokens(usage, "promptTokenCount"), tokens(usage, "candidatesTokenCount")
    if prompt is None and candidates is None:
        return None
    thoughts, total = tokens(usage, "thoughtsTokenCount") or 0, tokens(usage, "totalTokenCount") or 0
    inward = (prompt or 0) + (tokens(usage, "toolUsePromptTokenCount") or 0)
    if candidates is None:
        candidates = max(0, total - inward - thoughts) if total else 0
    beside = 0 if total and total == inward + candidates else thoughts
    return Usage(
        input_tokens=inward,
        cache_read_tokens=tokens(usage, "cachedContentTokenCount") or 0,
        output_tokens=candidates + beside,
        reasoning_tokens=thoughts,
    )


def _nonsense(data: bytes) -> PassingFailure:
    return PassingFailure(f"the server sent no valid generateContent reply: {data[:200].decode('utf-8', 'replace')}")


def _stream_error(error: Any) -> Exception:  # noqa: ANN401 - gateways put an object or a string here
    """An error inside a stream that began with 200: final when it carries a 4xx code that is final anywhere."""
    code = error.get("code") if isinstance(error, dict) else None
    message = error.get("message") if isinstance(error, dict) else error
    text = f"the Gemini API reported an error in the stream: {str(message or error)[:_SHOWN_LETTERS]}"
    if isinstance(code, int) and 400 <= code < 500 and code not in RETRIED:
        return ProviderError(text, status=code)
    wait_seconds = retry_info_seconds(msgspec.json.encode(error).decode())
    return PassingFailure(text, status=code if isinstance(code, int) else None, wait_seconds=wait_seconds)
