"""What a trial runs on: the sandbox, llama.cpp, model files, and programs of others."""
