"""The folder of a Delta table: made, opened, and in plain words what is wrong with it."""

import contextlib
import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import unquote

import polars as pl
from deltalake import DeltaTable, PostCommitHookProperties, Schema
from deltalake.exceptions import DeltaError

from ingest.errors import WarehouseError, one_line
from ingest.warehouse import delta_log
from ingest.warehouse.storage import local
from parsers.schema import ALL_TABLES, EMPTY, polars_schema
from parsers.values.messages import denied

_LITTLE = 64 << 10
"""Bytes without which nothing can be committed."""

CHECKPOINT_EVERY = 50
"""Commits between two checkpoints: opening then replays at most so many entries."""

CONFIGURATION = {
    "delta.checkpointInterval": str(CHECKPOINT_EVERY),
    "delta.logRetentionDuration": "interval 2 days",
    # Each checkpoint lists the files that were replaced since: twice as long as maintenance keeps them.
    "delta.deletedFileRetentionDuration": "interval 2 hours",
}
"""Properties of the tables."""

_NO_HOOKS = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)


def snapshot(path: Path, version: int | None = None, *, without_files: bool = True) -> DeltaTable:
    """Open the table at *path* at its newest *version*, or at an older one.

    Raises:
        WarehouseError: There is no such table, or its log is damaged.
    """
    try:
        return DeltaTable(str(path), version=version, without_files=without_files)
    except (DeltaError, OSError) as error:
        raise WarehouseError(explain(path, error)) from error


def create(folder: Path, names: Sequence[str]) -> None:
    """Create the tables *names* in the warehouse *folder*, durably, all that aren't there.

    Raises:
        WarehouseError: The folder can't be written.
    """
    paths = [folder / name for name in names]
    new = [path for path in paths if not delta_log.is_begun(path / "_delta_log")]  # else its maker has been here
    if not new:
        return
    firsts = [delta_log.entry(path / "_delta_log", 0) for path in new]
    try:
        local.make_folder(folder)
        with ThreadPoolExecutor(len(new)) as pool:  # the disk is waited for once instead of for each
            list(pool.map(_create, new, firsts))
        local.sync_folder(folder)
        with contextlib.suppress(PermissionError):
            local.sync_folder(folder.parent)
    except OSError as error:
        raise WarehouseError(explain(paths[0], error)) from error


def _create(path: Path, first: Path) -> None:
    """Create the table at *path*, unless its *first* entry is there, and make it durable.

    Also where it was there: its maker may have died, or met an error, before it came to this.
    """
    try:
        path.mkdir(exist_ok=True)
        if not first.exists():
            _make(path, first)
        local.sync([first])
        local.sync_folder(path)
    except (DeltaError, OSError) as error:
        raise WarehouseError(explain(path, error)) from error


def _make(path: Path, first: Path) -> None:
    empty = EMPTY[path.name].with_columns(date=pl.lit(None, dtype=pl.Date))
    try:
        DeltaTable.create(
            str(path), empty.to_arrow().schema, mode="ignore", partition_by=["date"], configuration=CONFIGURATION
        )
    except (DeltaError, OSError):
        if not first.exists():
            raise  # else another process was quicker


def add_missing_columns(folder: Path, name: str) -> None:
    """Give the table *name*, which an older version made, the columns that came since: one commit, without data.

    Files that were there lack them; who reads takes that for NULL. Readers and writers of the older version go on.

    Raises:
        WarehouseError: The table can't be read or written.
    """
    path = folder / name
    for last_try in (False, False, True):
        there = {field.name for field in snapshot(path).schema().fields}
        missing = [column for column in ALL_TABLES[name] if column.name not in there]
        if not missing:
            return
        fields = Schema.from_arrow(pl.DataFrame(schema=polars_schema(missing)).to_arrow().schema).fields
        try:
            snapshot(path).alter.add_columns(fields, post_commithook_properties=_NO_HOOKS)
        except (DeltaError, OSError) as error:
            # Another process may have been quicker.
            if last_try or not isinstance(error, DeltaError):
                raise WarehouseError(explain(path, error)) from error


def _is_full(path: Path) -> bool:
    """Tell whether the disk of *path* has no room: not all that fails for that reason says so."""
    folder = next(p for p in (path, *path.absolute().parents) if p.is_dir())
    return shutil.disk_usage(folder).free < _LITTLE


def explain(path: Path, error: Exception) -> str:
    """Say what *error* means for the table at *path*, and what to do."""
    text = one_line(error)
    if known := _refused(path, error, text) or _misplaced(path):
        return known
    said = f"{path} can't be used: {text}"
    return f"{said}; `ingest verify` says more, `ingest repair` mends it" if isinstance(error, DeltaError) else said


def _refused(path: Path, error: Exception, text: str) -> str | None:
    """Say what the system lacks or forbids, if that is it."""
    if "os error 28" in text or "No space left" in text or _is_full(path):
        return f"no space left for {path}: free some and run the same command again; nothing is lost"
    if isinstance(error, PermissionError) or "os error 13" in text or "ermission denied" in text:
        return denied(path, written=True, remedy="check its owner and mode, or choose another folder with --warehouse")
    if "os error 24" in text:
        return f"too many open files for {path}: allow more (`ulimit -n`), or name fewer logs; nothing is lost"
    return None


def _misplaced(path: Path) -> str | None:
    """Say why there can't be a table at *path*, if so."""
    if path.parent.exists() and not path.parent.is_dir():
        return f"{path.parent} is a file; a warehouse is a folder: name another with --warehouse"
    if unquote(str(path)) != str(path):
        return f"{path}: deltalake can't use a folder with %xx in its name: choose another with --warehouse"
    if not os.path.lexists(path / "_delta_log"):
        return f"no warehouse at {path.parent}: run `ingest follow` or `ingest backfill`, or name it with --warehouse"
    return None
