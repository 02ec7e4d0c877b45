"""The line to the {{machines}} of {{company}}."""
