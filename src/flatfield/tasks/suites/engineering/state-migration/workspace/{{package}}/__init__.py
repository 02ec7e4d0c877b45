"""The work of {{company}}."""
