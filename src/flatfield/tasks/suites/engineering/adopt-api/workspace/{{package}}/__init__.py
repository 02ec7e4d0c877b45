"""The tool hire of {{company}}."""
