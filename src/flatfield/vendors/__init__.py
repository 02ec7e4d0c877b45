"""Who serves models over a protocol of its own: one package or file each, found by its name."""
