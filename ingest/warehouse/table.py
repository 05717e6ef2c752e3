"""One Delta table: append rows and offsets in one durable commit, or learn that another writer was first.

Publish order: data files, fsync, log entry, fsync; in a bucket, each a PUT that returned. So a commit that a reader can
see has its data, and commit N is durable before N+1 begins: after a power cut rows and offset vanish together or not at
all. An entry is put where none is yet: of two that try the same version one is first, and the other looks at what that
one did before it tries the next.
"""

import logging
import random
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from types import MappingProxyType
from urllib.parse import unquote
from uuid import uuid4

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from ingest.errors import WarehouseError, one_line
from ingest.ledger import Conflict
from ingest.warehouse.delta_log import Action, Log, Look, State, text_of
from ingest.warehouse.open_table import CHECKPOINT_EVERY, explain, looked_at, opened
from ingest.warehouse.parquet_files import DataFile, DataFiles, described, removal
from ingest.warehouse.storage.store import Found, Place, at
from parsers.schema import ALL_TABLES, polars_schema

_TRIES = 100
"""How often a commit that disturbs no other is tried again because others were quicker."""

_PATIENT = 3
_WAIT = 0.02
"""After so many tries it waits between two, for up to so many seconds for each that there was."""

_DOUBTED = 5
"""How many of the newest entries a process that opens a table makes durable, though who wrote them should have."""

_FRESH_SECONDS = 120.0
"""How long a snapshot of a bucket is surely followed by the next version: entries are kept for much longer."""

_now = partial(time.clock_gettime, getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
"""Returns seconds that pass also while the machine sleeps."""

log = logging.getLogger(__name__)


class Table:
    """An open table: a snapshot, its offsets, and the way to commit on top of exactly that snapshot.

    The snapshot doesn't list its data files until somebody asks: adding rows needs none of them.
    """

    def __init__(self, place: Place, name: str, state: State | None = None) -> None:
        """Open the table *name* in the warehouse at *place*; *state* is what its log says, if it was made ready.

        Raises:
            WarehouseError: There is no such table, or its log is damaged.
        """
        self.name = name
        self.log = state.log if state else Log(at(place), name)
        self.store = self.log.store
        self.version: int
        self.offsets: dict[str, int]
        self.newest: str
        self._state: State
        self._tag: str | None
        self._looked: float
        self._torn = True
        self._live: tuple[int, dict[str, Action]]
        self._open(state)
        self._tidied = self.version
        self._synced = max(self._tidied - _DOUBTED, 0 if state else -1)  # its first entry is on the disk then
        self._files = DataFiles(self.store, name, ALL_TABLES[name][0].name)

    @property
    def shown(self) -> str:
        """How messages call it."""
        return self.store.shown(self.name)

    @property
    def may_be_another(self) -> bool:
        """Whether it takes a look at the entry called `newest` to know that this is the table that was opened."""
        return not self._is_fresh()

    def is_the_same(self, newest: Found | None) -> bool:
        """Tell whether this is still the table that was opened, as its entry called `newest` is now what it says."""
        self._looked = _now()
        if newest is None:  # cleaned away while this process stood still, or never there
            before = self._state.metadata["id"]
            self._open()
            return bool(self._state.metadata["id"] == before)
        return newest.tag == self._tag

    def refresh(self) -> None:
        """Move the snapshot to the newest version."""
        before, self._torn = self.version, True
        try:
            look = self.log.look(since=before)
            if before not in look.entries:
                raise FileNotFoundError(before)  # as below
            self.offsets.update(self.log.added(before + 1, look.newest))
        except (WarehouseError, OSError):
            self._open()  # entries that this snapshot needs were cleaned away
        else:
            self._moved_to(look.newest, look)

    def append(self, rows: pl.DataFrame, offsets: Mapping[str, int], expected: Mapping[str, int | None]) -> None:
        """Commit *rows* and *offsets* together, durably, provided that the offsets are still as *expected*.

        Raises:
            Conflict: An offset isn't as expected; the refreshed offsets say what it is.
            WarehouseError: The commit failed, and did not land (no space, no permission, damaged table) but for an
                `UnsureError`: then the same may be tried again, and conflicts with itself if it did.
        """
        self._change(lambda: self._files.write(rows), offsets, expected)

    def replace(self, day: date, rows: pl.DataFrame) -> None:
        """Put *rows* in the place of those that the snapshot has of *day*, durably. What others add stays.

        Raises:
            Conflict: Another writer replaced files of that day; the snapshot is new.
            WarehouseError: It can't be written.
        """
        gone = [file for file in self.files() if file.day == str(day)]
        self._change(lambda: self._files.write(rows), gone=gone)

    def merge(self, files: Sequence[DataFile]) -> None:
        """Put one file with the same rows in the place of *files*, which are of one day, durably.

        Raises:
            Conflict: Another writer replaced one of them; the snapshot is new.
            WarehouseError: It can't be written.
        """
        paths = self._paths([file.path for file in files])
        rows = [pl.scan_parquet(path, glob=False, hive_partitioning=False) for path in paths]
        self._change(lambda: [self._files.merge(files, rows)], gone=files, data_change=False)

    def tidy(self) -> None:
        """Write a checkpoint when it is time; what was appended can be seen already."""
        before, self._tidied = self._tidied, self.version
        if self.version // CHECKPOINT_EVERY == before // CHECKPOINT_EVERY:
            return
        try:
            self.checkpoint()
        except WarehouseError as error:
            log.warning("%s: no checkpoint yet: %s", self.shown, one_line(error))  # opening takes longer until then

    def files(self) -> list[DataFile]:
        """Return the data files of the snapshot."""
        return [described(add, self.store, self.name) for add in self._adds().values()]

    def scan(self, files: Sequence[str] | None = None) -> pl.LazyFrame:
        """Return the rows of the snapshot, or only those in some of its *files*, without columns that others added."""
        columns = polars_schema(ALL_TABLES[self.name])
        paths = self._paths(files if files is not None else [f.path for f in self.files()])
        if not paths:
            return pl.LazyFrame(schema=columns)
        return pl.scan_parquet(
            paths, schema=columns, missing_columns="insert", extra_columns="ignore", glob=False, hive_partitioning=False
        )

    def days(self) -> list[date]:
        """Return the UTC dates that the snapshot has rows of, in order."""
        return sorted({date.fromisoformat(file.day) for file in self.files()})

    def read(self, day: date) -> pl.DataFrame:
        """Return the rows of *day* in the snapshot, with all columns, in the order of its files."""
        paths = self._paths([f.path for f in self.files() if f.day == str(day)])
        return pl.concat((pl.read_parquet(p, glob=False, hive_partitioning=False) for p in paths), how="diagonal")

    def settle(self) -> None:
        """Make the snapshot durable, whoever wrote what it lists, before anything is built on it.

        Raises:
            WarehouseError: The disk doesn't take it.
        """
        try:
            self._sync_entries()
        except OSError as error:
            raise WarehouseError(explain(self.store, self.name, error)) from error

    def checkpoint(self) -> None:
        """Write a checkpoint, so that opening the table stays quick however long its history.

        Raises:
            WarehouseError: It can't be written.
        """
        look = looked_at(self.log)
        base = max(look.checkpoints, default=-1)
        self.store.prune(self.log.folder)
        needed = [self.log.entry(version) for version in range(base + 1, look.newest + 1)]
        self.store.fetch([*needed, *([self.log.checkpoint(base)] if base >= 0 else [])])
        try:
            handle = DeltaTable(str(self.store.folder / self.name), without_files=True)
            handle.create_checkpoint()
            self.store.keep([self.log.checkpoint(int(handle.version())), self.log.hint])
        except (DeltaError, OSError) as error:
            raise WarehouseError(explain(self.store, self.name, error)) from error

    def _change(
        self,
        write: Callable[[], list[Action]],
        offsets: Mapping[str, int] = MappingProxyType({}),
        expected: Mapping[str, int | None] = MappingProxyType({}),
        *,
        gone: Sequence[DataFile] = (),
        data_change: bool = True,
    ) -> None:
        """Commit what *write* writes in the place of the files *gone*, and *offsets*, if all is as *expected*; durably.

        Raises:
            Conflict: It isn't, or somebody replaced one of those files.
            WarehouseError: The commit failed, and nothing of it is left.
        """
        written: list[Action] | None = None
        batch, now = uuid4().hex, self.store.now() if gone else 0.0
        removed = [removal(file, now, data_change=data_change) for file in gone]
        for turn in range(_TRIES):
            if self._torn:
                self._open()
            if self._differ(expected) or self._lacks(gone):
                self._files.drop(written or ())
                raise Conflict
            try:
                self._sync_entries()
                written = write() if written is None else written
                entry = self.log.entry(self.version + 1)
                tag = self.store.put_if_absent(entry, text_of([*removed, *written], offsets, "WRITE", batch))
            except (OSError, pl.exceptions.PolarsError) as error:
                self._open()
                self._files.drop(written or ())
                if self._differ(expected):
                    raise Conflict from error
                raise WarehouseError(explain(self.store, self.name, error)) from error
            if tag is not None:
                # Entries are forgotten in their order: while the one before is there, this one counts. Else this
                # process stood still for so long that the log may have forgotten another of this version.
                if (self.store.shared and self._is_fresh()) or self._tag == _tag_of(self.store.find(self.newest)):
                    self._moved_on(entry, tag, offsets)
                    return
                written = None  # what is listed now may count, so nobody drops it; maintenance does, if it doesn't
            if turn > _PATIENT:
                time.sleep(random.uniform(0, _WAIT * turn))  # noqa: S311 # so that not all try again at once
            self.refresh()
        raise WarehouseError(f"{self.shown}: others commit without end; commit less often (--interval)")

    def _moved_on(self, entry: str, tag: str, offsets: Mapping[str, int]) -> None:
        """Have the snapshot be what this process has put, durably, on top of the durable one before."""
        self.offsets.update(offsets)
        self.version, self.newest, self._tag, self._looked = self.version + 1, entry, tag, _now()
        self._synced = self.version
        self._files.own.clear()

    def _is_fresh(self) -> bool:
        """Tell whether a bucket's log surely knows the snapshot: a look costs a request there, and none in a folder."""
        return self.store.shared and _now() - self._looked < _FRESH_SECONDS

    def _differ(self, expected: Mapping[str, int | None]) -> bool:
        return any(self.offsets.get(key) != value for key, value in expected.items())

    def _lacks(self, files: Collection[DataFile]) -> bool:
        return bool(files) and not {file.path for file in files} <= {unquote(path) for path in self._adds()}

    def _adds(self) -> dict[str, Action]:
        """Return what added each data file of the snapshot."""
        last, live = self._live
        if last != self.version:
            try:
                if last < 0:
                    raise FileNotFoundError  # noqa: TRY301 # there is nothing to go on from
                live = self.log.later(live, last + 1, self.version)
            except (WarehouseError, FileNotFoundError):
                look = self._state.look if self._state.look.newest == self.version else self.log.look()
                live = self.log.live(look, self.version)
            self._live = self.version, live
        return live

    def _paths(self, files: Iterable[str]) -> list[Path]:
        names = [f"{self.name}/{path}" for path in files]
        self.store.fetch(names)
        return [self.store.file(name) for name in names]

    def _open(self, state: State | None = None) -> None:
        # All or nothing: a new snapshot with old offsets would let a commit through that must lose.
        self._state = state or opened(self.log)
        self.offsets = dict(self._state.offsets)
        self._moved_to(self._state.look.newest, self._state.look)
        self._live = -1, {}

    def _moved_to(self, version: int, look: Look) -> None:
        self.version, self._looked, self._torn = version, _now(), False
        entry = look.entries.get(version)
        self.newest, self._tag = (entry.name, entry.tag) if entry else (self.log.entry(version), None)

    def _sync_entries(self) -> None:
        """Make the entries of the snapshot durable, and the files that they add, unless this process has seen to those.

        The last entries may be of writers that died before they could; those before them were synced by whoever added
        the ones after them. The same holds for the newest checkpoint. In a bucket what can be seen is durable.
        """
        if self.store.shared or self._synced == self.version:
            return
        look = self.log.look()
        there = {version: each for version, each in look.entries.items() if self._synced < version <= self.version}
        added = {path for version in there for path in self.log.adding(version)}
        if others := added - self._files.own:
            self.store.settle([f"{self.name}/{unquote(path)}" for path in others], self.name)
        saved = [look.checkpoints[version].name for version in sorted(look.checkpoints)[-1:]]
        self.store.settle([*(each.name for each in there.values()), *saved])
        self._synced = self.version
        self._files.own.clear()


def _tag_of(found: Mapping[str, Found]) -> str | None:
    """Return the tag of the one that was *found*; None for none."""
    return next((each.tag for each in found.values()), None)
