"""The tables on disk: the only home of Delta."""
