"""Answers → a screen that follows the commits: limits now, cost of the day, who it is, the last calls."""
