"""Rows → the Parquet files of a Delta table, durable and described, before a commit lists them."""

import json
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

import polars as pl

from ingest.errors import WarehouseError, one_line
from ingest.warehouse.delta_log import Action
from ingest.warehouse.storage.store import Store, Writer


class DataFile(NamedTuple):
    """A live data file of a table: path below it, rows, bytes."""

    path: str
    rows: int
    bytes: int

    @property
    def day(self) -> str:
        """The UTC date of its rows, as its folder says it."""
        return self.path.split("/", 1)[0].removeprefix("date=")


def described(add: Action, store: Store, table: str) -> DataFile:
    """Return the data file that *add* lists.

    Raises:
        WarehouseError: It doesn't say how many rows that has, and the file can't be asked.
    """
    path = unquote(add["path"])
    rows = json.loads(add.get("stats") or "{}").get("numRecords")
    # Who adds a file need not say how many rows it has.
    return DataFile(path, _rows(store, f"{table}/{path}") if rows is None else int(rows), int(add["size"]))


def _rows(store: Store, name: str) -> int:
    try:
        return int(pl.scan_parquet(store.file(name), glob=False).select(pl.len()).collect().item())
    except (OSError, pl.exceptions.PolarsError) as error:
        raise WarehouseError(
            f"{store.shown(name)} can't be read ({one_line(error)}); `ingest verify` says more"
        ) from error


def removal(file: DataFile, now: float, *, data_change: bool) -> Action:
    """Return the action that takes *file* out of a table *now*."""
    return {
        "remove": {
            "path": file.path,
            "deletionTimestamp": int(now * 1000),
            "dataChange": data_change,
            "extendedFileMetadata": True,
            "partitionValues": {"date": file.day},
            "size": file.bytes,
        }
    }


class DataFiles:
    """Writes the files of *table* in *store*; `own` are those that no durable entry lists yet."""

    def __init__(self, store: Store, table: str, day: str) -> None:
        """Divide rows by the UTC date of column *day*."""
        self.own: set[str] = set()
        self._store = store
        self._table = table
        self._day = day
        self._named: set[str] = set()

    def write(self, rows: pl.DataFrame) -> list[Action]:
        """Write *rows* as one Parquet file per UTC date, durably, and describe the files.

        Raises:
            OSError: The disk doesn't take them; so says a PolarsError.
        """
        if rows.is_empty():
            return []
        parts = {f"date={day}/part-{uuid.uuid4()}.parquet": part for day, part in self._by_date(rows)}
        writers: dict[str, Writer] = {
            path: partial(part.write_parquet, compression="zstd", compression_level=1) for path, part in parts.items()
        }
        sizes = self._write(writers)
        return [
            _added(path, size, part.height, data_change=True)
            for size, (path, part) in zip(sizes, parts.items(), strict=True)
        ]

    def merge(self, files: Sequence[DataFile], rows: Iterable[pl.LazyFrame]) -> Action:
        """Write the *rows* of *files*, which are of one day, as one file, durably, and describe it.

        Raises:
            OSError: The disk doesn't take it; so says a PolarsError.
            WarehouseError: It hasn't as many rows as they.
        """
        path = f"date={files[0].day}/part-{uuid.uuid4()}.zstd.parquet"
        count = sum(each.rows for each in files)

        def write(file: Path) -> None:
            pl.concat(rows, how="diagonal").sink_parquet(file, compression="zstd", compression_level=3)
            height = pl.scan_parquet(file, glob=False).select(pl.len())
            if (found := int(height.collect().item())) != count:
                file.unlink()
                shown = self._store.shown(self._table)
                raise WarehouseError(f"{shown}: {count} rows of {files[0].day} became {found}; report it")

        (size,) = self._write({path: write})
        return _added(path, size, count, data_change=False)

    def drop(self, written: Iterable[Action]) -> None:
        """Delete what was *written* and no commit will list; in a bucket, where not all may, maintenance does."""
        if not self._store.shared:
            self._store.delete(f"{self._table}/{each['add']['path']}" for each in written)

    def _write(self, files: Mapping[str, Writer]) -> Sequence[int]:
        days = {path.split("/", 1)[0] for path in files} - self._named
        named = {f"{self._table}/{path}": write for path, write in files.items()}
        # Who made their folders may have died before those had durable names.
        sizes = self._store.write(named, self._table if days else None)
        self._named |= days
        self.own.update(files)
        return sizes

    def _by_date(self, rows: pl.DataFrame) -> Iterable[tuple[date, pl.DataFrame]]:
        """Return *rows* by the UTC date that partitions the table."""
        days = rows[self._day].dt.date()
        first = days[0]
        if (days == first).all():
            return [(first, rows)]
        dated = rows.with_columns(date=days).partition_by("date", as_dict=True, include_key=False)
        return [(day, part) for (day,), part in dated.items()]


def _added(path: str, size: int, rows: int, *, data_change: bool) -> Action:
    """Return the action that adds the file *path*, of so many bytes and *rows*, to a table."""
    return {
        "add": {
            "path": path,
            "partitionValues": {"date": path.split("/", 1)[0].removeprefix("date=")},
            "size": size,
            "modificationTime": int(time.time() * 1000),
            "dataChange": data_change,
            "stats": json.dumps({"numRecords": rows}),
        }
    }
