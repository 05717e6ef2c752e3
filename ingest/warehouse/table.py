"""One Delta table: append rows and offsets in one durable commit, or learn that another writer was first.

Publish order: data files, fsync, log entry, fsync. So a commit that a reader can see has its data on the disk, and
commit N is on the disk before N+1 begins: after a power cut rows and offset vanish together or not at all.
"""

import logging
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from uuid import uuid4

import polars as pl
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction

from ingest.errors import WarehouseError, one_line
from ingest.ledger import Conflict
from ingest.warehouse import delta_log
from ingest.warehouse.open_table import CHECKPOINT_EVERY, explain, snapshot
from ingest.warehouse.parquet_files import DataFile, DataFiles, listed
from ingest.warehouse.storage import local
from parsers.schema import ALL_TABLES, polars_schema

_TRIES = 5

_DOUBTED = 5
"""How many of the newest entries a process that opens a table makes durable, though who wrote them should have."""

_NO_HOOKS = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)

log = logging.getLogger(__name__)


class Table:
    """An open table: a snapshot, its offsets, and the way to commit on top of exactly that snapshot.

    The snapshot doesn't list its data files until somebody asks: adding rows needs none of them, and keeping the list
    costs each commit a third of a millisecond, twice, for each entry since the last checkpoint.
    """

    def __init__(self, folder: Path, name: str, *, made: bool = False) -> None:
        """Open the table *name* in the warehouse *folder*; *made* says that `create` has been here before.

        Raises:
            WarehouseError: There is no such table, or its log is damaged.
        """
        self.name = name
        self.path = folder / name
        self.log = self.path / "_delta_log"
        self._torn = True
        self._handle: DeltaTable
        self._listed: DeltaTable | None = None
        self._mine: int | None = None  # the newest version, if this process wrote it
        self._open()
        self._tidied = self.version
        self._synced = max(self._tidied - _DOUBTED, 0 if made else -1)  # its first entry is on the disk then
        self._files = DataFiles(self.path, ALL_TABLES[name][0].name)

    @property
    def version(self) -> int:
        """Version of the snapshot."""
        return int(self._handle.version())

    def is_the_same(self) -> bool:
        """Tell whether the folder still holds the table that was opened: another may have been made in its place."""
        now = delta_log.identity(self.log, self.version)
        if now is None:  # cleaned away while this process stood still, or never there
            return bool(snapshot(self.path).metadata().id == self._handle.metadata().id)
        return now == self._entry

    def refresh(self) -> None:
        """Move the snapshot to the newest version."""
        before, self._torn = self.version, True
        try:
            self._handle.update_incremental()
            version = self.version
            self.offsets.update(delta_log.added(self.log, before + 1, version))
            self._entry, self._torn = delta_log.identity(self.log, version), False
        except (DeltaError, WarehouseError, OSError):
            self._open()  # entries that this snapshot needs were cleaned away

    def append(self, rows: pl.DataFrame, offsets: Mapping[str, int], expected: Mapping[str, int | None]) -> None:
        """Commit *rows* and *offsets* together, durably, provided that the offsets are still as *expected*.

        Raises:
            Conflict: An offset isn't as expected, or moved on at once; refreshed offsets say what it is.
            WarehouseError: The commit failed and did not land (no space, no permission, damaged table).
        """
        for tries_left in reversed(range(_TRIES)):
            if self._torn:
                self._open()
            before = self.version
            if self._differ(expected):
                raise Conflict
            error = self._try_append(rows, offsets)
            if error is None:
                break
            # Somebody replaced rows (new prices, expiry) since this snapshot; these rows read nothing of them. Or so
            # much was committed since that the entries after this snapshot are gone.
            if not tries_left or not (isinstance(error, CommitFailedError) or self.version > before):
                if self._differ(expected):
                    raise Conflict from error
                raise WarehouseError(explain(self.path, error)) from error
        self.settle()
        if self._differ(offsets):
            # Somebody went on from here meanwhile; or this process stood still for so long, in the middle of its
            # commit, that the log went on and forgot the version that it then wrote.
            raise Conflict

    def tidy(self) -> None:
        """Write a checkpoint when it is time; what was appended can be seen already."""
        before, self._tidied = self._tidied, self.version
        if self.version // CHECKPOINT_EVERY == before // CHECKPOINT_EVERY:
            return
        try:
            self.checkpoint()
        except (DeltaError, OSError, WarehouseError) as error:
            log.warning("%s: no checkpoint yet: %s", self.path, one_line(error))  # opening takes longer until then

    def _try_append(self, rows: pl.DataFrame, offsets: Mapping[str, int]) -> Exception | None:
        """Commit on top of the snapshot, and take a new one; return why that failed, nothing of it being left."""
        before, written, batch = self.version, [], uuid4().hex
        try:
            self._sync_entries()
            written = self._files.write(rows)
            self._commit(written, offsets, batch)
        except (DeltaError, OSError, pl.exceptions.PolarsError) as error:
            self._open()
            if self._landed(batch, since=before):
                return None
            for action in written:
                (self.path / action.path).unlink(missing_ok=True)
            return error
        self.refresh()
        if self.version == before + 1:  # else others wrote some of what came since, and only the entries say which
            self._mine = self.version
        return None

    def _differ(self, expected: Mapping[str, int | None]) -> bool:
        return any(self.offsets.get(key) != value for key, value in expected.items())

    def files(self) -> list[DataFile]:
        """Return the data files of the snapshot."""
        return listed(self._with_files(), self.path)

    def scan(self, files: Sequence[str] | None = None) -> pl.LazyFrame:
        """Return the rows of the snapshot, or only those in some of its *files*, without columns that others added.

        By their paths: Polars' `scan_delta` looks for `my logs` in a folder called `my%20logs`.
        """
        columns = polars_schema(ALL_TABLES[self.name])
        paths = [self.path / each for each in (files if files is not None else [f.path for f in self.files()])]
        if not paths:
            return pl.LazyFrame(schema=columns)
        return pl.scan_parquet(
            paths, schema=columns, missing_columns="insert", extra_columns="ignore", glob=False, hive_partitioning=False
        )

    def days(self) -> list[date]:
        """Return the UTC dates that the snapshot has rows of, in order."""
        return sorted({date.fromisoformat(f.path.split("/")[0].removeprefix("date=")) for f in self.files()})

    def read(self, day: date) -> pl.DataFrame:
        """Return the rows of *day* in the snapshot, with all columns, in the order of its files."""
        files = (self.path / f.path for f in self.files() if f.path.startswith(f"date={day}/"))
        return pl.concat((pl.read_parquet(f, glob=False, hive_partitioning=False) for f in files), how="diagonal")

    def replace(self, day: date, rows: pl.DataFrame) -> None:
        """Put *rows* in the place of those that the snapshot has of *day*, durably. What others add stays.

        Raises:
            Conflict: Another writer replaced files of that day; the snapshot is new.
            WarehouseError: It can't be written.
        """
        written, listed, batch = [], self._with_files(), uuid4().hex
        try:
            written = self._files.write(rows)
            listed.create_write_transaction(
                written,
                mode="overwrite",
                schema=self._handle.schema(),
                partition_by=["date"],
                partition_filters=[("date", "=", str(day))],
                commit_properties=CommitProperties(custom_metadata={delta_log.BATCH: batch}),
                post_commithook_properties=_NO_HOOKS,
            )
        except (DeltaError, OSError, pl.exceptions.PolarsError) as error:
            before = self.version
            self._open()
            if not self._landed(batch, since=before):
                for action in written:
                    (self.path / action.path).unlink(missing_ok=True)
                if isinstance(error, CommitFailedError):
                    raise Conflict from error
                raise WarehouseError(explain(self.path, error)) from error
        else:
            self.refresh()
        self.settle()

    def settle(self) -> None:
        """Make the snapshot durable, whoever wrote what it lists, before anything is built on it.

        Raises:
            WarehouseError: The disk doesn't take it.
        """
        try:
            self._sync_entries()
        except OSError as error:
            raise WarehouseError(explain(self.path, error)) from error

    def _with_files(self) -> DeltaTable:
        """Return the snapshot with the list of its files."""
        if self._listed is None or self._listed.version() != self.version:
            self._listed = snapshot(self.path, version=self.version, without_files=False)
        return self._listed

    def checkpoint(self) -> None:
        """Write a checkpoint, so that opening the table stays quick however long its history."""
        self._handle.create_checkpoint()
        local.sync(self.log.glob(f"{self.version:020}.checkpoint*.parquet"))
        self._handle = snapshot(self.path, self.version)  # one that lives for ever grows for ever

    def _open(self) -> None:
        handle = snapshot(self.path)
        version = int(handle.version())
        # Both or neither: a new snapshot with old offsets would let a commit through that must lose.
        self._handle, self.offsets = handle, delta_log.transactions(self.log, version)
        self._entry, self._torn = delta_log.identity(self.log, version), False

    def _sync_entries(self) -> None:
        """Make the entries of the snapshot durable, and the files that they add, unless this process has seen to those.

        The last entries may be of writers that died before they could; those before them were synced by whoever added
        the ones after them. The same holds for the newest checkpoint.
        """
        if self._synced == self.version:
            return
        entries, added = delta_log.written(self.log, self._synced + 1, self.version, but=self._mine)
        newest = [] if self._files.own else delta_log.checkpoints(self.log)[:1]
        if others := added - self._files.own:
            local.sync([self.path / path for path in others])
            local.sync_folder(self.path)
        local.sync([*entries, *newest])
        self._synced = self.version
        self._files.own.clear()

    def _landed(self, batch: str, *, since: int) -> bool:
        """Tell whether the commit of *batch*, which raised, is in the log after all: another writer's looks alike."""
        there = (v for v in range(since + 1, self.version + 1) if delta_log.entry(self.log, v).exists())
        return any(delta_log.batch_of(self.log, version) == batch for version in there)

    def _commit(self, actions: list[AddAction], offsets: Mapping[str, int], batch: str) -> None:
        self._handle.create_write_transaction(
            actions,
            mode="append",
            schema=self._handle.schema(),
            partition_by=["date"],
            commit_properties=CommitProperties(
                app_transactions=[Transaction(k, v) for k, v in offsets.items()],
                custom_metadata={delta_log.BATCH: batch},
            ),
            post_commithook_properties=_NO_HOOKS,
        )
