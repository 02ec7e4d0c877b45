"""Claude Code: the sub-agents, commands, skill, hooks and server entry with which it hands work to nano agents."""
