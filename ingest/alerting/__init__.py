"""Rules over answers: what they say, what crossed them, the table of crossings, and how each is told."""
