"""Tokens → cost, by dated prices."""
