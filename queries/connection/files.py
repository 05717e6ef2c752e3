"""Which files a table consists of at this moment: those that its Delta log lists, never what lies in the folder."""

import os
import re
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from parsers.schema import ALL_TABLES, is_inside
from parsers.values.messages import denied
from queries.errors import QueryError

_DAY = pl.col("partition.date")
_COMMIT = re.compile(r"\d{20}\.json")


class Files(NamedTuple):
    """The Parquet files of a table, and whether all have the same columns: not where one was added to the table."""

    paths: list[str]
    alike: bool = True


def files(table: Path, *, since: datetime | None = None, until: datetime | None = None) -> Files:
    """Return the Parquet files of *table* that may hold rows of the span; none when there is no such table.

    The span is matched against the partition column `date`, a UTC day, so rows still have to be filtered.
    """
    log = table / "_delta_log"
    for folder in (table.parent, table, log):
        _check(folder)
    if not log.is_dir():
        return Files([])
    try:
        opened = DeltaTable(str(table))
        listed = pl.DataFrame(opened.get_add_actions(flatten=True))
    except TableNotFoundError:
        return Files([])  # created a moment ago: no commit yet
    except (DeltaError, OSError) as error:
        _refuse(path for path in log.iterdir() if path.is_file())
        said = " ".join(str(error).split()).split(" 0: <unknown>")[0]  # what follows is a trace
        raise QueryError(
            f"{table} can't be read: {said}; `ingest verify` says more, `ingest repair` mends it"
        ) from error
    if listed.is_empty():
        return Files([])
    # In the order in which they are made: what was added later, by whoever, comes behind.
    made = [*(column.name for column in ALL_TABLES[table.name]), *opened.metadata().partition_columns]
    alike = [field.name for field in opened.schema().fields] == made
    if outside := [path for path in listed["path"] if not is_inside(path)]:
        said = f"{table} lists a file outside its folder ({outside[0]!r}), which no ingest wrote"
        raise QueryError(f"{said}: don't trust this warehouse")
    if since:
        listed = listed.filter(since.date() <= _DAY)
    if until:
        listed = listed.filter(until.date() >= _DAY)
    # The log has relative, percent-encoded paths; the URIs that deltalake makes of them encode the folder as well.
    paths = sorted(str(table.absolute() / unquote(path)) for path in listed["path"])
    _refuse(map(Path, paths))
    if missing := [path for path in paths if not os.path.exists(path)]:  # noqa: PTH110 # thousands, and Path is slow
        raise QueryError(f"{missing[0]}, which the table lists, is missing: `ingest verify` says more")
    return Files(paths, alike)


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
