"""`openai`: OpenAI's Responses API, streamed, and servers that speak it."""

from flatfield.vendors.openai.conversation import VENDOR, create, endpoint_of

__all__ = ["VENDOR", "create", "endpoint_of"]
