"""The warehouse: the tables, and the one way to add to it.

Rows and offset of a source become visible together. A new source is named first, by a commit of its own. Then
`llm_events`, `rejects` and `batches` commit and drop what lies below an offset of their own; `llm_calls` commits last
and for every batch, so its offset is where a source resumes. Each commit is a compare-and-swap: of two writers that
read the same bytes one wins, the other learns it.
"""

import contextlib
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple

import polars as pl

from ingest.ledger import FRAMES, HOST, TELLS, Batch, Conflict, Copy, Position, host_of, marked, tail_hash
from ingest.warehouse import doubtful, retention
from ingest.warehouse.open_table import make_ready
from ingest.warehouse.storage.locks import WRITERS
from ingest.warehouse.storage.store import Held, Place
from ingest.warehouse.table import Table
from parsers.rows.same_call import told_apart
from parsers.schema import BATCHES, TABLES, conform, polars_schema, stacked

_TAIL = "#tail"
_BORN = "#born"
_MISSING = "#missing"
_TURN = "#turn"
_OBJECT = "#object"
_CALLS = "llm_calls"
_FIRST = ("llm_events", "rejects", "batches")
_LEDGER = polars_schema(BATCHES)
_TOLD = ("source_id", "source_path", "start_offset", "end_offset", "digest", "tail", "unread")
_NOTHING = tail_hash(b"")


class Warehouse:
    """An open warehouse. Not for sharing between threads; any number of processes may have it open."""

    def __init__(self, place: Place, *, make: bool = False, host: str | None = None) -> None:
        """Open the warehouse at *place*; with *make*, create what is missing.

        Where other machines write to it too, *host* is part of the names of the sources, and only its own are known.

        Raises:
            WarehouseError: It isn't there, can't be written, or is damaged.
        """
        self._is_held: Held | None = None
        if make:
            states, self._is_held = make_ready(place, list(TABLES), self)
            self.tables = {state.log.table: Table(place, state.log.table, state) for state in states}
        else:
            self.tables = {name: Table(place, name) for name in TABLES}
        self.store = self.tables[_CALLS].store
        self._host = (host if self.store.shared else None) or ""
        self._ends = -1, pl.DataFrame()
        self._indistinct = -1, frozenset[str]()
        self.hosts: Sequence[str] = [self._host]
        self._meet_hosts()

    def _meet_hosts(self) -> None:
        """Where no host was named, a file may be a source of any; "" is first, for those of none."""
        if self.store.shared and not self._host:
            self.hosts = ["", *sorted({host for name in self.sources() if (host := host_of(name))})]

    def _is_ours(self, source_id: str) -> bool:
        return not self._host or host_of(source_id) == self._host

    def position(self, source_id: str) -> Position | None:
        """Return where *source_id* resumes; None when the warehouse doesn't know it."""
        offsets = self.tables[_CALLS].offsets
        if source_id not in offsets:
            return None
        return Position(offsets[source_id], offsets[source_id + _TAIL])

    def sources(self) -> dict[str, Position]:
        """Return every source that the warehouse knows, with where it resumes."""
        offsets = self.tables[_CALLS].offsets
        return {s: Position(at, offsets[s + _TAIL]) for s, at in offsets.items() if is_source(s) and self._is_ours(s)}

    def births(self, family: str) -> int:
        """Return how often sources whose first line is *family* were named."""
        return self.tables[_CALLS].offsets.get(family + _BORN, 0)

    def turns(self, name: str) -> int:
        """Return how often the document called *name* was taken up."""
        return self.tables[_CALLS].offsets.get(name + _TURN, 0)

    def refresh(self) -> None:
        """See what other writers have committed."""
        self.tables[_CALLS].refresh()
        self._meet_hosts()

    def secure(self) -> None:
        """Make durable what is known to be there, though others have written it: only then may anybody rely on it.

        Raises:
            WarehouseError: The disk doesn't take it.
        """
        for table in self.tables.values():
            table.settle()

    def boundaries(self, source_ids: Collection[str]) -> list[tuple[str, Position]]:
        """Return the ends of all batches of *source_ids* with their tail hashes, the nearest first."""
        mine = self._batches().filter(pl.col("source_id").is_in(list(source_ids))).sort("end_offset")
        return [(name, Position(*end)) for name, *end in mine.select("source_id", "end_offset", "tail").iter_rows()]

    def labels(self) -> dict[str, list[str]]:
        """Return under which paths each source was read, the last path last; the source that was read last is last."""
        if not self.tables[_CALLS].offsets:
            return {}  # a new warehouse has no batches worth a look
        order = self._batches().sort("committed_at", "end_offset").with_row_index()
        paths = order.group_by("source_id", "source_path").agg(pl.col("index").max()).sort("index")
        found: dict[str, list[str]] = {}
        for source, path in paths.select("source_id", "source_path").iter_rows():
            if self._is_ours(source):
                found[source] = [*found.pop(source, ()), path]
        return found

    def missing(self) -> dict[str, int]:
        """Return of which sources nothing was found that goes on where they ended, and how many bytes that may be."""
        offsets = self.tables[_CALLS].offsets
        return {key.removesuffix(_MISSING): size for key, size in offsets.items() if key.endswith(_MISSING) and size}

    def _batches(self) -> pl.DataFrame:
        """Return of each batch whose it is, under which path, and where it ends: one look at the ledger serves many."""
        table = self.tables["batches"]
        table.refresh()
        if self._ends[0] != table.version:
            columns = table.scan().select("committed_at", "source_id", "source_path", "end_offset", "tail")
            self._ends = table.version, columns.collect()
        return self._ends[1]

    def taken(self, source_id: str, since: datetime) -> pl.DataFrame:
        """Return `created_at` and `dedupe_key` of the calls of *source_id* from *since* on."""
        calls = self.tables[_CALLS]
        calls.refresh()  # the files of an old snapshot may be gone
        mine = calls.scan().filter((pl.col("source_id") == source_id) & (pl.col("created_at") >= since))
        return mine.select("created_at", "dedupe_key").collect()

    def marks(self, source_ids: Sequence[str], start: int) -> pl.DataFrame:
        """Return `source_id`, `source_offset` and `mark` of the records of *source_ids* from *start* on."""
        return self._marks(pl.col("source_id").is_in(source_ids) & (pl.col("source_offset") >= start))

    def marks_under(self, paths: Collection[str]) -> pl.DataFrame:
        """Return `source_id`, `source_path` and `mark` of all records that were read under one of *paths*."""
        ours = pl.col("source_id").str.ends_with(f"{HOST}{self._host}") if self._host else pl.lit(value=True)
        return self._marks(pl.col("source_path").is_in(list(paths)) & ours, pl.col("source_path"))

    def _marks(self, wanted: pl.Expr, *more: pl.Expr) -> pl.DataFrame:
        found = []
        for name in ("llm_calls", "llm_events", "rejects"):
            self.tables[name].refresh()  # the files of an old snapshot may be gone
            found.append(marked(name, self.tables[name].scan().filter(wanted), *more))
        return pl.concat(pl.collect_all(found))

    def is_indistinct(self, source_id: str) -> bool:
        """Tell whether *source_id* has calls, and none says a time or an identifier: another log may hold the same."""
        calls = self.tables[_CALLS]
        if self._indistinct[0] != calls.version:
            calls.refresh()  # the files of an old snapshot may be gone
            told = calls.scan().group_by("source_id").agg(TELLS.any().alias("told"))
            found = told.filter(~pl.col("told")).select("source_id").collect().to_series()
            self._indistinct = calls.version, frozenset(found)
        return source_id in self._indistinct[1]

    def copies(self) -> Mapping[str, Copy]:
        """Return the files that were taken for copies of sources that are indistinct, by their paths."""
        noted = doubtful.read(self.store)
        return doubtful.still(noted, self.labels()) if noted else {}

    def note_copies(self, copies: Mapping[str, Copy]) -> None:
        """Remember that files, by their paths, were taken for *copies*.

        Raises:
            WarehouseError: It can't be written down.
        """
        doubtful.remember(self.store, copies)

    def objects(self) -> Mapping[str, int]:
        """Return the stamps of objects of buckets that were read to their ends, by their addresses."""
        offsets = self.tables[_CALLS].offsets
        return {key.removesuffix(_OBJECT): stamp for key, stamp in offsets.items() if key.endswith(_OBJECT)}

    def note_objects(self, stamps: Mapping[str, int]) -> None:
        """Remember that objects, by their addresses, were read as they were when they had these *stamps*.

        Raises:
            WarehouseError: It can't be written down.
        """
        with contextlib.suppress(Conflict):  # somebody has read a newer one
            offsets = {address + _OBJECT: stamp for address, stamp in stamps.items()}
            self.tables[_CALLS].append(pl.DataFrame(), offsets, {})

    def kept_since(self, source_ids: Sequence[str]) -> date | None:
        """Return the day before which rows of *source_ids* may have been taken out; None if none were."""
        return retention.kept_since(self.store, source_ids)

    def commit(self, batches: Sequence[Batch]) -> None:
        """Add *batches*, of different sources, in one commit of each table, durably.

        Raises:
            Conflict: Another writer moved one of the sources; read `position` again. Nothing was added twice.
            WarehouseError: Nothing more can be written now; the same batches may be tried again.
        """
        if not self._is_the_same():
            self._open_another()
            raise Conflict
        calls = self.tables[_CALLS]
        if claimed := [b for b in batches if b.start is None or b.turn]:
            self._name(claimed)
        expected = {b.source_id: b.start or 0 for b in batches}
        expected |= {b.turn.name + _TURN: b.turn.number + 1 for b in batches if b.turn}
        if any(calls.offsets.get(key) != value for key, value in expected.items()):
            raise Conflict
        rows = _Rows.of(batches)
        for name in _FIRST:
            _append_new(self.tables[name], batches, rows)
        offsets = {b.source_id: b.end for b in batches} | {b.source_id + _TAIL: b.tail for b in batches}
        offsets |= {b.source_id + _MISSING: 0 for b in batches if calls.offsets.get(b.source_id + _MISSING)}
        offsets |= {source + _MISSING: size for b in batches for source, size in b.missing.items()}
        calls.append(rows.calls, offsets, expected)
        for table in self.tables.values():
            table.tidy()

    def _is_the_same(self) -> bool:
        """Tell whether the folder is still what was opened: it may have been deleted and made again, or emptied."""
        asked = {table.newest: table for table in self.tables.values() if table.may_be_another}
        if self._is_held is not None and not self._is_held():
            return False
        found = self.store.find(*asked)
        return all(map(Table.is_the_same, asked.values(), map(found.get, asked)))

    def _open_another(self) -> None:
        """Open what is there since the folder was deleted and made again: what the old tables said is void."""
        self.tables = {name: Table(self.store, name) for name in TABLES}
        self._ends = -1, pl.DataFrame()
        self._indistinct = -1, frozenset()
        self._is_held = self.store.join(WRITERS, self)

    def _name(self, batches: Sequence[Batch]) -> None:
        """Make the names of new sources known before any of their rows, one writer at a time per first line.

        Two writers that meet a growing file at different lengths name it by different heads, and neither name would
        conflict with the other. What they share is the first line. Documents take their turns, new or not.
        """
        calls, new = self.tables[_CALLS], [b for b in batches if b.start is None]
        offsets = {b.source_id: 0 for b in new} | {b.source_id + _TAIL: _NOTHING for b in new}
        expected: dict[str, int | None] = {b.source_id: None for b in new}
        for batch in new:
            if batch.family:
                offsets[batch.family + _BORN] = batch.births + 1
                expected[batch.family + _BORN] = batch.births or None
        for turn in [b.turn for b in batches if b.turn]:
            offsets[turn.name + _TURN] = turn.number + 1
            expected[turn.name + _TURN] = turn.number or None
        calls.append(pl.DataFrame(), offsets, expected)


def is_source(key: str) -> bool:
    """Tell whether the transaction id *key* is the offset of a source, not something else that is known of one."""
    return not key.endswith((_TAIL, _BORN, _MISSING, _TURN, _OBJECT))


class _Rows(NamedTuple):
    """What batches add to each table but the ledger, all of it as one frame a table."""

    calls: pl.DataFrame
    events: pl.DataFrame
    rejects: pl.DataFrame

    @classmethod
    def of(cls, batches: Sequence[Batch]) -> "_Rows":
        """Return what *batches* add."""
        calls, *others = (stacked([getattr(b, name) for b in batches], table) for name, table in FRAMES.items())
        return cls(told_apart(calls), *others)

    def beyond(self, offsets: Mapping[str, int]) -> "_Rows":
        """Return the rows that lie at or behind the *offsets* of their sources."""
        at = pl.col("source_id").replace_strict(offsets, return_dtype=pl.Int64)
        return _Rows(*(frame.filter(pl.col("source_offset") >= at) for frame in self))


def _append_new(table: Table, batches: Sequence[Batch], rows: _Rows) -> None:
    """Append what *batches*, which hold *rows*, add to *table* beyond its own offsets: a crash may have left it ahead.

    What lies beyond a table's own offset is all of a batch, unless another writer has cut elsewhere.
    """
    while True:
        own = {b.source_id: table.offsets.get(b.source_id) for b in batches}
        starts = {b.source_id: max(own[b.source_id] or 0, b.start or 0) for b in batches}
        owed = [b for b in batches if starts[b.source_id] < b.end]
        whole = all(starts[b.source_id] == (b.start or 0) for b in batches)
        lacking = rows if whole else rows.beyond(starts)
        if table.name == "batches":
            new = _ledger(owed, starts, lacking)
        else:
            new = lacking.events if table.name == "llm_events" else lacking.rejects
            having = set(new["source_id"].unique())
            owed = [b for b in owed if b.source_id in having]
        if new.is_empty():
            table.settle()  # what is there already may be of a writer that died before it was durable
            return
        offsets = {b.source_id: b.end for b in owed}
        try:
            table.append(new, offsets, {source_id: own[source_id] for source_id in offsets})
        except Conflict:
            table.refresh()
        else:
            return


def _ledger(batches: Sequence[Batch], starts: Mapping[str, int], rows: _Rows) -> pl.DataFrame:
    """Return the rows of the ledger for *batches*, each of a source of its own, from its *starts* on."""
    whole = [starts[b.source_id] == (b.start or 0) for b in batches]
    entries = pl.DataFrame(
        {
            "source_id": [b.source_id for b in batches],
            "source_path": [b.source_path for b in batches],
            "start_offset": [starts[b.source_id] for b in batches],
            "end_offset": [b.end for b in batches],
            "digest": [b.digest if all_of_it else None for b, all_of_it in zip(batches, whole, strict=True)],
            "tail": [b.tail for b in batches],
            "unread": [b.unread if all_of_it else None for b, all_of_it in zip(batches, whole, strict=True)],
        },
        schema={name: _LEDGER[name] for name in _TOLD},
    )
    of_source = pl.col("source_id")
    names = pl.concat([frame.select(of_source, "format") for frame in rows]).drop_nulls().unique()
    calls = rows.calls.group_by(of_source).agg(
        calls=pl.len(),
        sums=pl.len() - (pl.col("requests") == 1).sum(),
        superseded=pl.col("superseded").sum(),
        first_at=pl.col("created_at").min(),
        last_at=pl.col("created_at").max(),
    )
    parts = [
        names.group_by(of_source).agg(pl.col("format").sort().str.join(",")),
        calls,
        rows.events.group_by(of_source).agg(events=pl.len()),
        rows.rejects.group_by(of_source).agg(rejects=pl.len()),
    ]
    for part in parts:
        entries = entries.join(part, on="source_id", how="left", maintain_order="left")
    counts = pl.col("calls", "events", "rejects", "sums", "superseded").fill_null(0)
    return conform(entries.with_columns(counts, committed_at=datetime.now(UTC)), BATCHES)
