"""`ollama`: Ollama's own chat API, on this device, on another, or at Ollama's service; streamed line by line."""

from flatfield.vendors.ollama.conversation import create
from flatfield.vendors.ollama.host import VENDOR
from flatfield.vendors.ollama.host import server_of as endpoint_of

__all__ = ["VENDOR", "create", "endpoint_of"]
