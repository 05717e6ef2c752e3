"""Look, read, commit, again: files that grow, until somebody stops it."""
