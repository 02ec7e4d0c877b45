"""What trials come to: one score each, speed and cost per work done, and the scales that numbers stand on."""
