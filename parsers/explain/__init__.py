"""How a line was read, piece by piece."""
