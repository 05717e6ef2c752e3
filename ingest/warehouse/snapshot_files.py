"""Snapshots of an application's own tables, kept beside the tables of the warehouse: each replaced as a whole.

Layout: `<warehouse>/dims/<name>/snapshot.parquet`, one file. Whoever reads it sees the old one or the new one.
"""

import os
from pathlib import Path

import polars as pl

from ingest.errors import WarehouseError, reason
from ingest.warehouse.storage import local

_FOLDER = "dims"
_FILE = "snapshot.parquet"
_UNFINISHED = "new-*.parquet"


def replace(warehouse: Path, name: str, rows: pl.DataFrame) -> None:
    """Let *rows* be the snapshot *name* in *warehouse*, durably.

    Raises:
        WarehouseError: It can't be written; the snapshot is what it was.
    """
    folder = warehouse / _FOLDER / name
    written = folder / _UNFINISHED.replace("*", str(os.getpid()))
    try:
        local.make_folder(folder)
        _write(rows, written)
        written.replace(folder / _FILE)
        local.sync_folder(folder)
    except OSError as error:
        raise WarehouseError(f"{folder} can't be written: {reason(error)}") from error


def _write(rows: pl.DataFrame, path: Path) -> None:
    """Write *rows* to *path*, durably; nothing of it is left where that fails."""
    try:
        rows.write_parquet(path, compression="zstd")
        local.sync_file(path)
    except OSError:
        path.unlink(missing_ok=True)
        raise
