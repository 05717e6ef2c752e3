"""Does the warehouse hold what it says it holds? Logs, files, ledger, offsets, rows, and the sources themselves."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from ingest.errors import WarehouseError
from ingest.maintenance import reread
from ingest.warehouse import delta_log, retention
from ingest.warehouse.storage.store import Place, at
from ingest.warehouse.table import Table
from ingest.warehouse.warehouse import Warehouse, is_source
from parsers.values.messages import denied

ROWS = {"llm_calls": "calls", "llm_events": "events", "rejects": "rejects"}
"""The tables of rows, and the column of `batches` that counts theirs."""


@dataclass
class Verdict:
    """What was looked at, what is wrong, and what is worth knowing but not wrong."""

    checked: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def verify(place: Place, *, read_sources: bool = True) -> Verdict:
    """Look at everything; with *read_sources*, read the logs again that are still there.

    Raises:
        WarehouseError: There is no warehouse, or this user may not read it.
    """
    verdict = Verdict()
    store = at(place)
    store.check(delta_log.FOLDERS)
    there = delta_log.tables(store)
    for name in there:
        if not delta_log.is_there(store, name):
            raise WarehouseError(f"no warehouse at {store.shown()}: name it with --warehouse")
        verdict.problems += delta_log.Log(store, name).damages()
    if verdict.problems:
        return verdict
    # The ledger last: whatever commits meanwhile, it is then at least as far as the rows.
    try:
        opened = Warehouse(store)
    except WarehouseError as error:
        verdict.problems.append(str(error))
        return verdict
    others = {name: Table(store, name) for name in there if name not in opened.tables}
    for name, table in (opened.tables | others).items():
        verdict.problems += _files(table, verdict)
        verdict.checked[f"rows of {name}"] = sum(f.rows for f in table.files())
    if verdict.problems:
        return verdict
    ledger = opened.tables["batches"].scan().collect().sort("source_id", "start_offset")
    verdict.checked["batches"] = ledger.height
    verdict.problems += _tiling(ledger)
    verdict.problems += _offsets(opened, ledger, verdict)
    verdict.problems += [p for name in ROWS for p in _rows(opened, name, ledger)]
    verdict.notes += [
        f"{path} was taken for a copy of {copy.original}, though no record tells when it was written;"
        " `ingest backfill --not-a-copy` reads it as another log"
        for path, copy in opened.copies().items()
    ]
    if read_sources:
        again = reread.compare(ledger, opened.sources())
        verdict.checked |= {"sources read again": again.read, "sources gone or changed since": again.gone}
        verdict.problems += again.problems
        if again.denied:
            verdict.notes.append(f"{again.denied} sources may not be read by this user, so nothing is said about them")
    return verdict


def _files(table: Table, verdict: Verdict) -> Iterator[str]:
    """Yield what is wrong with the data files that the table's log lists."""
    store, files = table.store, table.files()
    try:
        sizes = {found.name: found.size for found in store.list(table.name)}
    except PermissionError as error:
        raise WarehouseError(denied(error.filename)) from error
    store.fetch([f"{table.name}/{file.path}" for file in files])
    for file in files:
        name = f"{table.name}/{file.path}"
        shown = store.shown(name)
        verdict.checked["data files"] = verdict.checked.get("data files", 0) + 1
        try:
            rows = pq.read_metadata(store.file(name)).num_rows
        except PermissionError as error:
            raise WarehouseError(denied(shown)) from error
        except (OSError, pa.ArrowException) as error:
            yield f"{shown} can't be read: {' '.join(str(error).split())}"
            continue
        if name not in sizes:
            yield f"{shown} is missing"
        elif (sizes[name], rows) != (file.bytes, file.rows):
            yield f"{shown} has {sizes[name]} bytes and {rows} rows; the log says {file.bytes} and {file.rows}"


def _tiling(ledger: pl.DataFrame) -> Iterator[str]:
    """Yield where the batches of a source leave bytes out, or count them twice."""
    before = pl.col("end_offset").shift().over("source_id").fill_null(0)
    wrong = ledger.with_columns(before=before).filter(pl.col("start_offset") != pl.col("before"))
    for row in wrong.iter_rows(named=True):
        what = "twice" if row["start_offset"] < row["before"] else "in no batch"
        first, last = sorted((row["start_offset"], row["before"]))
        yield f"{row['source_path']}: bytes {first} to {last} are {what} (source {row['source_id']})"


def _offsets(opened: Warehouse, ledger: pl.DataFrame, verdict: Verdict) -> Iterator[str]:
    """Yield sources whose offset isn't the end of a batch; note those of which a batch is under way."""
    ends = dict(ledger.group_by("source_id").agg(pl.col("end_offset")).iter_rows())
    under_way = 0
    for source, position in opened.sources().items():
        at = ends.pop(source, [])
        if position.offset and position.offset > max(at, default=0):
            yield f"source {source}: its offset is {position.offset}, its batches end at {max(at, default=0)}"
        under_way += max(at, default=0) > position.offset
    for source in ends:
        yield f"source {source} has batches and no offset"
    verdict.checked["sources"] = len(opened.sources())
    if under_way:
        verdict.notes.append(f"{under_way} sources have a commit under way; the next follow or backfill ends it")


def _rows(opened: Warehouse, name: str, ledger: pl.DataFrame) -> Iterator[str]:
    """Yield batches that have more or fewer rows in table *name* than they counted, and rows of no batch."""
    table = opened.tables[name]
    offsets = table.offsets
    known = {s: at for s, at in offsets.items() if is_source(s)}
    reached = pl.DataFrame(list(known.items()), {"source_id": pl.String, "reached": pl.Int64}, orient="row")
    rows = table.scan().select("source_id", "source_offset").collect()
    late = rows.join(reached, on="source_id", how="left").filter(
        pl.col("source_offset") >= pl.col("reached").fill_null(0)
    )
    for source, count in late.group_by("source_id").len().sort("source_id").iter_rows():
        yield f"{name}: {count} rows of source {source} lie beyond its offset {known.get(source)}"
    gone = retention.rows(opened.store, name, [f.path for f in table.files()])
    found = rows.sort("source_offset").join_asof(
        ledger.select("source_id", "start_offset").sort("start_offset"),
        left_on="source_offset",
        right_on="start_offset",
        by="source_id",
        check_sortedness=False,
    )
    counted = found.group_by("source_id", "start_offset").len("found")
    # Of a batch under way, this table may not have its rows yet.
    done = ledger.join(_calls_reached(opened), on="source_id").filter(pl.col("end_offset") <= pl.col("calls_reached"))
    both = done.join(counted, on=["source_id", "start_offset"], how="left").with_columns(pl.col("found").fill_null(0))
    per_source = both.group_by("source_id").agg(pl.col(ROWS[name]).sum().alias("counted"), pl.col("found").sum())
    wrong = {s for s, c, f in per_source.iter_rows() if c != f + gone.get(s, 0)}
    wrong |= set(
        both.filter((pl.col("found") != pl.col(ROWS[name])) & ~pl.col("source_id").is_in(list(gone)))["source_id"]
    )
    for row in both.filter(pl.col("source_id").is_in(list(wrong)) & (pl.col("found") != pl.col(ROWS[name]))).iter_rows(
        named=True
    ):
        yield (
            f"{name}: the batch of {row['source_path']} from {row['start_offset']} to {row['end_offset']} counted "
            f"{row[ROWS[name]]} rows, and {row['found']} are there"
        )


def _calls_reached(opened: Warehouse) -> pl.DataFrame:
    at = {source: position.offset for source, position in opened.sources().items()}
    return pl.DataFrame(
        {"source_id": list(at), "calls_reached": list(at.values())},
        schema={"source_id": pl.String, "calls_reached": pl.Int64},
    )
