"""Stock of the {{company}} spinning mill."""
