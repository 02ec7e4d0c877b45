"""Real servers, held against what the test kit believes of their vendors."""
