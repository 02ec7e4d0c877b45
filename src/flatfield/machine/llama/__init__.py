"""llama.cpp on this device: the child process that serves a model, and who starts and ends it."""

DEFAULT_CONTEXT_TOKENS = 8192
