"""Files of columns as sources: Parquet, Arrow (IPC) and Delta tables, and the exports of a warehouse of our own.

A file of columns doesn't grow: it is known by its bytes, its position is the number of rows that were read of it, and
its rows mean what those of a CSV file with the same header mean. The data files of a Delta table are such files.

A row of an export of ours goes back to the source that it says it comes from: in a new warehouse it is what it was, and
where it came from it is known already. The log itself, read into the same warehouse, adds what the export lacks.
"""

import json
import logging
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC as ZONE
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import polars as pl
import xxhash

from ingest.databases.table_source import CHUNK, Chunk, Place, TableSource, read
from ingest.errors import SourceError, one_line
from ingest.files.paths import below, expand, path_of
from ingest.ledger import Batch, Ledger
from ingest.reading.intake import Intake
from ingest.warehouse.delta_log import entries_of
from parsers.blocks.csv_rows import without_nulls
from parsers.blocks.format import Beside, Known, Parsed, Related
from parsers.blocks.lines import RECORDS
from parsers.catalogue import HEADERS
from parsers.rows.by_header import Header, header_of, read_columns
from parsers.rows.typed_tables import typed
from parsers.schema import CALLS, EVENTS, REJECTS, UTC, conform, is_inside, polars_schema

SUFFIXES = (".parquet", ".arrow", ".feather", ".ipc")

_MAGICS = (b"PAR1", b"ARROW1")
_OURS = frozenset({"created_at", "model", "total_tokens", "format", "source_id", "source_offset", "dedupe_key"})
_LONGEST_HEADER = 4096
_SHOWN = 8
_NOTHING = pl.DataFrame(schema=polars_schema(EVENTS)), pl.DataFrame(schema=polars_schema(REJECTS))
_UNREADABLE = (pl.exceptions.PolarsError, OSError)

log = logging.getLogger(__name__)


def split(paths: Sequence[str]) -> tuple[list[Path], list[str]]:
    """Return the files of columns that *paths* name or hold, and the other paths.

    Raises:
        SourceError: A Delta table can't be read.
    """
    found: dict[Path, None] = {}
    others = []
    for text in paths:
        path, files = path_of(text), expand([text], families=False)
        if _is_delta(path):
            found.update(dict.fromkeys(_data_files(path)))
            continue
        mine = below(path, SUFFIXES) if path.is_dir() else [file for file in files if is_columns(file)]
        found.update(dict.fromkeys(mine))
        if not mine or set(files) - set(mine):
            others.append(text)
    return list(found), others


def _is_delta(path: Path) -> bool:
    return (path / "_delta_log").is_dir()


def is_columns(path: Path) -> bool:
    """Tell whether *path* is a Parquet or Arrow file, or an export of ours as CSV."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            head = file.read(_LONGEST_HEADER)
    except OSError:
        return False
    names = head.partition(b"\n")[0].decode("utf-8", "replace").strip().split(",")
    return head.startswith(_MAGICS) or set(names) >= _OURS


def backfill(path: Path, intake: Intake) -> bool:
    """Commit the calls in *path* that are new; tell whether anybody knows its columns.

    Raises:
        SourceError: It can't be read.
        WarehouseError: The warehouse can't be written now.
    """
    try:
        frame = _scan(path)
        names = frame.collect_schema().names()
        if set(names) >= _OURS:
            _restore(frame, intake)
            return True
        found = header_of(names, HEADERS)
        if found:
            read(_ColumnFile(path, frame, *found), intake.publisher)
    except _UNREADABLE as error:
        raise SourceError(f"{path} can't be read as columns: {one_line(error)}; is it complete?") from error
    return found is not None


def left_out(paths: Sequence[str], *, alone: bool) -> list[str]:
    """Return *paths* without files of columns and Delta tables, which grow by no lines; say what reads them.

    Raises:
        SourceError: Nothing is left, and *paths* are all that is followed: they stand *alone*.
    """
    rest = [text for text in paths if not (_is_delta(path_of(text)) or is_columns(path_of(text)))]
    holding = {text: below(path_of(text), SUFFIXES) for text in rest if path_of(text).is_dir()}
    holding |= {text: [path_of(text)] for text in paths if text not in rest}
    found = [path for files in holding.values() for path in files]
    if not found:
        return rest
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    given = " ".join(shlex.quote(text) for text, files in holding.items() if files)
    what = f"{found[0]}{more}: files of columns and Delta tables can't be followed"
    said = f"{what}; `ingest backfill {given}` reads what is new in them"
    if alone and not rest:
        raise SourceError(said)
    log.warning("%s", said)
    return rest


def why_nothing(path: Path) -> str:
    """Say why nobody knows the columns of *path*, and what to do.

    Raises:
        SourceError: It can't be read.
    """
    try:
        names = _scan(path).collect_schema().names()
    except _UNREADABLE as error:
        raise SourceError(f"{path} can't be read as columns: {one_line(error)}") from error
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (
        f"{path}: its columns ({', '.join(names[:_SHOWN])}{more}) make no call that ingest knows: rename them to "
        "model, created_at, prompt_tokens and completion_tokens, or export them as JSON lines and use --mapping"
    )


def _scan(path: Path) -> pl.LazyFrame:
    with path.open("rb") as file:
        magic = file.read(6)
    if magic.startswith(b"PAR1"):
        return pl.scan_parquet(path, hive_partitioning=False)
    if magic.startswith(b"ARROW1"):
        return pl.scan_ipc(path, hive_partitioning=False)
    return pl.scan_csv(path, infer_schema=False)


def _data_files(folder: Path) -> list[Path]:
    """Return the files of the newest version of the Delta table in *folder*, as they were before they were compacted.

    A compaction writes rows anew that may have been read from the files before it, which stay until a vacuum.
    """
    from deltalake import DeltaTable  # slow to import, and few have one
    from deltalake.exceptions import DeltaError

    try:
        uris, written_from = DeltaTable(str(folder)).file_uris(), _compacted(folder.resolve())
    except (DeltaError, OSError, ValueError) as error:
        raise SourceError(f"{folder} can't be read as a Delta table: {one_line(error)}") from error
    return sorted({Path(uri) for file in uris for uri in _originals(file, written_from)})


def _compacted(folder: Path) -> dict[str, list[str]]:
    """Return, for each file that a compaction wrote, the files that its rows were in before."""
    written_from: dict[str, list[str]] = {}
    for entry in entries_of(folder):
        actions = [json.loads(line) for line in entry.read_text("utf-8").splitlines() if line.strip()]
        moved = {kind: _moved(actions, kind, folder) for kind in ("add", "remove")}
        written_from |= dict.fromkeys(moved["add"], moved["remove"])
    return written_from


def _moved(actions: list[dict[str, Any]], kind: str, folder: Path) -> list[str]:
    """Return the files of the *actions* of a *kind* that change no data."""
    files = (action.get(kind) for action in actions)
    paths = [file["path"] for file in files if file and not file.get("dataChange", True)]
    return [str(folder / unquote(path)) for path in paths if is_inside(path)]


def _originals(file: str, written_from: Mapping[str, list[str]]) -> list[str]:
    """Return the files that the rows of *file* were in at first; itself where they are gone."""
    before = [original for earlier in written_from.get(file, ()) for original in _originals(earlier, written_from)]
    return before if before and all(Path(original).is_file() for original in before) else [file]


@dataclass
class _ColumnFile(TableSource):
    """One file of columns that are rows of a format: a source that is read once, row by row."""

    path: Path
    frame: pl.LazyFrame
    header: Header
    names: list[str]
    folder: str = ""
    label: str = field(init=False)
    known: Known = field(init=False)

    def __post_init__(self) -> None:
        self.label = str(self.path)
        self.known = Known(
            name=self.header.name,
            tables=(),
            needs=(),
            reads=tuple(self.names),
            key="",
            times=(),
            read=partial(_parsed, self.header),
            global_keys=False,
        )

    def changed(self) -> bool:
        """Tell that there may be something new: nobody looks twice."""
        return True

    def locate(self, ledger: Ledger) -> Place | None:
        """Know the file by its bytes."""
        digest = xxhash.xxh3_128()
        with self.path.open("rb") as file:
            while data := file.read(1 << 20):
                digest.update(data)
        source_id = f"columns:{digest.hexdigest()}"
        return Place(source_id, ledger.position(source_id), source_id)

    def chunks(self, place: Place, ledger: Ledger) -> Iterator[Chunk]:
        """Yield the rows after those that were read."""
        del ledger
        at = place.position.offset if place.position else 0
        schema = self.frame.collect_schema()
        wanted = {new: _as_text(old, schema[old]) for old, new in zip(schema, self.names, strict=True) if new}
        while True:
            rows = self.frame.slice(at, CHUNK).select(**wanted).collect()
            if rows.is_empty():
                return
            number = pl.int_range(at, at + len(rows), dtype=pl.Int64)
            placed = rows.with_columns(
                position=number, row_key=number.cast(pl.String), row_time=pl.lit(None, dtype=pl.String)
            )
            at += len(rows)
            yield Chunk(placed, at)

    def related(self, beside: Beside, keys: list[str]) -> pl.DataFrame:  # of databases
        """Return that nothing beside the file tells more."""
        return pl.DataFrame()


def _parsed(header: Header, rows: pl.DataFrame, _related: Related) -> Parsed:
    names = [name for name in rows.columns if name not in RECORDS]
    shown = pl.struct(name for name in names if name in header.names).struct.json_encode()
    told = rows.with_columns(without_nulls(rows.select(names)))
    return read_columns(told.with_columns(line=shown, source_end=pl.col("source_offset") + 1), names, header)


def _as_text(name: str, kind: pl.DataType) -> pl.Expr:
    """Return a column as CSV would have it: objects and maps as JSON, times in UTC."""
    value = pl.col(name)
    if isinstance(kind, pl.Datetime):
        zoned = value.dt.replace_time_zone("UTC") if kind.time_zone is None else value.dt.convert_time_zone("UTC")
        return zoned.dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
    if isinstance(kind, pl.Struct):
        return value.struct.json_encode()
    if isinstance(kind, pl.List) and isinstance(kind.inner, pl.Struct):
        if [f.name for f in kind.inner.fields] == ["key", "value"]:
            return _as_object(value)
        return pl.lit(None, dtype=pl.String)
    return value.cast(pl.String, strict=False) if not kind.is_nested() else pl.lit(None, dtype=pl.String)


def _as_object(value: pl.Expr) -> pl.Expr:
    """Return a map, which Parquet keeps as a list of keys and values, as a JSON object."""
    entry = pl.element().struct
    # Each is written as an object of one field: `{"k":"input"}` and `{"v":900}` → `"input":900`.
    key = pl.struct(k=entry.field("key").cast(pl.String)).struct.json_encode().str.slice(len('{"k":'))
    told = pl.struct(v=entry.field("value")).struct.json_encode().str.slice(len('{"v":'))
    pairs = value.list.eval(key.str.head(-1) + ":" + told.str.head(-1))
    return pl.when(value.is_not_null()).then(pl.lit("{") + pairs.list.join(",") + "}")


def _restore(frame: pl.LazyFrame, intake: Intake) -> None:
    """Commit the rows of an export, each to its own source, but for those that are there."""
    rows = _calls(frame).filter(pl.col("source_id").is_not_null() & pl.col("source_offset").is_not_null())
    ledger = intake.ledger
    intake.settle()
    batches = []
    for (source_id,), calls in rows.sort("source_id", "source_offset").group_by("source_id", maintain_order=True):
        position = ledger.position(str(source_id))
        new = calls.filter(pl.col("source_offset") >= position.offset) if position else calls
        if new.is_empty():
            continue
        start = position.offset if position else None
        end = int(new["source_offset"][-1]) + 1
        path = str(new["source_path"][0] or "")
        batches.append(Batch(str(source_id), path, start, end, None, 0, new, *_NOTHING))
    if not batches:
        return
    ledger.commit(batches)
    intake.totals.add(batches)


def _calls(frame: pl.LazyFrame) -> pl.DataFrame:
    """Return the rows of an export as calls: those of CSV are text, with an apostrophe before what may be a formula."""
    rows = frame.collect()
    if all(kind == pl.String for kind in rows.schema.values()):
        rows = rows.with_columns(pl.all().str.replace(r"^'([=+\-@\t\r])", "$1"))
        kinds = {name: pl.Int64 if kind == pl.Int32 else kind for name, kind in polars_schema(CALLS).items()}
        texts = rows.rename({"source_offset": "row_offset"})
        rows, _ = typed(texts, {n: k for n, k in kinds.items() if n != "source_offset"})
        rows = rows.with_columns(source_offset=pl.col("row_offset").cast(pl.Int64, strict=False))
    now = pl.lit(datetime.now(ZONE)).cast(UTC)
    return conform(rows, CALLS).with_columns(pl.col("ingested_at").fill_null(now), pl.col("created_at").fill_null(now))
