"""File → table: find the logs, read them exactly once, and commit rows and offsets together."""
