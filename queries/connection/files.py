"""Which files a table consists of at this moment: those that its Delta log lists, never what lies in the folder."""

import os
import re
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

import duckdb

from parsers.columns import ALL_TABLES, is_inside
from parsers.values.messages import denied
from queries.connection import listing
from queries.connection.listing import Listed, Listing
from queries.errors import QueryError

_COMMIT = re.compile(r"\d{20}\.json")


class Files(NamedTuple):
    """The Parquet files of a table, and what its log says of it.

    `alike` is whether all have the same columns: not where one was added to the table. `rows` is how many the table
    has, those of other days included; None where the log doesn't say it of every file.
    """

    paths: list[str]
    alike: bool = True
    rows: int | None = 0


def files(
    table: Path,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    reader: duckdb.DuckDBPyConnection | None = None,
) -> Files:
    """Return the Parquet files of *table* that may hold rows of the span; none when there is no such table.

    The span is matched against the partition column `date`, a UTC day, so rows still have to be filtered.
    """
    log = table / "_delta_log"
    for folder in (table.parent, table, log):
        _check(folder)
    if not log.is_dir():
        return Files([])
    found = listing.read(log, reader) or _by_deltalake(table)
    if not found.files:
        return Files([])
    # In the order in which they are made: what was added later, by whoever, comes behind.
    made = [*(column.name for column in ALL_TABLES[table.name]), *found.partitioned_by]
    if outside := [path for path in found.files if not is_inside(path)]:
        said = f"{table} lists a file outside its folder ({outside[0]!r}), which no ingest wrote"
        raise QueryError(f"{said}: don't trust this warehouse")
    first, last = (str(moment.date()) if moment else None for moment in (since, until))
    asked = [
        path
        for path, (day, _) in found.files.items()
        if day is None or ((not first or first <= day) and (not last or day <= last))
    ]
    # The log has relative, percent-encoded paths; the URIs that deltalake makes of them encode the folder as well.
    place = f"{table.absolute()}/"
    paths = sorted(place + unquote(path) for path in asked)
    if unreadable := [path for path in paths if not os.access(path, os.R_OK)]:
        _refuse(map(Path, unreadable))
        raise QueryError(f"{unreadable[0]}, which the table lists, is missing: `ingest verify` says more")
    rows = [file.rows for file in found.files.values()]
    return Files(paths, found.columns == made, None if None in rows else sum(filter(None, rows)))


def _by_deltalake(table: Path) -> Listing:
    """Return what the log of *table* lists, if it is one that isn't read here.

    Raises:
        QueryError: It can't be read at all.
    """
    import polars as pl  # as long to import as a small report takes, and few logs need it
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError, TableNotFoundError

    log = table / "_delta_log"
    try:
        opened = DeltaTable(str(table))
        actions = pl.DataFrame(opened.get_add_actions(flatten=True))
    except TableNotFoundError:
        return Listing({}, [], [])  # created a moment ago: no commit yet
    except (DeltaError, OSError) as error:
        _refuse(path for path in log.iterdir() if path.is_file())
        said = " ".join(str(error).split()).split(" 0: <unknown>")[0]  # what follows is a trace
        raise QueryError(
            f"{table} can't be read: {said}; `ingest verify` says more, `ingest repair` mends it"
        ) from error
    days, rows = (
        actions[name].cast(kind).to_list() if name in actions.columns else [None] * actions.height
        for name, kind in (("partition.date", pl.String), ("num_records", pl.Int64))
    )
    files = {path: Listed(day, told) for path, day, told in zip(actions["path"], days, rows, strict=True)}
    return Listing(files, [field.name for field in opened.schema().fields], list(opened.metadata().partition_columns))


def version(warehouse: Path, tables: Iterable[str] = tuple(ALL_TABLES)) -> str:
    """Return a name for the newest snapshot of *warehouse*: another one after each commit to one of its *tables*."""
    logs = [warehouse / name / "_delta_log" for name in tables]
    try:
        newest = [
            max((entry.name for entry in os.scandir(log) if _COMMIT.fullmatch(entry.name)), default="")
            for log in logs
            if log.is_dir()
        ]
    except PermissionError as error:
        raise QueryError(denied(error.filename)) from error
    return "-".join(name.removesuffix(".json").lstrip("0") or "0" for name in newest)


def _check(folder: Path) -> None:
    """Refuse to take *folder* for empty, or for missing, because this user may not look into it."""
    try:
        os.stat(f"{folder}/.")  # noqa: PTH116 # Path drops the dot
        os.scandir(folder).close()
    except PermissionError as error:
        raise QueryError(denied(folder)) from error
    except OSError:
        return  # not there


def _refuse(paths: Iterable[Path]) -> None:
    """Refuse to take one of *paths* for damaged because this user may not read it."""
    for path in paths:
        if not os.access(path, os.R_OK):
            try:
                path.stat()
            except FileNotFoundError:
                continue  # for others to tell
            except PermissionError:
                raise QueryError(denied(path.parent)) from None
            raise QueryError(denied(path))
