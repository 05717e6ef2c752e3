"""Snapshots of an application's own tables, kept beside the tables of the warehouse: each replaced as a whole.

Layout: `<warehouse>/dims/<name>/snapshot.parquet`, one file. Whoever reads it sees the old one or the new one.
"""

import io

import polars as pl

from ingest.errors import WarehouseError, reason
from ingest.warehouse.storage.store import Place, at

_FOLDER = "dims"
_FILE = "snapshot.parquet"


def replace(warehouse: Place, name: str, rows: pl.DataFrame) -> None:
    """Let *rows* be the snapshot *name* in *warehouse*, durably.

    Raises:
        WarehouseError: It can't be written; the snapshot is what it was.
    """
    store, written = at(warehouse), io.BytesIO()
    rows.write_parquet(written, compression="zstd")
    try:
        store.make(f"{_FOLDER}/{name}")
        store.put(f"{_FOLDER}/{name}/{_FILE}", written.getvalue())
    except OSError as error:
        raise WarehouseError(f"{store.shown(f'{_FOLDER}/{name}')} can't be written: {reason(error)}") from error


def names(warehouse: Place) -> list[str]:
    """Return the names of the snapshots in *warehouse*, with the folder that they are in.

    Raises:
        WarehouseError: It can't be looked into.
    """
    return [found.name for found in at(warehouse).list(_FOLDER) if found.name.endswith(f"/{_FILE}")]
