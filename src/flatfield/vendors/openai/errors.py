"""What the Responses API's errors mean, in a stream and outside: passing, final, too long, or a refusal."""

from __future__ import annotations

import re
from typing import Any

from flatfield.errors import ProviderError
from flatfield.http.replies import RETRIED, Passing

POLICY_CODES = frozenset({"invalid_prompt", "bio_policy", "misalignment_policy_violation"})
"""The vendor's policy stopped the model: how the model's reply ended, not a failure of the harness."""

CONTEXT = re.compile("context_length_exceeded|exceed_context_size|exceeds the context window|maximum context length")
"""The API says so with a 400, or inside the stream."""
_FINAL = frozenset(
    {
        "authentication_error",
        "data_residency_mismatch",
        "insufficient_quota",
        "invalid_api_key",
        "invalid_request_error",
        "model_not_found",
        "not_found_error",
        "permission_error",
    }
)
_TRY_AGAIN = re.compile(r"try again in ([\d.]+)(ms|s)\b")


def code_of(error: Any) -> str:  # noqa: ANN401 - servers put an object or a string here
    """The error's code, or its type where it has none; "" when it has neither."""
    fields = error if isinstance(error, dict) else {}
    return str(fields.get("code") or fields.get("type") or "")


def stream_error(error: Any) -> Exception:  # noqa: ANN401 - servers put an object or a string here
    """The exception for an error inside a reply that began with 200; what is not known to be final may pass."""
    fields = error if isinstance(error, dict) else {"message": error}
    code, message = code_of(fields), str(fields.get("message") or fields)[:500]
    text = f"the server reported an error in its reply: {message}" + (f" ({code})" if code else "")
    if CONTEXT.search(f"{code} {message}"):
        return ProviderError(text, status=400)
    status = int(code) if code.isdecimal() else None
    if {code, fields.get("type")} & _FINAL or (status and 400 <= status < 500 and status not in RETRIED):
        return ProviderError(text, status=status)
    wait = _TRY_AGAIN.search(message)
    wait_seconds = float(wait[1]) / (1000 if wait[2] == "ms" else 1) if wait else None
    return Passing(text, status=429 if code == "rate_limit_exceeded" else status, wait_seconds=wait_seconds)


def is_policy_error(error: ProviderError) -> bool:
    """Whether a request was refused by the vendor's policy."""
    return error.status == 400 and any(f'"{code}"' in str(error) for code in POLICY_CODES)
