"""What {{company}} ships."""
