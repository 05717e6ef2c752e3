"""What a Delta log lists, read from its entries and its checkpoint, as importing a library for it takes longer.

What every version of the format says alike is read here; for all else, and for what is damaged, `deltalake` is asked.
"""

import json
import os
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

_ENTRY = re.compile(r"(\d{20})\.json")
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint\.parquet")
_ELSE = re.compile(r"\d{20}\.checkpoint\..+")
_SKIPPED = ('{"txn":', '{"commitInfo":')
"""How the actions begin that say nothing of files: most of a log, as each source has its offset there."""

_CHECKPOINTED = """
select
    add.path, add.partitionValues['date'] as date, add.stats,
    metaData.schemaString, metaData.partitionColumns, protocol.minReaderVersion,
from read_parquet($path)
where add.path is not null or metaData.schemaString is not null or protocol.minReaderVersion is not null
"""
_READER = 1
"""The version of the format in which a file's rows are all of its rows, under their own names."""


class Listed(NamedTuple):
    """A data file: the day of its partition as text, and how many rows it has, where the log says so."""

    day: str | None
    rows: int | None


class Listing(NamedTuple):
    """The files of a table by their encoded, relative paths, and its columns in order."""

    files: dict[str, Listed]
    columns: list[str]
    partitioned_by: list[str]


class _OtherwiseWrittenError(Exception):
    """The log is not as it is read here, or not whole."""


def read(log: Path, reader: duckdb.DuckDBPyConnection | None = None) -> Listing | None:
    """Return what the log in folder *log* lists; None where `deltalake` has to say that, or what is wrong.

    A checkpoint is read by *reader*, as opening another takes longer.
    """
    try:
        return _replayed(log, reader)
    except (_OtherwiseWrittenError, OSError, ValueError, KeyError, TypeError, AttributeError, duckdb.Error):
        return None  # whatever it is, `deltalake` is asked next, and its error told


def _replayed(log: Path, reader: duckdb.DuckDBPyConnection | None) -> Listing:
    names = os.listdir(log)  # noqa: PTH208 # thousands, and Path is slow
    entries = {int(found[1]) for name in names if (found := _ENTRY.fullmatch(name))}
    checkpoints = [int(found[1]) for name in names if (found := _CHECKPOINT.fullmatch(name))]
    if any(_ELSE.fullmatch(name) and not _CHECKPOINT.fullmatch(name) for name in names):
        raise _OtherwiseWrittenError  # in parts, or of a later version
    newest = max(entries)
    base = max((version for version in checkpoints if version <= newest), default=-1)
    if not entries.issuperset(range(base + 1, newest + 1)) or _hinted(log) > base:
        raise _OtherwiseWrittenError
    files: dict[str, Listed] = {}
    table: dict[str, Any] = {}
    older = _checkpointed(log / f"{base:020}.checkpoint.parquet", reader or duckdb.connect()) if base >= 0 else ()
    later = (_entry(log / f"{version:020}.json") for version in range(base + 1, newest + 1))
    for kind, action in chain(older, *later):
        if kind == "add":
            if action.get("deletionVector"):
                raise _OtherwiseWrittenError
            files[action["path"]] = Listed(action["partitionValues"].get("date"), _rows(action.get("stats")))
        elif kind == "remove":
            files.pop(action["path"], None)
        elif kind == "metaData":
            table = action
        elif kind == "protocol" and action["minReaderVersion"] != _READER:
            raise _OtherwiseWrittenError
    columns = [field["name"] for field in json.loads(table["schemaString"])["fields"]]
    return Listing(files, columns, list(table["partitionColumns"]))


def _hinted(log: Path) -> int:
    """Return the version of the checkpoint that the log's hint names; -1 for none, as for a hint that can't be read."""
    try:
        return int(json.loads((log / "_last_checkpoint").read_text("utf-8"))["version"])
    except (OSError, ValueError, TypeError, KeyError):
        return -1


def _entry(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the kinds of the actions of an entry, and what they say."""
    # What an entry takes out and puts in again by the same name stays, in whatever order it says so.
    added = []
    for line in path.read_text("utf-8").splitlines():
        if not line.endswith("}"):
            raise _OtherwiseWrittenError
        if not line.startswith(_SKIPPED):
            for kind, action in json.loads(line).items():
                if kind == "add":
                    added.append((kind, action))
                else:
                    yield kind, action
    yield from added


def _checkpointed(path: Path, reader: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, dict[str, Any]]]:
    rows = reader.execute(_CHECKPOINTED, {"path": str(path)}).fetchall()
    for name, day, stats, schema, partitioned_by, version in rows:
        if name is not None:
            yield "add", {"path": name, "partitionValues": {"date": day}, "stats": stats}
        if schema is not None:
            yield "metaData", {"schemaString": schema, "partitionColumns": partitioned_by}
        if version is not None:
            yield "protocol", {"minReaderVersion": version}


def _rows(stats: str | None) -> int | None:
    told = json.loads(stats).get("numRecords") if stats else None
    return told if isinstance(told, int) else None
