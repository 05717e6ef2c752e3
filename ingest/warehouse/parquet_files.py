"""Rows → the Parquet files of a Delta table, on the disk and described, before a commit lists them."""

import json
import time
import uuid
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import NamedTuple

import polars as pl
from deltalake.transaction import AddAction

from ingest.warehouse.storage import local


class DataFile(NamedTuple):
    """A live data file of a table: path below it, rows, bytes."""

    path: str
    rows: int
    bytes: int


class DataFiles:
    """Writes the files of the table in the folder *path*; `own` are those that no durable entry lists yet."""

    def __init__(self, path: Path, day: str) -> None:
        """Divide rows by the UTC date of column *day*."""
        self.own: set[str] = set()
        self._path = path
        self._day = day
        self._named: set[date] = set()

    def write(self, rows: pl.DataFrame) -> list[AddAction]:
        """Write *rows* as one Parquet file per UTC date, durably, and describe the files.

        Raises:
            OSError: The disk doesn't take them; so says a PolarsError.
        """
        actions: list[AddAction] = []
        if rows.is_empty():
            return actions
        paths, days, names = [], set(), set()
        for day, part in self._by_date(rows):
            name = f"date={day}/part-{uuid.uuid4()}.parquet"
            path = self._path / name
            if day not in self._named:
                path.parent.mkdir(exist_ok=True)
                days.add(day)
            part.write_parquet(path, compression="zstd", compression_level=1)
            stats = json.dumps({"numRecords": part.height})
            now = int(time.time() * 1000)
            actions.append(AddAction(name, path.stat().st_size, {"date": str(day)}, now, data_change=True, stats=stats))
            paths.append(path)
            names.add(name)
        local.sync(paths)
        if days:  # who made their folders may have died before those had durable names
            local.sync_folder(self._path)
            self._named |= days
        self.own |= names
        return actions

    def _by_date(self, rows: pl.DataFrame) -> Iterable[tuple[date, pl.DataFrame]]:
        """Return *rows* by the UTC date that partitions the table."""
        days = rows[self._day].dt.date()
        first = days[0]
        if (days == first).all():
            return [(first, rows)]
        dated = rows.with_columns(date=days).partition_by("date", as_dict=True, include_key=False)
        return [(day, part) for (day,), part in dated.items()]
