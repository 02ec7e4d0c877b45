"""`gemini`: Google's generateContent, streamed, with native or `json` tool calls; signatures go back verbatim."""

from flatfield.vendors.gemini.conversation import VENDOR, create, endpoint_of

__all__ = ["VENDOR", "create", "endpoint_of"]
