"""Stock keeping for the {{company}} warehouse."""
