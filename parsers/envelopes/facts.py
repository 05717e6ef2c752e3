"""What an envelope says of a line → columns of the rows that were made of it, where the record itself says nothing."""

import numpy as np
import polars as pl

from parsers.blocks.lines import Lines, numbers
from parsers.jsonl.unknown_fields import joined
from parsers.schema import CALLS, EVENTS, REJECTS, Column, conform
from parsers.values.lenient import time
from parsers.values.typed import known, metadata, started

_KEPT = ("container", "pod", "namespace", "stream", "service")


def tell_calls(calls: pl.DataFrame, lines: Lines, facts: pl.DataFrame) -> pl.DataFrame:
    """Return *calls* that were made of *lines* with what their *facts* add, and with offsets of the wrapped bytes."""
    rows = _beside(calls, lines, facts)
    at = pl.coalesce("created_at", "_time")
    return _conformed(
        rows,
        CALLS,
        created_at=at,
        started_at=pl.coalesce("started_at", started(at, pl.col("latency_ms"))),
        ts_source=pl.coalesce("ts_source", pl.when(pl.col("_time").is_not_null()).then(pl.lit("log"))),
        host=pl.coalesce("host", known(pl.col("_host"))),
        metadata=_with_labels(rows),
        format=_format(),
    )


def tell_events(events: pl.DataFrame, lines: Lines, facts: pl.DataFrame) -> pl.DataFrame:
    """Return *events* likewise."""
    if events.is_empty():
        return events
    rows = _beside(events, lines, facts)
    return _conformed(rows, EVENTS, created_at=pl.coalesce("created_at", "_time"), format=_format())


def tell_rejects(rejects: pl.DataFrame, lines: Lines, facts: pl.DataFrame) -> pl.DataFrame:
    """Return *rejects* likewise."""
    if rejects.is_empty():
        return rejects
    rows = _beside(rejects, lines, facts)
    return _conformed(rows, REJECTS, created_at=pl.coalesce("created_at", "_time"), format=_format())


def _beside(rows: pl.DataFrame, lines: Lines, facts: pl.DataFrame) -> pl.DataFrame:
    """Return *rows* with the facts of the line that each begins in, as `_envelope` and so on."""
    offsets = rows["source_offset"].to_numpy()
    at = np.searchsorted(lines.offsets, offsets, side="right") - 1
    found = facts[numbers(np.maximum(at, 0).astype(np.int64), "at")].rename(lambda name: f"_{name}")
    beside = pl.concat([rows, found], how="horizontal")
    untouched = pl.col("_envelope").is_null() | pl.lit(pl.Series(at < 0))
    return beside.with_columns(
        source_offset=pl.when(untouched).then("source_offset").otherwise("_begin"),
        _time=time(pl.when(pl.col("created_at").is_null() & ~untouched).then("_time")),
        _envelope=pl.when(~untouched).then("_envelope"),
    )


def _conformed(rows: pl.DataFrame, columns: tuple[Column, ...], **values: pl.Expr) -> pl.DataFrame:
    return conform(rows.with_columns(**values), columns)


def _format() -> pl.Expr:
    return pl.col("format") + pl.coalesce(pl.lit("+") + pl.col("_envelope"), pl.lit(""))


def _with_labels(rows: pl.DataFrame) -> pl.Expr:
    """Return the metadata with what the envelope says that has no column, where the record doesn't say it itself."""
    some = [name for name in _KEPT if rows[f"_{name}"].null_count() < len(rows)]
    if not some:
        return pl.col("metadata")
    own = pl.col("metadata").fill_null("")
    said = {
        name: pl.when(~own.str.contains(f'"{name}":', literal=True)).then(known(pl.col(f"_{name}"))) for name in some
    }
    return joined(pl.col("metadata"), metadata(said))
