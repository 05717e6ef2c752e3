"""Bytes of one source → rows of one batch, exactly once. Knows no warehouse: see `ingest/ledger.py`."""
