"""Formats that a user describes in TOML."""
