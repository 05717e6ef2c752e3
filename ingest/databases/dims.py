"""Snapshots of an application's own tables, so that views can name the sessions and stories that calls belong to.

Layout: `<warehouse>/dims/<name>/snapshot.parquet`, one file, replaced as a whole.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from ingest.databases.polling import open_database, shown
from ingest.errors import SourceError, WarehouseError
from ingest.warehouse.storage import local
from parsers.snapshots import DIMS, is_kept, snapshot


def take(place: str, wanted: Sequence[str], warehouse: Path) -> dict[str, int]:
    """Replace the snapshots of the tables *wanted*, else of those in `DIMS`, of the database at *place*.

    Returns the rows of each. All tables are read before the first snapshot is replaced.

    Raises:
        SourceError: The database can't be read, or has no such table.
        WarehouseError: The warehouse can't be written.
    """
    database = open_database(place)
    try:
        tables = database.tables()
        names = list(wanted) or [name for name in DIMS if name in tables]
        if missing := [name for name in names if name not in tables] or ([] if names else list(DIMS)):
            there = ", ".join(tables) or "none"
            raise SourceError(f"{shown(place)}: no table {' or '.join(missing)}; there are {there}")
        frames = {}
        for name in names:
            declared = database.declared(name)
            columns = [column for column in tables[name] if is_kept(column, declared.get(column, ""))]
            frames[name] = snapshot(name, database.rows(name, columns), declared)
    finally:
        database.close()
    for name, frame in frames.items():
        folder = warehouse / "dims" / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            written = folder / f"new-{os.getpid()}.parquet"
            frame.write_parquet(written, compression="zstd")
            local.sync_file(written)
            written.replace(folder / "snapshot.parquet")
            local.sync_folder(folder)
        except OSError as error:
            raise WarehouseError(f"{folder} can't be written: {error.strerror or error}") from error
    return {name: frame.height for name, frame in frames.items()}
