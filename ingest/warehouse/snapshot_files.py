"""Snapshots of an application's own tables, kept beside the tables of the warehouse: each replaced as a whole.

Layout: `dims/<name>/snapshot.parquet`, one file. Whoever reads it sees the old one or the new one.

It has no log: nobody asks what a session was called yesterday, and other engines read it as the file that it is.
"""

import io

import polars as pl

from ingest.errors import WarehouseError, reason
from ingest.warehouse.storage.store import Place, at

_FOLDER = "dims"
_FILE = "snapshot.parquet"


def replace(warehouse: Place, name: str, rows: pl.DataFrame) -> None:
    """Let *rows* be the snapshot *name* in *warehouse*, durably.

    The folder is made with it, and who reads meanwhile sees the old rows or the new.

    Raises:
        WarehouseError: It can't be written; the snapshot is what it was.
    """
    store, folder = at(warehouse), f"{_FOLDER}/{name}"
    try:
        store.put(f"{folder}/{_FILE}", _as_parquet(rows))
    except OSError as error:
        raise WarehouseError(f"{store.shown(folder)} can't be written: {reason(error)}") from error


def _as_parquet(rows: pl.DataFrame) -> bytes:
    """Return *rows* as a Parquet file.

    In memory: a snapshot has as many rows as an application has sessions, and what names them.
    """
    written = io.BytesIO()
    rows.write_parquet(written, compression="zstd")
    return written.getvalue()
