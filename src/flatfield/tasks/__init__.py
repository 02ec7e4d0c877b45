"""Files that people write become values: LOPs, HOPs, agents, published figures."""
