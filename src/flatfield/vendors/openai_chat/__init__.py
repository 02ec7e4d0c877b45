"""`openai-chat`: any server that speaks OpenAI's Chat Completions, streamed, with native or `json` tool calls."""

from flatfield.vendors.openai_chat.conversation import VENDOR, create, endpoint_of

__all__ = ["VENDOR", "create", "endpoint_of"]
