"""Snapshots of an application's own tables, so that views can name the sessions and stories that calls belong to."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from ingest.databases import own_names
from ingest.databases.detect import shown
from ingest.databases.polling import Database, open_database
from ingest.errors import SourceError
from ingest.warehouse import snapshot_files
from parsers.columns import DIMS
from parsers.snapshots import TAKEN, is_kept, snapshot


def take(place: str, wanted: Sequence[str], warehouse: str) -> dict[str, int]:
    """Replace the snapshots of the tables *wanted*, else of those in `TAKEN`, of the database or CSV at *place*.

    Returns the rows of each. All tables are read before the first snapshot is replaced.

    Raises:
        SourceError: The database can't be read, or has no such table; the CSV names nothing.
        WarehouseError: The warehouse can't be written.
    """
    if place.lower().endswith(own_names.SUFFIXES):
        name, rows = own_names.read(Path(place))
        snapshot_files.replace(warehouse, name, rows)
        return {name: rows.height}
    database = open_database(place)
    try:
        tables = database.tables()
        frames = {name: _read(database, name, tables[name]) for name in _chosen(place, wanted, tables)}
    finally:
        database.close()
    for name, frame in frames.items():
        snapshot_files.replace(warehouse, name, frame)
    return {name: frame.height for name, frame in frames.items()}


def _chosen(place: str, wanted: Sequence[str], there: dict[str, list[str]]) -> list[str]:
    """Return the names of the tables to take of those that are *there*."""
    names = list(wanted) or [name for name in TAKEN if name in there]
    if missing := [name for name in names if name not in there] or ([] if names else list(DIMS)):
        raise SourceError(f"{shown(place)}: no table {' or '.join(missing)}; there are {', '.join(there) or 'none'}")
    return names


def _read(database: Database, name: str, columns: list[str]) -> pl.DataFrame:
    declared = database.declared(name)
    kept = [column for column in columns if is_kept(column, declared.get(column, ""))]
    return snapshot(name, database.rows(name, kept), declared)
