"""Paths → bytes: which files a path names, what is in them unpacked, and which file is which."""
