"""What must not run at the same time: lanes, rates, refusals, and the devices that all processes share."""
