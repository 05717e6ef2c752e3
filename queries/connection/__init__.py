"""Tables on disk → DuckDB: a snapshot, the views, the filters."""
