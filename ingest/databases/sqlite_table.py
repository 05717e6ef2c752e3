"""Tables of SQLite files, read while the application writes them.

The file is opened read-only; each read is one short transaction, so writers never wait for us and the write-ahead
log can be truncated. SQLite has one writer at a time, so rows of a numbered table appear in the order of their numbers:
its position is the last number plus one. Other tables (text keys, or rows that change) are read by the time of their
rows: the position is that time in microseconds since 1970. Times are not the order in which rows appear, so the first
look of a process compares all rows with those in the warehouse, and later looks those of the last `OVERLAP`: a row is
missed only while it appears more than that after the time that it carries, and the next start brings it.

A database has no name of its own and paths change, so a table is known by its first row; when that was deleted, by the
last row that was read. Rows that vanish stay in the warehouse.
"""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import polars as pl
import xxhash

from ingest.databases.detect import is_sqlite
from ingest.databases.sqlite_file import SqliteFile
from ingest.databases.table_source import CHUNK, Chunk, Place, as_text, quoted
from ingest.errors import SourceError
from ingest.ledger import Ledger, Position
from parsers.blocks.format import Beside, Known
from parsers.values.lenient import time as read_time

OVERLAP = 3_600_000_000
"""How far back, in microseconds, a look compares the rows of a table that is read by time."""


class SqliteTable:
    """One known table of a SQLite file."""

    def __init__(self, file: SqliteFile, table: str, known: Known, columns: list[str]) -> None:
        """Read *table*, which has *columns*, of *file* as *known*."""
        self.label = f"{file.path}#{table}"
        self.known = known
        self.folder = file.path.absolute().parent.name
        self._file = file
        self._table = known.query or quoted(table)
        self._reads = [c for c in known.reads if known.query or c in columns]
        self._time = (
            f"cast(coalesce({', '.join(quoted(c) for c in known.times if known.query or c in columns)}, null) as text)"
        )
        self._key = f"cast({quoted(known.query_key or known.key)} as text)"
        ((numbers,),) = file.ask(
            "select count(*) from pragma_table_info(?) where name = ? and pk = 1 and upper(type) = 'INTEGER'",
            (table, known.key),
        )
        self._numbered = bool(numbers) and not known.rewritten
        self._seen: int | None = None
        self._compared = False

    def changed(self) -> bool:
        """Tell whether the file was written since the last look."""
        return self._seen != self._file.version()

    def related(self, beside: Beside, keys: list[str]) -> pl.DataFrame:
        """Return the rows of the other table, of this file or of the nearest one above, that have one of *keys*."""
        if not beside.database:
            return _rows_of(self._file, beside, keys)
        for parent in list(self._file.path.absolute().parents)[:4]:
            if is_sqlite(parent / beside.database):
                above = SqliteFile(parent / beside.database)
                try:
                    return _rows_of(above, beside, keys)
                finally:
                    above.close()
        return pl.DataFrame()

    def locate(self, ledger: Ledger) -> Place | None:
        """Find the source by its first row, else by the last row that was read; a new one must be undamaged."""
        self._version = self._file.version()
        first = self._file.ask(f"select {self._key}, {self._time} from {self._table} order by rowid limit 1")  # noqa: S608 # quoted names
        if not first:
            self._seen = self._version
            return None
        kind = f"sqlite:{self.known.name}:"
        parts = [kind, str(first[0][0])]
        if not self.known.global_keys:
            parts.append(self.folder if self.known.folder else str(first[0][1]))
        source_id = kind + xxhash.xxh3_128_hexdigest("\n".join(parts).encode())
        position = ledger.position(source_id)
        if position is None:
            others = {s: p for s, p in ledger.sources().items() if s.startswith(kind)}
            if found := self._read_last(others):
                return Place(found, others[found], found)
            self._check()
        return Place(source_id, position, source_id)

    def chunks(self, place: Place, ledger: Ledger) -> Iterator[Chunk]:
        """Yield the rows that are done and not in the warehouse."""
        if self._numbered:
            yield from self._by_number(place.position.offset if place.position else 0)
        else:
            yield from self._by_time(place, ledger)
        self._seen, self._compared = self._version, True

    def _by_number(self, start: int) -> Iterator[Chunk]:
        number = quoted(self.known.key)
        while True:
            rows = self._rows(f"{number} >= ? order by {number} limit {CHUNK}", number, start)
            if rows.is_empty():
                return
            last = rows.row(-1, named=True)
            start = last["position"] + 1
            yield Chunk(rows, start, _mark(last["position"], last["row_key"], last["row_time"]))

    def _by_time(self, place: Place, ledger: Ledger) -> Iterator[Chunk]:
        since = max(0, place.position.offset - OVERLAP) if place.position and self._compared else 0
        there = self._times().filter(pl.col("position") >= since)
        if place.position:
            there = self._unknown(there, ledger.taken(place.source_id, datetime.fromtimestamp(since / 1e6, UTC)))
        # A row of the future must not hide those that come before it is due.
        now = time.time_ns() // 1000
        for part in there.sort("position", "rowid").iter_slices(CHUNK):
            wanted = json.dumps(part["rowid"].to_list())
            rows = self._rows("rowid in (select value from json_each(?)) order by rowid", "rowid", wanted)
            placed = rows.drop("position").with_columns(position=_micros(pl.col("row_time"))).sort("position")
            last = part.row(-1, named=True)
            mark = _mark(last["position"], last["row_key"], last["row_time"])
            yield Chunk(placed, min(last["position"], now) + 1, mark)

    def _unknown(self, there: pl.DataFrame, taken: pl.DataFrame) -> pl.DataFrame:
        """Return the rows of *there* that aren't among the calls *taken*: other keys, and later forms of rows."""
        same = taken.select(row_key=pl.col("dedupe_key").str.extract(r"([^/]*)$", 1), at="created_at")
        if not self.known.rewritten:
            return there.join(same, on="row_key", how="anti")
        timeless = there.filter(pl.col("position") == 0).join(same, on="row_key", how="anti")
        timed = there.filter(pl.col("position") > 0).with_columns(at=read_time(pl.col("row_time")))
        return pl.concat([timeless, timed.join(same, on=["row_key", "at"], how="anti").drop("at")])

    def _times(self) -> pl.DataFrame:
        """Return `rowid`, `row_key`, `row_time` and `position` of all rows that are done."""
        rows = self._file.ask(
            f"select rowid, {self._key}, {self._time} from {self._table} where {self.known.finished}"  # noqa: S608 # quoted names
        )
        schema = {"rowid": pl.Int64, "row_key": pl.String, "row_time": pl.String}
        return pl.DataFrame(rows, schema=schema, orient="row").with_columns(position=_micros(pl.col("row_time")))

    def _rows(self, which: str, number: str, value: object) -> pl.DataFrame:
        names = ", ".join(f"cast({quoted(c)} as text)" for c in self._reads)
        place = f"{number}, {self._key}, {self._time}"
        sql = f"select {names}, {place} from {self._table} where {self.known.finished} and {which}"  # noqa: S608 # quoted names
        return as_text([*self._reads, "position", "row_key", "row_time"], self._file.ask(sql, (value,)))

    def _read_last(self, others: dict[str, Position]) -> str | None:
        """Return which of *others* ended with a row that is in the table; of several the one that was read furthest."""
        if not others:
            return None
        if self._numbered:
            number, ends = quoted(self.known.key), json.dumps([p.offset - 1 for p in others.values()])
            rows = self._rows(f"{number} in (select value from json_each(?))", number, ends)  # noqa: S608 # quoted names
        else:
            rows = self._times()
        marks = {_mark(*row) for row in rows.select("position", "row_key", "row_time").iter_rows()}
        matching = [s for s, p in others.items() if p.tail in marks]
        return max(matching, key=lambda s: others[s].offset, default=None)

    def _check(self) -> None:
        ((verdict,), *_) = self._file.ask("pragma quick_check(1)")
        if verdict != "ok":
            raise SourceError(f"{self._file.path} is damaged: {' '.join(str(verdict).split())}")


def _rows_of(file: SqliteFile, beside: Beside, keys: list[str]) -> pl.DataFrame:
    there = file.tables().get(beside.table, [])
    if beside.key not in there:
        return pl.DataFrame()
    columns = [c for c in beside.reads if c in there]
    names = ", ".join(f"cast({quoted(c)} as text)" for c in columns)
    sql = (
        f"select {names} from {quoted(beside.table)} "  # noqa: S608 # quoted names
        f"where {beside.where} and {quoted(beside.key)} in (select value from json_each(?))"
    )
    return as_text(columns, file.ask(sql, (json.dumps(keys),)))


def _micros(text: pl.Expr) -> pl.Expr:
    return read_time(text).dt.epoch("us").fill_null(0)


def _mark(position: int, key: str, at: str | None) -> int:
    """Return 63 bits that tell one row from the others."""
    return xxhash.xxh3_64_intdigest(f"{position}/{key}/{at}".encode()) & (1 << 63) - 1
