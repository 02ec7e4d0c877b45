"""The booking office of the {{company}} ferry."""
