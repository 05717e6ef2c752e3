"""Who claims what: a block, a document or many small sources of any formats → rows."""
