"""What lies in the stores of {{company}}."""
