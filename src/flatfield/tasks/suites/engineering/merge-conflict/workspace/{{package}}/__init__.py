"""The boat hire of {{company}}."""
