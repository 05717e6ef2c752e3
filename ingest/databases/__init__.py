"""Tables of SQLite and PostgreSQL as sources."""
