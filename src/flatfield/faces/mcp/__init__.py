"""The MCP server: hand a prompt to a nano agent on any model, start evaluations, watch them, act on the result."""
