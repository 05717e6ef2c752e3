"""Rows of a parser → rows of the warehouse: which source, when read, at what price."""

from datetime import datetime
from pathlib import Path

import polars as pl

from ingest.pricing import Prices, price


def stamp(  # noqa: PLR0913 # the three tables of one source go together
    calls: pl.DataFrame,
    events: pl.DataFrame,
    rejects: pl.DataFrame,
    *,
    source_id: str,
    path: Path | str,
    prices: Prices,
    now: datetime,
    file_time: datetime | None,
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Return the rows with their provenance; a record without a time gets *file_time*, or *now*."""
    provenance = {
        "source_id": pl.lit(source_id),
        "source_path": pl.lit(str(path)),
        "ingested_at": pl.lit(now).cast(pl.Datetime("us", "UTC")),
    }
    calls, events, rejects = (frame.with_columns(**provenance) for frame in (calls, events, rejects))
    if calls["created_at"].null_count():
        missing = pl.col("created_at").is_null()
        when = pl.lit(file_time or now).cast(pl.Datetime("us", "UTC"))
        calls = calls.with_columns(
            created_at=pl.when(missing).then(when).otherwise("created_at"),
            ts_source=pl.when(missing).then(pl.lit("file" if file_time else "ingest")).otherwise("ts_source"),
        )
    events, rejects = (f.with_columns(pl.col("created_at").fill_null(pl.col("ingested_at"))) for f in (events, rejects))
    return price(calls, prices), events, rejects
