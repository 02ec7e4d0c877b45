"""Hire of the {{thing}} of {{company}}."""
