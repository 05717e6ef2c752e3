"""Few files, a short log and nothing left behind: work on the tables that changes no row and no offset.

Safe beside any number of writers and readers. Two compactions must never race (one of two that replace the same files
has to lose, and does, as its entry would take out files that are gone), so all of it runs under one lock.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import polars as pl

from ingest.errors import WarehouseError
from ingest.ledger import Conflict
from ingest.warehouse import retention
from ingest.warehouse.delta_log import Log, tables
from ingest.warehouse.open_table import explain
from ingest.warehouse.parquet_files import DataFile
from ingest.warehouse.storage.locks import MAINTENANCE
from ingest.warehouse.storage.store import Fence, Place, at
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


@dataclass(frozen=True)
class Compacted:
    """What compaction did to one table, and how many files and log entries that nobody needs it removed."""

    table: str
    files_before: int
    files_after: int
    rows: int
    removed: int


def compact(
    place: Place,
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
    with maintaining(place) as fence:
        return [_maintain(Table(place, name), fewest, pace, fence) for name in tables(at(place))]


@contextmanager
def maintaining(place: Place, explanation: str = BUSY) -> Iterator[Fence]:
    """Be the only one who replaces or deletes files of the warehouse at *place*, for the length of the block.

    The fence that it yields says, before something is deleted, whether that is still so. Before anything is replaced,
    what a killed expiry wrote down and didn't do is taken back: afterwards it couldn't be told from what was done.

    Raises:
        BusyError: Another process is at it; the message is *explanation*.
        WarehouseError: There is no such folder, or it can't be written.
    """
    store = at(place)
    with store.alone(MAINTENANCE, explanation) as fence:
        for name in retention.tables(store):
            retention.forget_unfinished(store, name, (f.path for f in Table(store, name).files()))
        yield fence


def expire(place: Place, before: date) -> dict[str, int]:
    """Delete the rows of all days before *before*, whole days at a time; return how many of each table.

    Offsets and the ledger stay, so nothing of it is read again, and what was deleted is written down for `verify`.
    What others add to such a day meanwhile stays.

    Raises:
        BusyError: Maintenance is under way.
        WarehouseError: A table is damaged, or can't be written; the days before stay deleted.
    """
    with maintaining(place) as fence:
        opened = [Table(place, name) for name in tables(at(place)) if name != "batches"]
        return {t.name: sum(_expire(t, day, before, fence) for day in t.days() if day < before) for t in opened}


def _expire(table: Table, day: date, before: date, fence: Fence) -> int:
    """Delete the rows of *day*; return how many. It is written down first: deleted rows can't be counted."""
    store = table.store
    for _ in range(_TRIES):
        files = [f.path for f in table.files() if f.day == str(day)]
        if not files:
            return 0
        rows = _by_source(table.scan(files))
        fence()
        retention.remember(store, table.name, before, files, rows)
        try:
            table.replace(day, pl.DataFrame())
        except Conflict:
            retention.forget_unfinished(store, table.name, files)
            continue
        except WarehouseError:
            retention.forget_unfinished(store, table.name, files)
            raise
        live = {f.path for f in table.files()}
        retention.forget_unfinished(store, table.name, live)
        if live.isdisjoint(files):
            return sum(rows.values())
    raise WarehouseError(
        f"{table.shown}: another process keeps replacing the rows of {day}; run the same command again"
    )


def _by_source(rows: pl.LazyFrame) -> dict[str, int]:
    """Return how many of *rows* each source has; those of a table without sources have none in particular."""
    source = pl.col("source_id") if "source_id" in rows.collect_schema() else pl.lit("").alias("source_id")
    return dict(rows.group_by(source).len().collect().iter_rows())


def crowded(day: date) -> int:
    """Return how many small files of *day* are worth merging while others write: fewer once the day is over."""
    return 200 if day == datetime.now(UTC).date() else 20


def small_files(table: Table) -> Counter[str]:
    """Return how many small files each day of *table* has."""
    return Counter(f.day for f in table.files() if f.bytes < SMALL_BYTES)


def _maintain(table: Table, fewest: Callable[[date], int], pace: float, fence: Fence) -> Compacted:
    before = table.files()
    days = sorted(d for d, n in small_files(table).items() if n >= fewest(date.fromisoformat(d)))
    try:
        for day in days:
            fence()
            _merge(table, day)
        table.refresh()
        after = table.files()
        fence()
        removed = remove_unlisted(table, pace)  # before the checkpoint, which forgets what was replaced long ago
        table.checkpoint()
        fence()
        removed += forget_entries(table.log, pace)
    except OSError as error:
        raise WarehouseError(explain(table.store, table.name, error)) from error
    return Compacted(table.name, len(before), len(after), sum(f.rows for f in after), removed)


def _merge(table: Table, day: str) -> None:
    """Merge the small files of *day* into files of up to `TARGET_BYTES`, a commit for each, durably."""
    table.refresh()
    for files in _bins(f for f in table.files() if f.day == day and f.bytes < SMALL_BYTES):
        try:
            table.merge(files)
        except Conflict:
            return  # another machine was first: its work is as good


def _bins(files: Iterable[DataFile]) -> Iterator[list[DataFile]]:
    """Yield *files* in groups of two or more, each of which makes one file that is large enough."""
    group: list[DataFile] = []
    for file in files:
        if sum(f.bytes for f in group) + file.bytes > TARGET_BYTES:
            yield group
            group = []
        group.append(file)
    if len(group) > 1:
        yield group


def remove_unlisted(table: Table, pace: float = 1.0) -> int:
    """Delete data files that no version lists and that nobody can need any more; return how many."""
    store, now = table.store, table.store.now()
    written_before, replaced_before = (now - age.total_seconds() / pace for age in (SAFE_AGE, REPLACED_AGE))
    found = (
        f for f in store.list(table.name) if f.name.startswith(f"{table.name}/date=") and f.name.endswith(".parquet")
    )
    there = {f.name.removeprefix(f"{table.name}/"): f.modified / 1e9 for f in found}
    table.refresh()  # after looking: what was listed meanwhile is seen
    replaced = table.log.removed(table.log.look())
    unlisted = there.keys() - {f.path for f in table.files()}
    gone = [
        path
        for path in unlisted
        if (replaced[path] / 1000 < replaced_before if path in replaced else there[path] < written_before)
    ]
    store.delete(f"{table.name}/{path}" for path in gone)
    return len(gone)


def forget_entries(log: Log, pace: float = 1.0, *, keep: int = LOG_ENTRIES) -> int:
    """Delete the entries and checkpoints that come before a checkpoint that is old enough; return how many."""
    now, look = log.store.now(), log.look()
    old, young = (now - age.total_seconds() / pace for age in (LOG_AGE, YOUNG_AGE))
    enough = max(look.entries, default=0) - keep
    for version in sorted(look.checkpoints, reverse=True):
        written = look.checkpoints[version].modified / 1e9
        if (written < old or (written < young and version <= enough)) and log.is_good(version):
            break
    else:
        return 0
    # The checkpoints first, then the oldest entry: whatever interrupts this, what is left is the end of the history.
    gone = [look.checkpoints[v].name for v in sorted(look.checkpoints, reverse=True) if v < version]
    gone += [look.entries[v].name for v in sorted(look.entries) if v < version]
    log.store.delete(gone)
    return len(gone)
