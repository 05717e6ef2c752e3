"""Bytes → lines → records: which format claims which line, where its records begin and end."""
