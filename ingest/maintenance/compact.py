"""Few files, a short log and nothing left behind: work on the tables that changes no row and no offset.

Safe beside any number of writers and readers. Two compactions must never race (one of two that replace the same files
has to lose, and newer releases of deltalake let both win), so all of it runs under one lock.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
from deltalake import DeltaTable, PostCommitHookProperties, WriterProperties
from deltalake.exceptions import CommitFailedError, DeltaError

from ingest.errors import WarehouseError
from ingest.ledger import Conflict
from ingest.warehouse import delta_log, retention
from ingest.warehouse.open_table import explain
from ingest.warehouse.parquet_files import listed
from ingest.warehouse.storage import local
from ingest.warehouse.storage.locks import MAINTENANCE, alone
from ingest.warehouse.table import Table

TARGET_BYTES = 128 << 20
"""How large compaction lets a file become."""

SMALL_BYTES = TARGET_BYTES // 4
"""A file below this is worth merging with others."""

SAFE_AGE = timedelta(hours=24)
"""How long a file is kept that no version ever listed: a writer may be about to."""

REPLACED_AGE = timedelta(hours=1)
"""How long a file is kept that was merged into another: a reader may still be reading it."""

LOG_ENTRIES = 500
"""How many log entries are kept, at least: a commit reads the names of all, several times, at 2 µs each."""

LOG_AGE = timedelta(days=2)
"""How long entries are kept where there are fewer."""

YOUNG_AGE = timedelta(minutes=10)
"""How long entries are kept however many there are: a reader may be about to read them."""

BUSY = "another process maintains this warehouse; wait for it, or leave it to that one"

_TRIES = 5
"""How often the rows of a day are deleted anew because another process, of another machine, replaced them meanwhile."""

_NO_HOOKS = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)
_ZSTD = WriterProperties(compression="ZSTD", compression_level=3)


@dataclass(frozen=True)
class Compacted:
    """What compaction did to one table, and how many files and log entries that nobody needs it removed."""

    table: str
    files_before: int
    files_after: int
    rows: int
    removed: int


def compact(
    folder: Path,
    *,
    fewest: Callable[[date], int] = lambda _: 2,
    pace: float = 1.0,
) -> list[Compacted]:
    """Merge the small files of each day that has *fewest*, asked for that day, or more; then tidy up.

    *pace* is for simulations, in which time runs so many times faster: what is kept for a while is kept for less.

    Raises:
        BusyError: Another process is at it.
        WarehouseError: A table is damaged, or can't be written.
    """
    with maintaining(folder):
        return [_maintain(Table(folder, name), fewest, pace) for name in local.tables(folder)]


@contextmanager
def maintaining(folder: Path, explanation: str = BUSY) -> Iterator[None]:
    """Be the only one who replaces or deletes files of the warehouse at *folder*, for the length of the block.

    Before anything is replaced, what a killed expiry wrote down and didn't do is taken back: afterwards it couldn't be
    told from what was done.

    Raises:
        BusyError: Another process is at it; the message is *explanation*.
        WarehouseError: There is no such folder, or it can't be written.
    """
    with alone(folder, MAINTENANCE, explanation):
        for name in retention.tables(folder):
            retention.forget_unfinished(folder, name, (f.path for f in Table(folder, name).files()))
        yield


def expire(folder: Path, before: date) -> dict[str, int]:
    """Delete the rows of all days before *before*, whole days at a time; return how many of each table.

    Offsets and the ledger stay, so nothing of it is read again, and what was deleted is written down for `verify`.
    What others add to such a day meanwhile stays.

    Raises:
        BusyError: Maintenance is under way.
        WarehouseError: A table is damaged, or can't be written; the days before stay deleted.
    """
    with maintaining(folder):
        tables = [Table(folder, name) for name in local.tables(folder) if name != "batches"]
        return {t.name: sum(_expire(t, folder, day, before) for day in t.days() if day < before) for t in tables}


def _expire(table: Table, folder: Path, day: date, before: date) -> int:
    """Delete the rows of *day*; return how many. It is written down first: deleted rows can't be counted."""
    for _ in range(_TRIES):
        files = [f.path for f in table.files() if day_of(f.path) == str(day)]
        if not files:
            return 0
        rows = _by_source(table.scan(files))
        retention.remember(folder, table.name, before, files, rows)
        try:
            table.replace(day, pl.DataFrame())
        except Conflict:
            retention.forget_unfinished(folder, table.name, files)
            continue
        except WarehouseError:
            retention.forget_unfinished(folder, table.name, files)
            raise
        live = {f.path for f in table.files()}
        retention.forget_unfinished(folder, table.name, live)
        if live.isdisjoint(files):
            return sum(rows.values())
    raise WarehouseError(f"{table.path}: another process keeps replacing the rows of {day}; run the same command again")


def _by_source(rows: pl.LazyFrame) -> dict[str, int]:
    """Return how many of *rows* each source has; those of a table without sources have none in particular."""
    source = pl.col("source_id") if "source_id" in rows.collect_schema() else pl.lit("").alias("source_id")
    return dict(rows.group_by(source).len().collect().iter_rows())


def crowded(day: date) -> int:
    """Return how many small files of *day* are worth merging while others write: fewer once the day is over."""
    return 200 if day == datetime.now(UTC).date() else 20


def small_files(table: Table) -> Counter[str]:
    """Return how many small files each day of *table* has."""
    return Counter(day_of(f.path) for f in table.files() if f.bytes < SMALL_BYTES)


def day_of(path: str) -> str:
    """Return the day of the data file at *path*, as its folder says it."""
    return path.split("/", 1)[0].removeprefix("date=")


def _maintain(table: Table, fewest: Callable[[date], int], pace: float) -> Compacted:
    before = table.files()
    days = sorted(d for d, n in small_files(table).items() if n >= fewest(date.fromisoformat(d)))
    try:
        for day in days:
            _merge(table, day)
        table.refresh()
        after = table.files()
        removed = remove_unlisted(table, pace)  # before the checkpoint, which forgets what was replaced long ago
        table.checkpoint()
        removed += forget_entries(table.log, pace)
    except (DeltaError, OSError) as error:
        raise WarehouseError(explain(table.path, error)) from error
    return Compacted(table.name, len(before), len(after), sum(f.rows for f in after), removed)


def _merge(table: Table, day: str) -> None:
    """Merge the small files of *day* in one commit, durably, and see that it holds the same number of rows."""
    table.refresh()
    table.settle()  # deltalake builds on what it finds, durable or not
    handle = DeltaTable(str(table.path))
    before = handle.version()
    known = {f.path: f for f in listed(handle, table.path)}
    try:
        handle.optimize.compact(
            partition_filters=[("date", "=", day)],
            target_size=TARGET_BYTES,
            writer_properties=_ZSTD,
            post_commithook_properties=_NO_HOOKS,
        )
    except CommitFailedError:
        return  # another machine was first: its work is as good
    # Others may have committed before and after it: the handle's version isn't always that of the merge.
    versions = range(before + 1, handle.version() + 1)
    for version, gone in delta_log.removing(table.log, versions):
        added = delta_log.adding(table.log, version)
        local.sync([*(table.path / path for path, _ in added), delta_log.entry(table.log, version)])
        rows, merged = sum(known[path].rows for path in gone), [rows for _, rows in added if rows is not None]
        if len(merged) == len(added) and rows != sum(merged):
            became = f"{rows} rows of {day} became {sum(merged)} in version {version}"
            raise WarehouseError(f"{table.path}: {became}; report it")


def remove_unlisted(table: Table, pace: float = 1.0) -> int:
    """Delete data files that no version lists and that nobody can need any more; return how many."""
    now = time.time()
    written_before, replaced_before = (now - age.total_seconds() / pace for age in (SAFE_AGE, REPLACED_AGE))
    on_disk = {str(p.relative_to(table.path)): p.stat().st_mtime for p in table.path.glob("date=*/*.parquet")}
    table.refresh()  # after looking at the disk: what was listed meanwhile is seen
    replaced = delta_log.removed(table.log, table.version)
    unlisted = on_disk.keys() - {f.path for f in table.files()}
    gone = [
        path
        for path in unlisted
        if (replaced[path] / 1000 < replaced_before if path in replaced else on_disk[path] < written_before)
    ]
    for path in gone:
        (table.path / path).unlink(missing_ok=True)
    return len(gone)


def forget_entries(log: Path, pace: float = 1.0, *, keep: int = LOG_ENTRIES) -> int:
    """Delete the entries and checkpoints that come before a checkpoint that is old enough; return how many."""
    now, there = time.time(), delta_log.entries(log)
    old, young = (now - age.total_seconds() / pace for age in (LOG_AGE, YOUNG_AGE))
    enough = max(there, default=0) - keep
    for base in delta_log.checkpoints(log):
        version, written = delta_log.version_of(base), base.stat().st_mtime
        if (written < old or (written < young and version <= enough)) and delta_log.is_checkpoint(base):
            break
    else:
        return 0
    # The checkpoints first, then the oldest entry: whatever interrupts this, what is left is the end of the history.
    gone = [p for p in delta_log.checkpoints(log) if delta_log.version_of(p) < version]
    gone += [p for v, p in there.items() if v < version]
    for path in gone:
        path.unlink(missing_ok=True)
    return len(gone)
