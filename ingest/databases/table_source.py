"""Tables of databases as sources: what a database must offer, and how its rows become drafts.

A table's position is one whole number that only grows. Each kind of database says what it is, and keeps its promise:
of all rows that are done, those below the position have been read, and whatever appears later is read as well.
A row that is read again, because it changed, has the same `dedupe_key`: the views count it once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import polars as pl

from ingest.ledger import Ledger, Position
from ingest.reading.draft import Draft
from ingest.reading.publisher import Publisher
from parsers import Rows
from parsers.blocks.format import Beside, Known, Related, nothing_of
from parsers.rows.stated_limits import stated_limits
from parsers.schema import CALLS, EVENTS, REJECTS, conform
from parsers.values.lenient import time as read_time
from parsers.values.privacy import guarded_rows

CHUNK = 20_000
"""Rows that are fetched, parsed and committed at a time."""

PLACED = {"position": pl.Int64, "row_key": pl.String, "row_time": pl.String}
"""What comes with the columns of a row: its position, its primary key, and when it was done, as text."""


@dataclass(frozen=True)
class Chunk:
    """Some rows of a table (text, with `PLACED`), the position after them, and a mark of the last one of them."""

    rows: pl.DataFrame
    end: int
    mark: int = 0


@dataclass
class Place:
    """Where a table is read on: its identity, its position, and what makes its keys unique in the world.

    It is `lost` when another writer has moved the table on: then the place must be found anew.
    """

    source_id: str
    position: Position | None
    scope: str
    lost: bool = False

    def lose(self) -> None:
        """Learn that the table has moved on in the warehouse."""
        self.lost = True


class TableSource(Protocol):
    """One known table of a database: its path or URL with `#table`, what it is, and the folder that it is in."""

    label: str
    known: Known
    folder: str

    def changed(self) -> bool:
        """Tell whether there may be something new since the last look; cheap.

        Raises:
            SourceError: The database can't be read now.
        """

    def locate(self, ledger: Ledger) -> Place | None:
        """Find out which source this is; None while the table is empty.

        Raises:
            SourceError: The database can't be read now.
        """

    def chunks(self, place: Place, ledger: Ledger) -> Iterator[Chunk]:
        """Yield what is new since *place*, in order.

        Raises:
            SourceError: The database can't be read now.
        """

    def related(self, beside: Beside, keys: list[str]) -> pl.DataFrame:
        """Return the rows of the other table that have one of *keys*, with the columns that are there.

        Raises:
            SourceError: The database can't be read now.
        """


def read(source: TableSource, publisher: Publisher) -> int:
    """Commit what is new in *source*; return how many rows that was.

    Raises:
        SourceError: The database can't be read now; what was committed stays.
        WarehouseError: The warehouse can't be written now. What was read is committed before anything else is.
    """
    taken = 0
    publisher.settle()
    while place := source.locate(publisher.ledger):
        for draft in _drafts(source, place, publisher.ledger):
            publisher.publish([draft])
            publisher.settle()
            if place.lost:
                break  # somebody else reads the table into the same warehouse: go on after them
            taken += sum(rows.height for rows in draft.rows)
        if not place.lost:
            break
    return taken


def _drafts(source: TableSource, place: Place, ledger: Ledger) -> Iterator[Draft]:
    """Yield what is new in *source* since *place*, each beginning where the one before it ended."""
    start = place.position.offset if place.position else None
    for chunk in source.chunks(place, ledger):
        end = max(chunk.end, (start or 0) + 1)
        rows = _rows(source, place, chunk, start or 0, end)
        if rows.height:
            yield Draft(place, place.source_id, source.label, start, end, chunk.mark, [rows])
            start = end


def _rows(source: TableSource, place: Place, chunk: Chunk, start: int, end: int) -> Rows:
    """Return the rows of *chunk*, placed from *start* to *end*, as the draft is."""
    known = source.known
    # Parsers number the rows; two rows may have one position.
    frame = chunk.rows.with_row_index("source_offset").cast({"source_offset": pl.Int64})
    if known.folder:
        frame = frame.with_columns(pl.lit(source.folder).alias(known.folder))
    parsed = known.read(frame.drop(*PLACED), related(source, frame))
    where = frame.select("source_offset", "position", at=read_time(pl.col("row_time")), key=_key(source, place))
    calls = _placed(conform(parsed.calls, CALLS), where).with_columns(
        ts_source=pl.coalesce(
            "ts_source", pl.when(pl.col("created_at").is_null() & pl.col("at").is_not_null()).then(pl.lit("log"))
        ),
        created_at=pl.coalesce("created_at", "at"),
        dedupe_key=pl.coalesce("dedupe_key", "key"),
    )
    rejects = _placed(conform(parsed.rejects, REJECTS), where).with_columns(
        created_at=pl.col("at"), format=pl.lit(known.name)
    )
    told = conform(parsed.events, EVENTS)
    events = _placed(pl.concat([told, stated_limits(conform(parsed.calls, CALLS), told)]), where)
    # What is read again, to see whether it has been read, was rejected then.
    since = place.position.offset if place.position else 0
    late = pl.col("source_offset") >= since
    inside = pl.col("source_offset").clip(start, end - 1)
    calls, events, rejects = (f.with_columns(inside) for f in (calls, events.filter(late), rejects.filter(late)))
    rejects = rejects.with_columns(source_end=pl.col("source_offset") + 1)
    # Guarded last: keys are made here.
    calls, events, rejects = map(guarded_rows, (calls, events, rejects))
    return Rows(conform(calls, CALLS), conform(events, EVENTS), conform(rejects, REJECTS), end, {})


def related(source: TableSource, rows: pl.DataFrame) -> Related:
    """Return what the tables beside *source* tell of its *rows*, by the name of each table.

    Raises:
        SourceError: The database can't be read now.
    """
    found = {}
    for beside in source.known.beside:
        keys = rows[beside.refers].drop_nulls().unique().to_list() if beside.refers in rows else []
        there = source.related(beside, keys) if keys else pl.DataFrame()
        found[beside.table] = pl.concat([nothing_of(beside), there], how="diagonal")
    return found


def _key(source: TableSource, place: Place) -> pl.Expr:
    """Return what tells a row from all others in the world, and is the same when it is read again."""
    known = source.known
    parts = [pl.lit(known.name)]
    if not known.global_keys:
        parts.append(pl.lit(source.folder if known.folder else place.scope))
    if not known.global_keys and not known.rewritten:
        # Numbers start anew when a table is emptied, so the time tells as well.
        parts.append(pl.col("row_time").fill_null(""))
    return pl.concat_str([*parts, pl.col("row_key")], separator="/")


def _placed(rows: pl.DataFrame, where: pl.DataFrame) -> pl.DataFrame:
    found = rows.join(where, on="source_offset", how="left", maintain_order="left")
    return found.with_columns(source_offset="position")


def quoted(name: str) -> str:
    """Return *name* as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def qualified(name: str) -> str:
    """Return *name*, with or without its schema, as an SQL identifier; a schema ends at the first point."""
    return ".".join(quoted(part) for part in name.split(".", 1))


def as_text(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> pl.DataFrame:
    """Return *rows* of text as a frame; the column `position` holds numbers."""
    schema = {name: PLACED.get(name, pl.String) for name in columns}
    return pl.DataFrame(rows, schema=schema, orient="row")
