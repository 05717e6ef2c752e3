"""Answers → a page: over HTTP, and as one file."""
