"""What has been read from each source, what is behind, and how large the warehouse is."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from ingest.files.streams import suffix_of
from ingest.ledger import HOST
from ingest.warehouse.delta_log import tables
from ingest.warehouse.table import Table
from ingest.warehouse.warehouse import Warehouse

SENTINEL = "usage.error"
"""maestro leaves this file beside its usage log when it lost count of its own calls."""


@dataclass(frozen=True)
class TableSize:
    """How large one table is."""

    table: str
    rows: int
    files: int
    bytes: int
    version: int


def sources(warehouse: Warehouse) -> pl.DataFrame:
    """Return one row per source: path, format, bytes ingested and behind, rows, rejects, first and last time.

    `behind` is NULL where the file is packed, gone, or has another content by now; a table has no bytes at all.
    """
    batches = warehouse.tables["batches"].scan().sort("end_offset")
    summary = batches.group_by("source_id", maintain_order=True).agg(
        pl.col("source_path").last().alias("path"),
        pl.col("format")
        .drop_nulls()
        .str.split(",")
        .list.explode(keep_nulls=False, empty_as_null=False)
        .str.extract("^([^/]*)")
        .unique()
        .sort()
        .str.join(",")
        .alias("format"),
        # The digest is missing where no bytes were read: the positions of a table are no bytes.
        pl.when(pl.col("digest").is_not_null().any()).then(pl.col("end_offset").max()).alias("ingested_bytes"),
        pl.col("calls").sum().alias("records"),
        pl.col("events").sum(),
        pl.col("rejects").sum(),
        pl.col("first_at").min(),
        pl.col("last_at").max(),
        pl.col("committed_at").max(),
    )
    found = summary.collect().sort("path", "source_id")
    newest = found.group_by("path").agg(pl.col("committed_at").max().alias("newest"))
    found = found.join(newest, on="path", how="left")
    behind = [
        _behind(Path(path), done) if at == newest_at and done is not None else None
        for path, done, at, newest_at in found.select("path", "ingested_bytes", "committed_at", "newest").iter_rows()
    ]
    missing = warehouse.missing()
    alike: dict[str, list[str]] = {}
    for path, copy in warehouse.copies().items():
        alike.setdefault(copy.source_id, []).append(path)
    notes = [
        _note(Path(path), missing.get(source), alike.get(source, ()))
        for path, source in found.select("path", "source_id").iter_rows()
    ]
    host = pl.col("source_id").str.extract(f"{HOST}(.*)$")
    by_host = [host.alias("host")] if found.select(host.is_not_null().any()).item() else []
    return found.with_columns(
        *by_host, behind_bytes=pl.Series(behind, dtype=pl.Int64), note=pl.Series(notes, dtype=pl.String)
    ).select(
        "path",
        *(["host"] if by_host else []),
        "format",
        "ingested_bytes",
        "behind_bytes",
        "records",
        "events",
        "rejects",
        "first_at",
        "last_at",
        "note",
        "source_id",
    )


def sizes(warehouse: Warehouse) -> list[TableSize]:
    """Return the size of each table, live files only."""
    store = warehouse.store
    others = [Table(store, name) for name in tables(store) if name not in warehouse.tables]
    return [_size(table) for table in (*warehouse.tables.values(), *others)]


def _size(table: Table) -> TableSize:
    files = table.files()
    return TableSize(table.name, sum(f.rows for f in files), len(files), sum(f.bytes for f in files), table.version)


def _note(path: Path, missing: int | None, alike: Sequence[str]) -> str | None:
    """Return what is known of calls that are nowhere, or may be."""
    notes = []
    if os.path.lexists(path.parent / SENTINEL):
        notes.append("the application lost count: usage.error")
    if missing:
        notes.append(f"nothing goes on where it ended: up to {missing:,} bytes may be missing")
    if alike:
        which = alike[0] if len(alike) == 1 else f"{len(alike):,} files, such as {alike[0]},"
        notes.append(f"{which} taken for a copy, though no record tells: --not-a-copy reads it as another log")
    return "; ".join(notes) or None


def _behind(path: Path, ingested: int) -> int | None:
    if suffix_of(path):
        return None
    try:
        size = path.stat().st_size
    except OSError:
        return None
    return size - ingested if size >= ingested else None
