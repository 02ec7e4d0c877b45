"""The test kit: servers on loopback that speak the vendors' protocols, strict rules and faults included."""
