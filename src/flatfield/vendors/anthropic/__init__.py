"""`anthropic`: the Messages API, with thinking returned as it came and the growing prompt cached."""

from flatfield.vendors.anthropic.conversation import VENDOR, create, endpoint_of

__all__ = ["VENDOR", "create", "endpoint_of"]
